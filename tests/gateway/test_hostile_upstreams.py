"""Upstreams that send what nobody can use: another model is asked, the call is charged and counted as any that failed, and memory stays as it is."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from pointsman.errors import ShuttingDown, UpstreamError
from pointsman.gateway import followed
from pointsman.gateway.careful import careful
from pointsman.wire.openai_chat.reading import MOST_PARTS
from pointsman.wire.openai_chat.stream import OpenAIStream
from pointsman.wire.openai_chat.usage import read_usage
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, model
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


TOKENS = {"prompt_tokens": 3, "completion_tokens": 2}
COUNTS = {"input_tokens": 3, "output_tokens": 2}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CITED = {"type": "web_search_result_location", "url": "https://a.example", "cited_text": "x"}
OUTPUT = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
BODY = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
MANY = {
    "calls": ("chat", lambda n: {"choices": [{"message": {"tool_calls": [CALL] * n}, "finish_reason": "stop"}], "usage": TOKENS}),
    "choices": ("chat", lambda n: {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}] * -(-n // 2), "usage": TOKENS}),
    "blocks": ("messages", lambda n: {"type": "message", "content": [{"type": "text", "text": "x"}] * n, "usage": COUNTS}),
    "citations": (
        "messages",
        lambda n: {"type": "message", "content": [{"type": "text", "text": "x", "citations": [CITED] * n}], "usage": COUNTS},
    ),
    "items": ("responses", lambda n: {"object": "response", "status": "completed", "output": [OUTPUT] * n, "usage": COUNTS}),
}


@pytest.mark.parametrize(("parts", "by"), [(MOST_PARTS - 2, "first"), (MOST_PARTS + 1, "second")])
@pytest.mark.parametrize("kind", MANY)
async def test_a_whole_answer_of_too_many_parts_is_none_for_who_speaks_otherwise(serve: Serve, kind, parts, by):
    api, made = MANY[kind]
    async with server(lambda _: (200, json.dumps(made(parts)).encode())) as (url, _), serve(two(url, api), routes=ROUTES) as gateway:
        answer = await gateway.ask("/v1/messages" if api == "chat" else "/v1/chat/completions", BODY)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, by)
        first, *_ = await gateway.outcomes()
        assert first.fault == (None if by == "first" else "broken")
        assert (first.usage.output_tokens, first.usage_source) == (2, "reported")


async def test_what_a_client_of_the_same_api_gets_is_not_counted(serve: Serve):
    body = json.dumps(MANY["calls"][1](MOST_PARTS + 1)).encode()
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        assert (await gateway.chat("auto")).body == body


class Watched:
    """`read_usage`, which says where it is called, and waits there until it is let go."""

    def __init__(self) -> None:
        self.called, self.release, self.threads = asyncio.Event(), threading.Event(), []
        self._loop = asyncio.get_running_loop()

    def __call__(self, usage: Any) -> Any:
        self.threads.append(threading.current_thread())
        self._loop.call_soon_threadsafe(self.called.set)
        assert self.release.wait(30)
        return read_usage(usage)


def of_length(length: int) -> bytes:
    return json.dumps({"choices": [{"message": {"content": length * "x"}, "finish_reason": "stop"}], "usage": TOKENS}).encode()


@pytest.mark.parametrize(("length", "beside"), [(100, False), (200_000, True)])
async def test_a_large_answer_is_read_beside_the_event_loop(serve: Serve, monkeypatch, length, beside):
    watched = Watched()
    watched.release.set()
    monkeypatch.setattr("pointsman.wire.openai_chat.answer.read_usage", watched)
    body = of_length(length)
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        assert (await gateway.chat("auto")).body == body
    assert [thread is not threading.current_thread() for thread in watched.threads] == [beside]


@pytest.mark.parametrize("leaves", [True, False], ids=["client", "gateway"])
async def test_an_answer_that_has_come_counts_whoever_leaves_while_it_is_read(serve: Serve, monkeypatch, leaves):
    watched = Watched()
    monkeypatch.setattr("pointsman.wire.openai_chat.answer.read_usage", watched)
    async with server(lambda _: (200, of_length(200_000))) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", {"model": "auto", "messages": BODY["messages"]}, key=OPERATOR)
        await watched.called.wait()
        if leaves:
            [task] = gateway.state.tasks
            task.cancel()
        else:
            gateway.service.gateway.cut(ShuttingDown("the end"))
        assert await gateway.outcomes() == []
        watched.release.set()
        await gateway.quiet()
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.usage_source) == ("aborted" if leaves else "error", "reported")
        assert outcome.usage.output_tokens == 2


async def test_no_clock_stops_who_reads_what_has_come(serve: Serve, monkeypatch):
    watched = Watched()
    monkeypatch.setattr("pointsman.wire.openai_chat.answer.read_usage", watched)
    body = of_length(200_000)
    async with server(lambda _: (200, body)) as (url, _), serve(two(url), routes=ROUTES) as gateway:
        asking = asyncio.ensure_future(gateway.chat("auto"))
        await watched.called.wait()
        [clock] = gateway.service.gateway._clocks
        assert clock._timer is None or clock._timer.cancelled()
        watched.release.set()
        assert (await asking).body == body


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
