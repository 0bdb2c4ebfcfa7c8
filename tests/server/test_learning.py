"""A gateway that has learned: decisions carry what was predicted, and another file is in force once it has come to rest."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.config.load import load_file
from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord, remake
from pointsman.estimators import bundle
from pointsman.estimators.blend import Blend
from pointsman.evals.synthetic import World, generate
from pointsman.server.reload import Reloader
from pointsman.signals.embedding import shipped
from tests.estimators.learners import SMALL
from tests.server.coroutines import soon
from tests.server.served import model, serving

MODELS = [model("model-0", quality={"general": 0.1}), model("model-1", quality={"general": 0.2}), model("cheap", quality={"general": 0.9})]
ROUTES = {"auto": {"dial": 1.0, "models": ["model-0", "model-1"]}}


@pytest.fixture(scope="module")
def bundles() -> tuple[bytes, bytes]:
    outcomes = generate(World(queries=120, models=2, specialism=2.0), 3).outcomes
    first, second = (bundle.dump(Blend(shipped(), SMALL).fit(outcomes, seed=seed)) for seed in (1, 2))
    return first, second


async def test_a_decision_carries_what_was_learned_and_comes_out_again(tmp_path: Path, bundles: tuple[bytes, bytes]) -> None:
    file = tmp_path / "quality.bundle"
    file.write_bytes(bundles[0])
    async with serving(tmp_path, MODELS, routes=ROUTES, learned={"bundle": str(file)}) as served:
        answer = await served.chat("auto", "poetry nested subtle")
        assert answer.status == 200
        (kept,) = await served.service.log.recent(10, kind="decision")
        file.unlink()
        written = from_json(DecisionRecord, kept.body)
        snapshot = served.service.gateway.world.snapshot
        assert [one.model for one in written.signals.predicted] == ["model-0", "model-1"]
        assert snapshot.learned.bundle == bundle.digest(bundles[0])
        again = remake(written, snapshot)
        assert again.estimate("model-0").quality == written.signals.predicted[0].quality != 0.1
        shown = await served.ask(f"/v1/decisions/{written.request.id}", method="GET")
        assert json.loads(shown.body)["learned"]["bundle"] == snapshot.learned.bundle


async def test_past_queries_that_are_near_may_be_another_tenants(tmp_path: Path) -> None:
    file = tmp_path / "quality.bundle"
    outcomes = generate(World(queries=300, models=2, specialism=2.0), 3).outcomes
    file.write_bytes(bundle.dump(Blend(shipped(), SMALL).fit(outcomes, seed=1)))
    async with serving(tmp_path, MODELS, routes=ROUTES, learned={"bundle": str(file)}) as served:
        assert (await served.chat("auto", "poetry nested subtle")).status == 200
        (kept,) = await served.service.log.recent(10, kind="decision")
        asked = from_json(DecisionRecord, kept.body).request
        own = await served.service.gateway.recorded(asked.id, replace(asked.caller, role="caller"))
        whole = await served.service.gateway.recorded(asked.id, None)
        assert own["signals"]["neighbours"] == []
        assert len(whole["signals"]["neighbours"]) == 3


async def test_another_bundle_is_in_force_without_the_configuration_being_touched(tmp_path: Path, bundles: tuple[bytes, bytes]) -> None:
    bundle_file, file = tmp_path / "quality.bundle", tmp_path / "pointsman.yaml"
    bundle_file.write_bytes(bundles[0])
    async with serving(tmp_path, MODELS, routes=ROUTES, learned={"bundle": str(bundle_file)}) as served:
        pool = [{"base_url": served.upstream.base_url, **found} for found in MODELS]
        store = {"path": str(tmp_path / "log.db")}
        whole = {"version": 1, "models": pool, "routes": ROUTES, "learned": {"bundle": str(bundle_file)}, "store": store}
        file.write_text(json.dumps(whole))
        reloader = Reloader(file, load_file(file, {}), served.service.reload, env={}, poll_s=0.001)
        watching = asyncio.create_task(reloader.watch())
        before = served.service.gateway.world.snapshot.id
        beside = tmp_path / "beside"
        beside.write_bytes(bundles[1])
        beside.replace(bundle_file)
        await soon(lambda: served.service.gateway.world.snapshot.learned.bundle == bundle.digest(bundles[1]))
        after = served.service.gateway.world.snapshot.id
        assert before != after
        bundle_file.write_bytes(bundles[1][:-1])
        await soon(lambda: reloader.problem)
        assert "damaged" in reloader.problem
        assert served.service.gateway.world.snapshot.id == after
        assert (await served.chat("auto", "poetry")).status == 200
        bundle_file.unlink()
        await soon(lambda: "cannot be read" in reloader.problem)
        bundle_file.write_bytes(bundles[0])
        await soon(lambda: served.service.gateway.world.snapshot.learned.bundle == bundle.digest(bundles[0]))
        assert reloader.problem is None
        watching.cancel()
        await asyncio.wait({watching})
