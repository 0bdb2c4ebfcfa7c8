"""What breaks after its first word ends as an error in the client's own words, at whatever event; no other model goes on with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from pointsman.testing.framing import chunk
from pointsman.testing.manners import MANNERS, Answer, Signal, Step
from tests.faults.clients import CLIENTS, TEXT, Client, events
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.served import Served, model

LENGTHS = {"chat": 7, "responses": 12, "messages": 9}
"""How many events the upstream's stream has in each API."""
FINISHED = {"chat": 5, "responses": 11, "messages": 8}
"""After how many of them the upstream has said how its answer ended."""
SCRIPTS = ["cut-after", "reset-after", "fin-after", "error-event-after", "malformed-after", "giant-line-after"]
GIANT = 10_000_000
SLOW = "POINTSMAN_FAULT_REQUESTS" in os.environ


def giant_line_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    """So many events, then one of ten megabytes, then the rest."""
    made = answer()
    yield from made.first(number)
    yield Signal.HOLD
    yield chunk(b"data: ")
    for _ in range(GIANT // 1_000_000):
        yield chunk(b"x" * 1_000_000)
    yield chunk(b"\n\n")
    yield from made.rest(number)


@pytest.fixture(autouse=True)
def giant_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MANNERS, "giant-line-after", giant_line_after)


def places(script: str, api: str) -> range:
    """After which events it is tried."""
    return range(LENGTHS[api]) if script != "giant-line-after" or SLOW else range(1, LENGTHS[api], 2)


@pytest.mark.parametrize("held", [True, False], ids=["slow", "at-once"])
@pytest.mark.parametrize("spoken", CLIENTS)
async def test_a_fault_at_any_event_is_an_error_in_the_clients_dialect(serve: Serve, spoken, held):
    cases = [(f"{script}-{at}", at) for script in SCRIPTS for at in places(script, spoken)]
    pool = [model(f"m-{script}", script, apis=[spoken]) for script, _ in cases]
    once = {script: {"models": [f"m-{script}"], "retry": {"attempts": 1}} for script, _ in cases}
    async with guarded(serve, pool, once) as gateway:
        gateway.upstream.hold_faults = held
        asked = [(client, script, at) for client in CLIENTS.values() for script, at in cases]
        answering = asyncio.gather(*(client.ask(gateway, script, stream=True) for client, script, _ in asked))
        await gateway.upstream.until(lambda: len(gateway.ledger) >= len(asked) and all(found.bytes_sent for found in gateway.ledger))
        gateway.upstream.release.set()
        answers = await answering
        outcomes = {outcome.decision: outcome for outcome in await gateway.outcomes()}
        assert len(outcomes) == len(asked) == len(gateway.ledger)
        begun = 0
        for (client, script, at), answer in zip(asked, answers, strict=True):
            about = (client.api, spoken, script, answer.status, answer.body[-400:])
            begun += answer.status == 200
            outcome = outcomes.pop(answer.headers["x-pointsman-decision-id"])
            if outcome.ok:  # it had said how it ended: nothing is missing
                assert at >= FINISHED[spoken], about
                assert client.said(answer) == TEXT, about
                continue
            assert not client.ended_well(answer.body), about
            assert client.failure(answer), about
            assert outcome.status == "error", about
            assert outcome.fault is not None, about
            if answer.status == 200:
                assert TEXT.startswith("".join(client.delta(event) for event in events(answer.body)[:-1])), about
                assert outcome.usage_source in ("reported", "estimated"), about
                assert outcome.usage is not None, about
        assert begun > len(asked) // 4


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("spoken", CLIENTS)
async def test_no_other_model_goes_on_where_one_has_begun(serve: Serve, spoken, script):
    at = FINISHED[spoken] - 1
    broken = model("broken", f"{script}-{at}", apis=[spoken], quality={"general": 0.9})
    async with guarded(serve, [broken, model("good")], {"auto": route("broken", "good")}) as gateway:
        gateway.upstream.hold_faults = True
        for client in CLIENTS.values():
            answer = asyncio.ensure_future(begun_then_released(gateway, client))
            assert not client.ended_well((await answer)[1])
        assert {exchange.model for exchange in gateway.ledger} == {f"{script}-{at}@broken"}
        assert [outcome.status for outcome in await gateway.outcomes()] == ["error"] * 3


async def begun_then_released(gateway: Served, client: Client) -> tuple[int, bytes]:
    """A stream whose fault happens once the client has read its beginning."""
    gateway.upstream.release.clear()
    connection = await gateway.connect()
    await connection.request(client.path, {**client.body("auto", TEXT), "stream": True}, key="an operator's key, long enough")
    status, _ = await connection.head()
    body = await connection.piece()
    gateway.upstream.release.set()
    while piece := await connection.piece():
        body += piece
    connection.close()
    return status, body


@pytest.mark.parametrize("spoken", CLIENTS)
@pytest.mark.parametrize("script", ["cut-after-0", "reset-after-0", "fin-after-0", "bad-chunking", "close-after-headers"])
async def test_half_a_whole_answer_is_no_answer(serve: Serve, spoken, script):
    async with guarded(serve, [model("broken", script, apis=[spoken])], {"auto": route("broken")}) as gateway:
        for client in CLIENTS.values():
            failed = await client.ask(gateway, "auto", stream=False)
            assert failed.status == 502
            client.failure(failed)
        assert [outcome.status for outcome in await gateway.outcomes()] == ["error"] * 6
