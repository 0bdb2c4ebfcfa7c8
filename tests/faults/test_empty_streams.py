"""A stream that ends without having said anything is as unfit as a whole answer that is empty, and where one is not, neither is the other."""

from __future__ import annotations

import itertools

import pytest

from tests.faults.clients import CLIENTS, TEXT, Client
from tests.server.conftest import Serve
from tests.server.served import ONCE, model

ALL_APIS = ["chat", "responses", "messages"]
PATHS = list(itertools.product(CLIENTS.values(), ALL_APIS))
EACH = pytest.mark.parametrize(("client", "api"), PATHS, ids=[f"{client.api} of {api}" for client, api in PATHS])


def pool(script: str, *apis: str) -> list[dict[str, object]]:
    return [model("first", script, apis=[*apis], quality={"general": 0.9}), model("second", apis=ALL_APIS, quality={"general": 0.1})]


def auto(**settings: object) -> dict[str, object]:
    return {"auto": {"dial": 1, "models": ["first"], "fallback": ["second"], "retry": ONCE, **settings}}


@EACH
@pytest.mark.parametrize("script", ["empty-content", "empty-content+ragged-3", "empty-content+drip-1"])
async def test_another_model_is_asked_and_the_call_is_charged(serve: Serve, client: Client, api, script):
    async with serve(pool(script, api), routes=auto()) as gateway:
        answer = await client.ask(gateway, "auto", stream=True)
        assert (client.said(answer), answer.headers["x-pointsman-model"]) == (TEXT, "second")
        empty, good = await gateway.outcomes()
        assert (empty.status, empty.fault, empty.usage_source, empty.ttft_ms) == ("error", "invalid_output", "reported", None)
        assert empty.cost_picousd == empty.usage.input_tokens * 1_000_000 > 0
        assert (good.status, good.ttft_ms is not None) == ("ok", True)


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("script", ["empty-content", "content-filter", "refusal", "tools", "ok", "length-cut"])
async def test_streams_and_whole_answers_fall_back_in_the_same_cases(serve: Serve, client: Client, api, stream, script):
    falls = {"empty-content": True, "content-filter": api != "messages"}.get(script, False)  # that API says that it refuses
    async with serve(pool(script, api), routes=auto()) as gateway:
        assert (await client.ask(gateway, "auto", stream=stream)).headers["x-pointsman-model"] == ("second" if falls else "first")


@EACH
@pytest.mark.parametrize(
    "routes", [{"auto": {"models": ["first"]}}, auto(checks=[]), auto(checks=["schema"])], ids=["last", "none", "other"]
)
async def test_it_is_delivered_where_nobody_is_left_or_nobody_minds(serve: Serve, client: Client, api, routes):
    async with serve(pool("empty-content", api), routes=routes) as gateway:
        answer = await client.ask(gateway, "auto", stream=True)
        assert (client.said(answer), answer.headers["x-pointsman-model"]) == ("", "first")
        assert [outcome.status for outcome in await gateway.outcomes()] == ["ok"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_where_the_others_fail_too_it_is_the_first_failure_that_is_told(serve: Serve, stream, caplog):
    models = [model("first", "empty-content"), model("second", "error-500")]
    async with serve(models, routes=auto()) as gateway:
        answer = await gateway.chat("auto", stream=stream)
        assert (answer.status, answer.json["error"]["message"]) == (502, "the answer is empty")
        attempts = answer.json["error"]["attempts"]
        assert [(attempt["model"], attempt.get("check")) for attempt in attempts] == [("first", "empty"), ("second", None)]
        assert [outcome.check for outcome in await gateway.outcomes()] == ["empty", None]
        assert answer.headers["x-should-retry"] == "false"
        assert "a call of `first` failed: invalid_output: its answer fails the check `empty` (dec_" in caplog.text


async def test_what_was_not_reported_is_estimated(serve: Serve):
    async with serve(pool("empty-content+fin-after-2", "chat"), routes=auto()) as gateway:
        assert (await gateway.chat("auto", TEXT, stream=True)).headers["x-pointsman-model"] == "second"
        empty, _ = await gateway.outcomes()
        assert (empty.fault, empty.usage_source, empty.usage.output_tokens) == ("invalid_output", "estimated", 0)
        assert empty.usage.input_tokens > 0


@EACH
@pytest.mark.parametrize("script", ["empty-content+cut-after-1", "empty-content+fin-after-1", "empty-content+error-event-after-1"])
async def test_one_that_breaks_before_it_says_anything_is_no_empty_answer(serve: Serve, client: Client, api, script):
    async with serve(pool(script, api), routes=auto()) as gateway:
        assert client.said(await client.ask(gateway, "auto", stream=True)) == TEXT
        assert (await gateway.outcomes())[0].fault in {"broken", "unreachable", "server_error"}


@EACH
async def test_thinking_is_something_said_in_a_stream(serve: Serve, client: Client, api):
    """It is handed out as it comes, so that another model cannot be asked any more when no answer follows."""
    async with serve(pool("reasoning", api), routes=auto()) as gateway:
        assert (await client.ask(gateway, "auto", stream=True)).headers["x-pointsman-model"] == "first"
