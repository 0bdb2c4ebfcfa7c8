"""What fails before its first word is made good by another model, and the client sees nothing of it."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass

import pytest

from tests.faults.clients import CLIENTS, TEXT, Client
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.raw import Answered
from tests.server.served import Served, model

ALL_APIS = ["chat", "responses", "messages"]
LEAKS = (b"Certainly", b"@bad", b"scripted error", b"scripted_", b"Bad Gateway")
"""Words of the failing models: what they answer, what they are called, how they fail."""


@dataclass(frozen=True)
class Case:
    """A script, and what each call of it should be recorded as."""

    script: str
    fault: str
    calls: int = 2  #: of the failing model: asked again, or not
    only: str = ""  #: `stream` or `whole`: what it is a fault for
    settings: tuple[tuple[str, object], ...] = ()


CASES = {
    case.script: case
    for case in [
        Case("error-408", "server_error"),
        Case("error-429", "rate_limit", calls=1),  # says `retry-after: 7`: with another to ask it is left alone
        Case("ratelimit-2", "rate_limit"),
        Case("error-500", "server_error"),
        Case("error-html-502", "server_error"),
        Case("error-503", "overloaded"),
        Case("error-529", "overloaded"),
        Case("error-401", "refused", calls=1),
        Case("error-404", "refused", calls=1),
        Case("error-302", "refused", calls=1),
        Case("quota", "quota", calls=1),
        Case("reset", "unreachable"),
        Case("tls-close", "unreachable"),
        Case("close", "unreachable"),
        Case("not-json+close-after-headers", "unreachable"),
        Case("not-json+cut-after-0", "unreachable"),
        Case("not-json+reset-after-0", "unreachable"),
        Case("not-json+bad-chunking", "unreachable", only="whole"),
        Case("not-json+error-first-event", "server_error"),
        Case("not-json+malformed-after-0", "broken", only="stream"),
        Case("not-json+fin-after-0", "broken", only="stream"),
        Case("not-json+fin-after-1", "broken", only="stream"),
        Case("giant-line", "broken", only="stream", settings=(("context_tokens", 8192),)),
        Case("wrong-shape", "broken"),
        Case("empty", "broken"),
        Case("error-html-200", "broken"),
        Case("empty-content", "invalid_output", calls=1),
        Case("hang", "timeout", calls=1, settings=(("timeout_s", 0.2), ("first_token_timeout_s", 0.1))),
        Case("not-json+comments-only-20", "timeout", calls=1, settings=(("timeout_s", 0.2), ("first_token_timeout_s", 0.1))),
        Case("not-json+slow-first-token", "timeout", calls=1, settings=(("timeout_s", 0.2), ("first_token_timeout_s", 0.1))),
        Case("not-json+stall-after-1", "timeout", calls=1, settings=(("timeout_s", 0.2), ("first_token_timeout_s", 0.1))),
    ]
}


def bad(case: Case) -> dict[str, object]:
    return model(f"bad-{case.script}", case.script, apis=ALL_APIS, quality={"general": 0.9}, **dict(case.settings))


GOOD = model("good", apis=ALL_APIS)


def combinations(times: int) -> list[tuple[Case, Client, bool]]:
    """Every case with every API, streamed and whole, over and over."""
    every = [
        (case, client, stream)
        for case, client, stream in itertools.product(CASES.values(), CLIENTS.values(), (False, True))
        if not case.only or stream is (case.only == "stream")
    ]
    return list(itertools.islice(itertools.cycle(every), times))


async def test_500_of_500_succeed_with_a_healthy_second_model_and_nothing_leaks(serve: Serve):
    routes = {script: route(f"bad-{script}", "good") for script in CASES}
    async with guarded(serve, [*map(bad, CASES.values()), GOOD], routes) as gateway:
        asked = combinations(500)
        limit = asyncio.Semaphore(20)

        async def one(case: Case, client: Client, stream: bool) -> Answered:
            async with limit:
                return await client.ask(gateway, case.script, stream=stream)

        answers = await asyncio.gather(*(one(*each) for each in asked))
        calls = await calls_by_decision(gateway)
        for (case, client, stream), answer in zip(asked, answers, strict=True):
            about = (case.script, client.api, stream)
            assert client.said(answer) == TEXT, about
            assert not [leak for leak in LEAKS if leak in answer.body], about
            assert answer.headers["x-pointsman-model"] == "good"
            recorded = calls[answer.headers["x-pointsman-decision-id"]]
            failed = len(recorded) - 1
            # A limit that one request has met keeps the next from meeting it.
            assert failed == case.calls or (failed < case.calls and case.fault in ("rate_limit", "quota")), about
            assert [(call.attempt, call.model, call.status, call.fault) for call in recorded] == [
                *((number, f"bad-{case.script}", "error", case.fault) for number in range(1, failed + 1)),
                (failed + 1, "good", "ok", None),
            ], about
            assert answer.headers["x-pointsman-attempts"] == str(len(recorded))
        assert len(calls) == 500
        # A call on a connection that is just being closed may not arrive.
        assert 0 <= sum(len(recorded) for recorded in calls.values()) - len(gateway.ledger) <= 5


async def calls_by_decision(gateway: Served) -> dict[str, list]:
    found = defaultdict(list)
    for outcome in await gateway.outcomes():
        found[outcome.decision].append(outcome)
    return {decision: sorted(calls, key=lambda call: call.attempt) for decision, calls in found.items()}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_model_that_fails_now_and_then_never_fails_a_client(serve: Serve, client: Client, stream):
    flaky = model("bad-flaky", "flaky-2", apis=ALL_APIS, quality={"general": 0.9})
    async with guarded(serve, [flaky, GOOD], {"auto": route("bad-flaky", "good")}) as gateway:
        for _ in range(6):
            assert client.said(await client.ask(gateway, "auto", stream=stream)) == TEXT
        assert {call.fault for call in await gateway.outcomes()} == {None, "server_error"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_when_all_fail_the_client_gets_the_first_models_error_and_is_told_not_to_ask_again(serve: Serve, client: Client, stream):
    firsts = {"error-529": 529, "error-html-502": 502, "reset": 502, "empty": 502}
    pool = [model(f"bad-{script}", script, apis=ALL_APIS, quality={"general": 0.9}) for script in firsts]
    rest = model("other", "error-500", apis=ALL_APIS)
    routes = {script: route(f"bad-{script}", "other") for script in firsts}
    async with guarded(serve, [*pool, rest], routes) as gateway:
        for script, status in firsts.items():
            failed = await client.ask(gateway, script, stream=stream)
            assert failed.status == status, (script, failed.body)
            assert "scripted error 500" not in client.failure(failed)["message"]
            assert failed.headers["x-should-retry"] == "false"
            assert failed.headers["x-pointsman-attempts"] == "4"
            calls = (await calls_by_decision(gateway))[failed.headers["x-pointsman-decision-id"]]
            assert [call.model for call in calls] == [f"bad-{script}"] * 2 + ["other"] * 2
            assert {call.status for call in calls} == {"error"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_too_long_a_request_goes_to_a_larger_model_only(serve: Serve, client: Client, stream):
    small = {"context_tokens": 8192, "apis": ALL_APIS}
    pool = [
        model("bad", "context-length", quality={"general": 0.9}, **small),
        model("as-small", **small),
        model("larger", apis=ALL_APIS, context_tokens=100_000),
    ]
    async with guarded(serve, pool, {"auto": route("bad", "as-small", "larger")}) as gateway:
        answer = await client.ask(gateway, "auto", stream=stream)
        assert client.said(answer) == TEXT
        assert [exchange.model for exchange in gateway.ledger] == ["context-length@bad", "ok@larger"]
        assert [call.fault for call in await gateway.outcomes()] == ["context_length", None]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize(
    ("script", "fault"), [("filtered", "content_filter"), ("error-400", "malformed"), ("context-length", "context_length")]
)
async def test_what_is_wrong_with_the_request_goes_nowhere_else(serve: Serve, client: Client, script, fault, stream):
    pool = [model("bad", script, apis=ALL_APIS, quality={"general": 0.9}), GOOD]
    async with guarded(serve, pool, {"auto": route("bad", "good", most_calls=8)}) as gateway:
        failed = await client.ask(gateway, "auto", stream=stream)
        assert failed.status == 400
        client.failure(failed)
        assert len(gateway.ledger) == 1
        assert [call.fault for call in await gateway.outcomes()] == [fault]


async def test_a_policy_may_send_what_was_filtered_elsewhere_but_never_to_a_forbidden_model(serve: Serve):
    pool = [model("bad", "filtered", quality={"general": 0.9}), model("other"), model("lenient")]
    routes = {"auto": route("bad", "other", fallback_on={"content_filter": ["forbidden", "lenient"]})}
    async with guarded(serve, pool, routes) as gateway:
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "lenient"
        assert [exchange.model for exchange in gateway.ledger] == ["filtered@bad", "ok@lenient"]
