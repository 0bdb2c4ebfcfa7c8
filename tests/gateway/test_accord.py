"""Cascades with a learned confidence: what answers tell together, over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman.estimators import confidence, confidence_file
from pointsman.estimators.accord import Accord
from pointsman.testing.confidence import sample_answers
from tests.gateway.test_looking import called, course, fates, pool, text
from tests.server.conftest import Serve

FIVE, SIX = "says@The answer is 5.", "says@The answer is 6."
SPEAKS = Accord((), np.array([0.0, 1.0, 2.0, 0.0, -2.0, 0.0, 0.0]), Accord.unlearned().further)
"""Who agrees counts for the best answer, who differs against it."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A confidence that learned how answers speak for each other, and one that did not."""
    learned = confidence.fit(sample_answers()).confidence
    folder, found = tmp_path_factory.mktemp("confidence"), {}
    for speaks, accord in ((True, SPEAKS), (False, Accord.unlearned())):
        found[speaks] = folder / f"{speaks}.confidence"
        found[speaks].write_bytes(confidence_file.dump(replace(learned, accord=accord)))
    return found


def routes(**cascade: object) -> dict[str, object]:
    tiers = {"tiers": ["small", "middle", "large"], "accept": {"confidence": 0.7}, **cascade}
    return {"auto": {"plan": "cascade", "cascade": tiers}}


WORTH = {"worth_usd": 0.01}


@pytest.mark.parametrize(
    ("speaks", "cascade", "middle", "asked"),
    [
        (True, {}, FIVE, ["small", "middle"]),
        (True, WORTH, FIVE, ["small", "middle"]),
        (True, {}, SIX, ["small", "middle", "large"]),
        (True, WORTH, SIX, ["small", "middle", "large"]),
        (False, {}, FIVE, ["small", "middle", "large"]),
    ],
)
async def test_two_doubtful_answers_that_agree_need_no_third(serve: Serve, files, speaks, cascade, middle, asked):
    models = pool(small=FIVE, middle=middle, large=FIVE)
    async with serve(models, routes=routes(**cascade), learned={"confidence": str(files[speaks])}) as served:
        answered = await served.chat("auto", "How much is 4 + 1?")
        assert called(served) == asked
        assert text(answered) == "The answer is 5."
        steps = (await course(served, answered))["steps"]
        alone = max(step["confidence"] for step in steps if step["fate"] == "escalated")
        agreed = speaks and middle == FIVE
        assert (float(answered.headers["x-pointsman-confidence"]) > 0.7 > alone) is agreed
        assert steps[-1]["fate"] == ("accepted" if agreed or cascade else "settled")


async def test_an_answer_that_a_check_bars_speaks_for_no_other(serve: Serve, files):
    models = pool(small="says@I'm sorry, but I can't help with that. The answer is 5.", middle=FIVE, large=FIVE)
    barring = routes(accept={"confidence": 0.7, "checks": ["refusal"]})
    async with serve(models, routes=barring, learned={"confidence": str(files[True])}) as served:
        answered = await served.chat("auto", "How much is 4 + 1?")
        told = (await course(served, answered))["steps"]
        assert [step["barred"] for step in told] == ["refusal", "", ""]
        assert fates({"steps": told}) == [("small", "escalated"), ("middle", "escalated"), ("large", "accepted")]


async def test_where_none_of_several_that_agree_is_sure_enough_a_person_sees_all(serve: Serve, files):
    models = pool(small=FIVE, middle=SIX, large=FIVE)
    asking = routes()
    asking["auto"]["fallback"] = ["human"]
    async with serve(models, routes=asking, learned={"confidence": str(files[True])}) as served:
        answered = await served.chat("auto", "How much is 4 + 1?")
        assert answered.error["code"] == "review_required"
        told = (await course(served, answered))["steps"]
        assert sum(step["fate"] == "to_review" for step in told) == 1
