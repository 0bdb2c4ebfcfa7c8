"""A configuration that does not keep its promises does not come into force: not at the start, and not later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.config.load import load, load_file
from pointsman.errors import ConfigError
from pointsman.server.reload import Reloader
from pointsman.server.workers import Handed, Workers
from tests.end_to_end.running import environment
from tests.server.conftest import Serve
from tests.server.served import Served, model

INSIDE, OUTSIDE = model("inside", perimeter="on_prem"), model("outside", quality={"general": 1.0})
PROMISE = {"name": "stays", "labels": ["pii"], "only": {"perimeter": ["on_prem"]}}
POLICY = {"name": "inside", "when": '"pii" in labels', "require": {"perimeter": ["on_prem"]}}
KEPT: dict[str, Any] = {"routes": {"auto": {"dial": 1}}, "promises": [PROMISE], "policies": [POLICY]}


def text(gateway: Served, **more: object) -> str:
    pool = [{"base_url": gateway.upstream.base_url, **found} for found in (INSIDE, OUTSIDE)]
    return json.dumps({"version": 1, "models": pool, **KEPT, "store": {"path": str(gateway.folder / "log.db")}, **more})


async def protected(gateway: Served) -> str:
    """Where a request with the label goes."""
    answer = await gateway.ask(body={"model": "auto", "messages": [{"role": "user", "content": "x"}]}, x_pointsman_labels="pii")
    return answer.headers["x-pointsman-model"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_gateway_does_not_start_on_a_broken_promise(tmp_path: Path, workers):
    pool = [{**found, "base_url": "http://127.0.0.1:9/v1"} for found in (INSIDE, OUTSIDE)]
    config = {
        "version": 1,
        "models": pool,
        **KEPT,
        "policies": [],
        "server": {"workers": workers},
        "store": {"path": str(tmp_path / "log.db")},
    }
    (file := tmp_path / "pointsman.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pointsman", "serve", "--port", "0", "--config", str(file)]
    ended = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "promise `stays` is broken on `auto` for anyone: `outside` is within reach: perimeter is `external`" in ended.stderr
    assert not (tmp_path / "log.db").exists(), "nothing is begun"


async def test_a_reload_that_breaks_a_promise_changes_nothing(serve: Serve):
    async with serve([INSIDE, OUTSIDE], **KEPT) as gateway:
        before = gateway.service.gateway.live
        with pytest.raises(ConfigError, match="promise `stays` is broken on `auto` for anyone"):
            await gateway.service.reload(load(text(gateway, policies=[]), "new.yaml", {}))
        assert gateway.service.gateway.live is before
        assert await protected(gateway) == "inside"


async def test_a_file_that_breaks_a_promise_is_told_and_the_last_sound_one_stays(serve: Serve):
    async with serve([INSIDE, OUTSIDE], **KEPT) as gateway:
        (file := gateway.folder / "pointsman.yaml").write_text(text(gateway))
        reloader = Reloader(file, load_file(file, {}), gateway.service.reload, env={})
        gateway.app.problem = lambda: reloader.problem
        holes = (
            {"policies": []},
            {"policies": [{**POLICY, "fail": "open", "when": 'labels[0] == "pii"'}]},
            {"policies": [{**POLICY, "scope": {"teams": ["clinic"]}}]},
            {"policies": [{**POLICY, "scope": {"routes": ["auto"]}}]},
        )
        for hole in holes:
            file.write_text(text(gateway, **hole))
            await reloader.check()
            assert "promise `stays` is broken" in (await gateway.ask("/readyz")).json["config"], hole
            assert "stays" not in (await gateway.ask("/readyz", key=None)).json["config"]
            assert await protected(gateway) == "inside"
        file.write_text(text(gateway, policies=[{**POLICY, "name": "anew"}]))
        await reloader.check()
        assert reloader.problem is None
        assert await protected(gateway) == "inside"
        assert gateway.service.gateway.world.snapshot.policies[0].name == "anew"
        assert {exchange.model for exchange in gateway.ledger} == {"ok@inside"}


async def test_a_promise_alone_refuses_nothing(serve: Serve):
    """It is proved over policies; the models of this pool keep it by themselves."""
    async with serve([INSIDE], routes={"auto": {}}, promises=[PROMISE]) as gateway:
        assert await protected(gateway) == "inside"


async def test_a_worker_is_never_handed_a_configuration_that_breaks_a_promise(tmp_path: Path):
    pool = [{**found, "base_url": "http://127.0.0.1:9/v1"} for found in (INSIDE, OUTSIDE)]
    kept, broken = (load(json.dumps({"version": 1, "models": pool, **KEPT, **more}), "x", {}) for more in ({}, {"policies": []}))
    parent = Workers((), (), Handed(kept, None))
    with pytest.raises(ConfigError, match="promise `stays` is broken"):
        await parent._note(broken)
    assert parent._handed.config is kept
