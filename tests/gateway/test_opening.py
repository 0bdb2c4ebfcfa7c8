"""Cascades that begin with a pair, over real HTTP: what is called, what the client gets, and what the record says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman.estimators import confidence, confidence_file
from pointsman.estimators.duo import AGREE, DIFFER
from pointsman.estimators.opening import Openings
from pointsman.testing.confidence import sample_answers
from tests.estimators.test_opening import PAIRED, duo
from tests.gateway.test_looking import called, course, fates, pool, text
from tests.server.conftest import Serve
from tests.server.served import ONCE

NAMES = {"small": "a", "middle": "b", "large": "c"}  # what the file calls the models


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A confidence that learned what it is worth that `a` and `b` agree."""
    learned = confidence.fit(sample_answers()).confidence
    pair = replace(PAIRED, tasks=("general",), duo=duo(AGREE, DIFFER, "general"))
    openings = Openings(tuple(NAMES.values()), np.full(3, 0.3), (pair,))
    path = tmp_path_factory.mktemp("confidence") / "answers.confidence"
    path.write_bytes(
        confidence_file.dump(replace(learned, models=tuple(NAMES.values()), means=np.array([0.5, 0.7, 0.9]), openings=openings))
    )
    return path


def routes(**more: object) -> dict[str, object]:
    cascade = {"tiers": list(NAMES), "accept": {"confidence": 0.6}, "worth_usd": 1.0}
    return {"auto": {"plan": "cascade", "cascade": cascade, "retry": ONCE, **more}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("said", "asked", "gets", "told"),
    [
        ("BB", ["middle", "small"], "middle", [("small", "accepted"), ("middle", "accepted")]),
        ("AB", ["large", "middle", "small"], "large", [("small", "escalated"), ("middle", "escalated"), ("large", "accepted")]),
    ],
)
async def test_the_strong_model_is_asked_where_two_differ(serve: Serve, file: Path, said, asked, gets, told, stream):
    models = pool(small=f"says@{said[0]}", middle=f"says@{said[1]}", large="says@C")
    async with serve(models, routes=routes(), learned={"confidence": str(file), "models": NAMES}) as served:
        answered = await served.chat("auto", "Which letter?", stream=stream)
        assert sorted(called(served)) == asked
        assert answered.headers["x-pointsman-model"] == gets
        if stream:
            deltas = [choice["delta"] for event in answered.events if event != b"[DONE]" for choice in json.loads(event)["choices"]]
            assert "".join(delta.get("content") or "" for delta in deltas) == ("B" if gets == "middle" else "C")
        else:
            assert text(answered) == ("B" if gets == "middle" else "C")
            assert answered.headers["x-pointsman-calls"] == str(len(asked))
        kept = await course(served, answered)
        assert sorted(fates(kept)) == sorted(told)
        assert all("asked at once with" in step["why"] for step in kept["steps"] if step["model"] != "large")
        outcomes = await served.outcomes()
        assert sorted(one.model for one in outcomes) == asked
        assert all(one.cost_picousd for one in outcomes)


async def test_one_of_the_two_that_fails_leaves_the_other_and_those_after_it(serve: Serve, file: Path):
    models = pool(small="error-500", middle="says@B", large="says@C")
    async with serve(models, routes=routes(), learned={"confidence": str(file), "models": NAMES}) as served:
        answered = await served.chat("auto", "Which letter?")
        assert set(called(served)) >= {"small", "middle"}
        assert text(answered) in ("B", "C")


async def test_a_route_without_a_worth_begins_with_its_first_tier(serve: Serve, file: Path):
    plain = routes(cascade={"tiers": list(NAMES), "accept": {"confidence": 0.0}})
    models = pool(small="says@A", middle="says@B", large="says@C")
    async with serve(models, routes=plain, learned={"confidence": str(file), "models": NAMES}) as served:
        assert text(await served.chat("auto", "Which letter?")) == "A"
        assert called(served) == ["small"]
