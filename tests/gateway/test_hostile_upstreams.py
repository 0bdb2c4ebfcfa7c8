"""Upstreams that send what nobody can use: another model is asked, the call is charged and counted as any that failed, and memory stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.errors import UpstreamError
from pointsman.gateway import followed
from pointsman.gateway.careful import careful
from pointsman.wire.openai_chat.stream import OpenAIStream
from tests.server.conftest import Serve
from tests.server.served import ONCE, model
from tests.upstream.test_signed import server


def chunk(finish: str | None = None, **delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"


def events(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events)


def two(url: str, api: str = "chat") -> list[dict[str, object]]:
    return [model("first", base_url=url, apis=[api]), model("second", apis=["chat"])]


ROUTES = {"auto": {"dial": 1, "models": ["first"], "fallback": ["second"], "retry": ONCE}}
STOP = chunk("stop")
ENDLESS = {
    "comments": STOP + (b": " + b"x" * 500 + b"\n\n") * 2_000,
    "endings": STOP * 10_000,
    "turns": chunk(role="assistant") * 10_000,
}


@pytest.mark.parametrize("api", ["chat", "messages"])
@pytest.mark.parametrize("endless", ENDLESS)
async def test_a_stream_that_is_held_back_is_held_so_long_and_no_longer(serve: Serve, monkeypatch, endless, api):
    monkeypatch.setattr(followed, "_MAX_HELD_BYTES", 10_000)
    body = chunk(role="assistant") + ENDLESS[endless] + chunk("stop", content="too late") + b"data: [DONE]\n\n"
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        path = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}[api]
        answer = await gateway.ask(
            path, {"model": "auto", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        )
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "second")
        first, second = await gateway.outcomes()
        assert (first.status, first.error, second.status) == ("error", "upstream_stream_broken", "ok")


async def test_small_events_are_counted(serve: Serve, monkeypatch):
    monkeypatch.setattr(followed, "_MAX_HELD_EVENTS", 1_000)
    body = STOP + b":\n\n" * 400_000 + chunk("stop", content="too late") + b"data: [DONE]\n\n"
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        assert (await gateway.chat("auto", stream=True)).headers["x-pointsman-model"] == "second"


async def test_what_is_delivered_is_not_held(serve: Serve, monkeypatch):
    monkeypatch.setattr(followed, "_MAX_HELD_BYTES", 10_000)
    body = chunk(content="a" * 20_000) + chunk(content="b" * 20_000) + STOP + b"data: [DONE]\n\n"
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        answer = await gateway.chat("auto", stream=True)
        assert (answer.text, answer.headers["x-pointsman-model"]) == ("a" * 20_000 + "b" * 20_000, "first")


async def test_a_stream_without_end_is_broken(serve: Serve, monkeypatch):
    monkeypatch.setattr(followed, "_MAX_STREAM_BYTES", 300_000)
    body = chunk(content="hello") + chunk(content="x" * 100) * 10_000
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        answer = await gateway.chat("auto", stream=True)
        assert answer.text.startswith("hello")
        assert json.loads(answer.events[-1])["error"]["code"] == "upstream_stream_broken"
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error, outcome.usage_source) == ("error", "upstream_stream_broken", "estimated")


HOSTILE = {
    "annotation": (
        "responses",
        True,
        events(
            {"type": "response.created", "response": {"status": "in_progress", "output": []}},
            {"type": "response.output_text.annotation.added", "output_index": [], "content_index": 0, "annotation": {}},
        ),
    ),
    "block": ("messages", False, b'{"type": "message", "content": [{"type": []}], "usage": {"input_tokens": 3, "output_tokens": 2}}'),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_types_are_a_failure_of_the_model(serve: Serve, case):
    api, stream, body = HOSTILE[case]
    health = {"failures": 1}
    async with server(lambda _: (200, body)) as (url, asked), serve(two(url, api), routes=ROUTES, health=health) as gateway:
        for _ in range(2):
            answer = await gateway.chat("auto", stream=stream)
            assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "second")
        assert len(asked) == 1, "one failure was enough for the breaker"
        first, *_ = await gateway.outcomes()
        assert (first.status, first.fault, first.usage, first.cost_picousd) == ("error", "broken", None, None)


def stumble(*_: object) -> None:
    raise TypeError("unhashable type: 'list'")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_so_is_what_a_reader_stumbles_over(serve: Serve, monkeypatch, stream):
    """Whatever was not thought of: readers of one API fail, the other's do not."""
    monkeypatch.setattr("pointsman.wire.openai_chat.answer.read_usage", stumble)
    monkeypatch.setattr(OpenAIStream, "_follow", stumble)
    models = [model("first", apis=["chat"]), model("second", apis=["messages"])]
    async with serve(models, routes=ROUTES, health={"failures": 1}) as gateway:
        for _ in range(2):
            answer = await gateway.chat("auto", stream=stream)
            assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "second")
        failed, *good = await gateway.outcomes()
        assert (failed.status, failed.fault, failed.usage) == ("error", "broken", None)
        assert [outcome.status for outcome in good] == ["ok", "ok"]


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError, ValueError, RecursionError, OverflowError])
def test_the_cause_is_told(error):
    def read() -> None:
        raise error("why")

    with pytest.raises(UpstreamError, match="cannot be read") as raised:
        careful(read)()
    assert isinstance(raised.value.__cause__, error)
