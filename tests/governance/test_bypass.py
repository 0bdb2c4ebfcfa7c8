"""No way around a policy: hundreds of tricks against a running gateway, and a model outside that counts who asked it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pointsman.core.tenancy import Org, Team
from tests.governance.bypasses import (
    APIS,
    FAMILIES,
    FAULTS,
    INSIDE,
    KEYS,
    KEYWORDS,
    OUTSIDE,
    PATHS,
    PII,
    POLICIES,
    RULES,
    Case,
    body,
    failing,
    failures,
    routes,
)
from tests.server.conftest import Serve
from tests.server.raw import Answered, Connection
from tests.server.served import Served

PATIENT = {"failures": 1_000_000, "window": 1_000_000, "retry_floor": 1_000_000, "slow_factor": 1e9}
AT_ONCE = 16


class Listener:
    """Somewhere that nobody should connect to."""

    def __init__(self) -> None:
        self.visits = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@asynccontextmanager
async def fenced(serve: Serve) -> AsyncIterator[tuple[Served, dict[str, str], str]]:
    """The gateway, its keys, and the address of somebody who must not be called; in the end nobody outside was."""
    listener = Listener()
    pool = [INSIDE, OUTSIDE, *map(failing, FAULTS)]
    setting: dict[str, Any] = {"routes": routes(), "policies": POLICIES, "rules": RULES, "keywords": KEYWORDS, "health": PATIENT}
    async with await asyncio.start_server(listener, "127.0.0.1", 0) as evil, serve(pool, **setting) as gateway:
        await gateway.service.keys.add_org(Org("acme", 1))
        await gateway.service.keys.add_team(Team("acme", "clinic", 1))
        keys = {name: await gateway.key(**permissions) for name, permissions in KEYS.items()}
        yield gateway, keys, f"127.0.0.1:{evil.sockets[0].getsockname()[1]}"
        await gateway.quiet()
        assert [exchange.body for exchange in outside(gateway)] == []
        assert listener.visits == 0


def outside(gateway: Served) -> list[Any]:
    return [exchange for exchange in gateway.ledger if "outside" in exchange.model]


def filled(value: Any, evil: str) -> Any:
    """With the address in place of `{evil}`."""
    match value:
        case str():
            return value.replace("{evil}", evil)
        case dict():
            return {filled(name, evil): filled(item, evil) for name, item in value.items()}
        case list():
            return [filled(item, evil) for item in value]
    return value


async def sent(gateway: Served, case: Case, key: str, evil: str) -> Answered | None:
    """The answer, `None` where the connection was ended without one."""
    connection = await Connection.open(gateway.port)
    try:
        await connection.request(
            filled(case.path, evil), filled(case.body, evil), key=key, method=case.method, **filled(case.headers, evil)
        )
        return await connection.answered()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
async def test_nothing_reaches_the_model_outside(serve: Serve, family: Callable[[], Iterator[Case]]):
    async with fenced(serve) as (gateway, keys, evil):
        room = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> None:
            async with room:
                answer = await sent(gateway, case, keys[case.key], evil)
            assert not outside(gateway), case.name
            if answer is not None:
                assert answer.headers.get("x-pointsman-model", "in").startswith("in"), case.name
                assert answer.status < 500 or family is failures, (case.name, answer)
                if case.path == "/v1/explain" and answer.status == 200:
                    assert answer.json["model"] in (None, "inside"), case.name
                elif case.silent and "count_tokens" not in case.path:
                    assert 400 <= answer.status < 500, (case.name, answer)

        cases = list(family())
        await asyncio.gather(*(one(case) for case in cases if case.silent))
        assert not gateway.ledger
        await asyncio.gather(*(one(case) for case in cases if not case.silent))
        assert gateway.ledger, "what is legal is answered inside"


def test_there_are_more_than_three_hundred():
    cases = [case for family in FAMILIES for case in family()]
    assert len({case.name for case in cases}) == len(cases)
    assert len(cases) >= 300


@pytest.mark.parametrize("api", APIS)
async def test_without_the_label_the_model_outside_is_the_one_that_answers(serve: Serve, api):
    """Or none of the other tests would show anything."""
    async with serve([INSIDE, OUTSIDE], routes={"auto": {"dial": 1}}, policies=POLICIES[:2]) as gateway:
        key = await gateway.key()
        for name in ("auto", "outside"):
            answer = await gateway.ask(PATHS[api], body(api, name), key=key)
            assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "outside")
        assert len(outside(gateway)) == 2


@pytest.mark.parametrize("kind", [">", "*", "|"])
async def test_without_the_label_the_chain_leads_outside(serve: Serve, kind):
    chosen = ["error-503", "quota", "filtered", "context-length"]
    named = [f"{script}{kind}" for script in chosen]
    led = {name: route for name, route in routes().items() if name in named}
    async with serve([INSIDE, OUTSIDE, *map(failing, chosen)], routes=led, health=PATIENT) as gateway:
        for name in named:
            await gateway.chat(name)
        assert outside(gateway)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_keeps_its_labels(serve: Serve, stream):
    """What was said under a label goes on under it, however often, and nobody else can go on from it."""
    async with fenced(serve) as (gateway, keys, _):

        async def turn(text: str, previous: str | None, key: str = "open", **headers: str) -> Answered:
            more = {} if previous is None else {"previous_response_id": previous}
            return await gateway.ask(PATHS["responses"], body("responses", "auto", text, stream=stream, **more), key=keys[key], **headers)

        answer = await turn("my name is Ada", None, **PII)
        for text in ("and mine?", "say it again", "once more"):
            answer = await turn(text, response_id(answer))
            assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "inside")
            assert b"Ada" in gateway.ledger[-1].body
        for key in ("floor", "listed", "clinic"):
            assert (await turn("what did she say", response_id(answer), key)).error["code"] == "previous_response_not_found"
        by_name = body("responses", "outside", "and you?", previous_response_id=response_id(answer))
        assert (await gateway.ask(PATHS["responses"], by_name, key=keys["open"])).error["code"] == "policy_denied"


def response_id(answer: Answered) -> str:
    if "content-length" in answer.headers:
        return str(answer.json["id"])
    events = [json.loads(line.removeprefix(b"data: ")) for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    return str(next(event["response"]["id"] for event in events if event["type"] == "response.completed"))


async def test_an_answer_that_is_given_again_calls_nobody(serve: Serve):
    """A request that was open once, asked again under a label with the same idempotency key: the answer is known, and nothing goes out."""
    async with serve([INSIDE, OUTSIDE], routes={"auto": {"dial": 1}}, policies=POLICIES[:2]) as gateway:
        for headers in ({}, PII, {"x_pointsman_labels": "restricted"}):
            answer = await gateway.ask(body=body("chat", "auto"), idempotency_key="k-1", **headers)
            assert answer.status == 200
        assert len(outside(gateway)) == len(gateway.ledger) == 1
        again = await gateway.ask(body=body("chat", "auto"), idempotency_key="k-2", **PII)
        assert again.headers["x-pointsman-model"] == "inside"


async def test_a_model_that_comes_back_into_service_is_still_forbidden(serve: Serve):
    """With everything legal out of service the last legal model is tried, not another."""
    pool = [failing("error-503"), OUTSIDE]
    once = {"retry": {"attempts": 1}}
    led = {"auto": {"dial": 1, **once}, "saved": {"models": ["in-error-503"], "fallback": ["outside"], **once}}
    async with serve(pool, routes=led, policies=POLICIES[:2], health={"failures": 1, "cooldown_s": 60}) as gateway:
        for name in ("auto", "saved", "outside") * 4:
            assert (await gateway.ask(body=body("chat", name), **PII)).status in (403, 502, 503)
        assert gateway.service.gateway.live.watch.health.out_of_service()
        assert not outside(gateway)
