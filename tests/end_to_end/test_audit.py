"""A gateway that signs, seals and erases while it runs, as processes; and an auditor who has its files."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.stores.checkpoints import read_checkpoints, unsigned
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.keys import OPERATOR_ID
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.retention import contents
from pointsman.stores.signing import load_public, make_key
from pointsman.stores.sqlite import SqliteLog
from pointsman.testing import ScriptedUpstream
from tests.faults.process import Running, configuration, started
from tests.server.served import chat, model

AUDIT = {"key": "keys/audit", "checkpoints": "signed", "content_keys": "keys/contents", "checkpoint_every": 3, "interval_s": 0.02}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def ask(gateway: Running, text: str) -> str:
    """A decision's id, once it is answered."""
    connection = await gateway.ask("/v1/chat/completions", chat("inside", text, user="ada"))
    try:
        answer = await connection.answered()
        assert answer.status == 200, answer.body
        return answer.headers["x-pointsman-decision-id"]
    finally:
        connection.close()


async def told(gateway: Running, path: str) -> tuple[int, str | None]:
    connection = await gateway.ask(path)
    try:
        answer = await connection.answered()
        return answer.status, answer.json.get("audit")
    finally:
        connection.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_record_is_signed_by_the_time_the_gateway_has_ended(tmp_path: Path, monkeypatch, capsys, workers):
    make_key(tmp_path / "keys/audit")

    async def scene() -> list[str]:
        async with ScriptedUpstream() as upstream:
            config = configuration(upstream, [model("inside")], audit=AUDIT, store={"content": True}, server={"workers": workers})
            async with started(tmp_path, config) as gateway:
                asked = await asyncio.gather(*(ask(gateway, f"secret words {number}") for number in range(12)))
                await until(lambda: (tmp_path / "signed").exists() and read_checkpoints(tmp_path / "signed") != [])
                gateway.process.send_signal(signal.SIGTERM)
                assert await gateway.ended() == 0
                return asked

    asked = asyncio.run(scene())
    signed = read_checkpoints(tmp_path / "signed")
    sizes = [checkpoint.size for checkpoint in signed]
    assert sizes == sorted(set(sizes)), "nothing is signed twice"
    assert unsigned(signed, load_public(tmp_path / "keys/audit.pub")) is None
    found = verify(tmp_path / "log.db", None, [checkpoint.mark for checkpoint in signed])
    assert found.ok
    assert found.records == sizes[-1]
    assert b"secret words" not in (tmp_path / "log.db").read_bytes()

    monkeypatch.chdir(tmp_path)  # where pointsman.yaml says which files belong to the log
    for action, more in (("verify", ()), ("content", (asked[3],)), ("erase", ("--subject", f"{OPERATOR_ID}/ada")), ("verify", ())):
        assert main(("audit", action, *more)) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert f"signed checkpoints agree: {len(signed)}" in said
    assert "secret words 3" in said
    assert "0 can be read, 12 are erased, 0 are not sealed" in said


def test_what_keeps_the_gateway_from_signing_shows_in_its_health_until_it_is_mended(tmp_path: Path):
    make_key(tmp_path / "keys/audit")
    (tmp_path / "signed").write_text("not a checkpoint\n")

    async def scene() -> None:
        async with ScriptedUpstream() as upstream, started(tmp_path, configuration(upstream, [model("inside")], audit=AUDIT)) as gateway:
            await ask(gateway, "hello")
            async with asyncio.timeout(20):
                for path in ("/healthz", "/readyz"):
                    while (found := await told(gateway, path)) == (200, None):
                        await asyncio.sleep(0.01)
                    assert found[0] == 200
                    assert found[1].startswith("no checkpoint is signed: nothing was signed: the last line of `signed`")
                (tmp_path / "signed").unlink()
                while await told(gateway, "/healthz") != (200, None):
                    await asyncio.sleep(0.01)
            assert "no checkpoint is signed any more" in gateway.said()

    asyncio.run(scene())


def test_without_the_key_that_its_configuration_names_a_gateway_does_not_start(tmp_path: Path):
    async def scene() -> None:
        async with ScriptedUpstream() as upstream:
            config = configuration(upstream, [model("inside")], audit=AUDIT)
            with pytest.raises(pytest.fail.Exception, match="keys/audit: no audit key: No such file or directory: make one with"):
                async with started(tmp_path, config):
                    pass

    asyncio.run(scene())


def test_contents_whose_time_is_over_are_erased_while_the_gateway_runs(tmp_path: Path):
    keys = ContentKeys(tmp_path / "keys/contents")

    async def earlier() -> None:
        async with SqliteLog(tmp_path / "log.db") as log:
            for name, at_ns in (("old", 0), ("new", time.time_ns())):
                await log.append("content", name, await keys.seal("ada", name, name.encode(), at_ns))

    async def scene() -> None:
        async with ScriptedUpstream() as upstream:
            audit = {"content_keys": "keys/contents", "retain_content_days": 30}
            config = configuration(upstream, [model("inside")], audit=audit, server={"workers": 2})
            async with started(tmp_path, config) as gateway:
                await until(lambda: len(keys.find()) == 1)
                gateway.process.send_signal(signal.SIGTERM)
                assert await gateway.ended() == 0

    asyncio.run(earlier())
    asyncio.run(scene())
    log = LogFile(tmp_path / "log.db")
    found = contents(log, keys)
    erasures = [json.loads(entry.body) for entry in log.recent(10, kind="erasure")]
    assert (found.ok, found.readable, found.erased) == (True, 1, 1)
    assert [(told["reason"].partition(",")[0], len(told["keys"])) for told in erasures] == [("older than 30 days", 1)], (
        "by one of them, once"
    )
    assert [keys.open(row[2].decode(), row[4]) for row in log.chain(kind="content")] == [None, b"new"]
    log.close()
    keys.close()
    assert verify(tmp_path / "log.db").ok
