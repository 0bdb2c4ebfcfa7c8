"""Masked values over the whole way: no provider ever gets one, every client gets its own back, no record holds one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord
from tests.server.conftest import Serve
from tests.server.raw import Answered
from tests.server.served import ONCE, OPERATOR, Served, chat, model

EMAIL, CARD = "jane.doe@example.org", "4111 1111 1111 1111"
TEXT = f"Write to {EMAIL}, card {CARD}."
MASK = {"mask": {"kinds": ["pii", "financial"]}}
CHAT, RESPONSES, MESSAGES, COMPLETIONS, EMBEDDINGS = (
    f"/v1/{path}" for path in ("chat/completions", "responses", "messages", "completions", "embeddings")
)
TOOL = {"type": "object", "properties": {"to": {"const": EMAIL}}, "required": ["to"]}
TOOLS = {
    CHAT: [{"type": "function", "function": {"name": "send", "parameters": TOOL}}],
    RESPONSES: [{"type": "function", "name": "send", "parameters": TOOL}],
    MESSAGES: [{"name": "send", "input_schema": TOOL}],
}


def outside(script: str = "ok", apis: tuple[str, ...] = ("chat",), id: str = "out", **more: object) -> dict[str, object]:
    return model(id, script, perimeter="external", apis=list(apis), **more)


def body(path: str, text: str = TEXT, **fields: object) -> dict[str, object]:
    asked = {RESPONSES: {"input": text}, COMPLETIONS: {"prompt": text}, EMBEDDINGS: {"input": text}}
    turns = {"messages": [{"role": "user", "content": text}]}
    more = {"max_tokens": 100} if path == MESSAGES else {}
    return {"model": "out", **asked.get(path, turns), **more, **fields}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def said(answer: Answered) -> str:
    """All text of an answer, deltas put together."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return "\n".join(strings(answer.json))
    events = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    deltas = [
        delta for event in events for delta in (event.get("delta"), *(c.get("delta", c.get("text")) for c in event.get("choices", [])))
    ]
    return "".join(text for delta in deltas for text in strings(delta) if not text.endswith("_delta"))


def nowhere(gateway: Served, *values: str) -> None:
    """No call that went out, and nothing on the disk, holds one of the values."""
    for exchange in gateway.ledger:
        assert not [value for value in values if value.encode() in exchange.body]
    for file in gateway.folder.iterdir():
        assert not [value for value in values if value.encode() in file.read_bytes()], file.name


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("path", "spoken"),
    [
        *((path, (spoken,)) for path in (CHAT, RESPONSES, MESSAGES) for spoken in ("chat", "responses", "messages")),
        (COMPLETIONS, ("completions",)),
        (COMPLETIONS, ("chat",)),
    ],
)
async def test_the_provider_gets_placeholders_and_the_client_its_values(serve: Serve, path, spoken, stream):
    async with serve([outside(apis=spoken)], sensitivity=MASK) as gateway:
        answer = await gateway.ask(path, body(path, stream=stream))
        assert answer.status == 200, answer.body
        assert TEXT in said(answer)
        assert "PM_" not in answer.body.decode()
        assert answer.headers["x-pointsman-masked"] == "2"
        assert b"PM_PII_" in gateway.ledger[0].body
        nowhere(gateway, EMAIL, CARD)
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.masked) == ("ok", 2)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("path", "spoken"), [(path, spoken) for path in TOOLS for spoken in ("chat", "responses", "messages")])
async def test_tools_are_called_with_the_values(serve: Serve, path, spoken, stream):
    async with serve([outside("tools", (spoken,))], sensitivity=MASK) as gateway:
        answer = await gateway.ask(path, body(path, "send it", tools=TOOLS[path], stream=stream))
        assert answer.status == 200, answer.body
        assert EMAIL in said(answer)
        assert "PM_" not in answer.body.decode()
        nowhere(gateway, EMAIL)


async def test_embeddings_are_made_of_placeholders(serve: Serve):
    async with serve([outside(apis=("embeddings",))], sensitivity=MASK) as gateway:
        answer = await gateway.ask(EMBEDDINGS, body(EMBEDDINGS))
        assert (answer.status, answer.headers["x-pointsman-masked"]) == (200, "2")
        assert len(answer.json["data"][0]["embedding"]) > 0
        nowhere(gateway, EMAIL, CARD)


async def test_a_model_inside_sees_what_was_asked(serve: Serve):
    async with serve([model("in", perimeter="on_prem"), outside()], sensitivity=MASK) as gateway:
        answer = await gateway.chat("in", TEXT)
        assert TEXT in gateway.ledger[0].json["messages"][0]["content"]
        assert "x-pointsman-masked" not in answer.headers
        assert (await gateway.outcomes())[0].masked == 0


async def test_other_kinds_and_harmless_texts_pass_byte_for_byte(serve: Serve):
    async with serve([outside()], sensitivity={"mask": {"kinds": ["secret"]}}) as gateway:
        answer = await gateway.chat("out", TEXT)
        assert TEXT.encode() in gateway.ledger[0].body
        assert answer.json["id"].startswith("chatcmpl-")
        assert "x-pointsman-masked" not in answer.headers


async def test_labels_stay_as_they_are(serve: Serve):
    policies = [{"name": "inside", "when": '"pii" in labels', "require": {"perimeter": ["on_prem"]}}]
    async with serve([outside()], sensitivity=MASK, policies=policies) as gateway:
        answer = await gateway.chat("out", TEXT)
        assert (answer.status, answer.error["code"]) == (403, "policy_denied")
        assert gateway.ledger == []


async def test_findings_are_on_record_and_the_decision_is_remade_from_them(serve: Serve):
    async with serve([outside()], sensitivity=MASK) as gateway:
        answer = await gateway.chat("out", TEXT)
        [entry] = await gateway.service.log.recent(9, kind="decision")
        signals = from_json(DecisionRecord, entry.body).signals
        assert signals.labels == ("financial", "pii")
        assert {(found.kind, found.recogniser, found.where) for found in signals.findings} == {
            ("pii", "email", "/messages/0/content"),
            ("financial", "card", "/messages/0/content"),
        }
        shown = await gateway.ask(f"/v1/decisions/{answer.headers['x-pointsman-decision-id']}")
        assert [found["kind"] for found in shown.json["signals"]["findings"]] == ["pii", "financial"]
        assert shown.json["calls"][0]["masked"] == 2


async def test_what_cannot_be_masked_goes_to_a_model_inside_or_nowhere(serve: Serve):
    tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object", "properties": {EMAIL: {}}}}}
    routes = {"auto": {"models": ["out"], "fallback": ["in"]}}
    async with serve([outside(), model("in", perimeter="on_prem")], routes=routes, sensitivity=MASK) as gateway:
        refused = await gateway.chat("out", "hello", tools=[tool])
        assert (refused.status, refused.error["code"]) == (400, "cannot_mask")
        assert EMAIL not in refused.body.decode()
        answer = await gateway.chat("auto", "hello", tools=[tool])
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "in")
        assert [exchange.model for exchange in gateway.ledger] == ["ok@in"]
        assert [(outcome.model, outcome.attempt, outcome.error, outcome.sent) for outcome in await gateway.outcomes()] == [
            ("out", 0, "cannot_mask", False),
            ("out", 0, "cannot_mask", False),
            ("in", 1, None, True),
        ]


async def test_each_model_of_a_chain_gets_what_it_may_see(serve: Serve):
    routes = {"auto": {"models": ["out"], "fallback": ["in"], "retry": ONCE}}
    async with serve([outside("error-500"), model("in", perimeter="on_prem")], routes=routes, sensitivity=MASK) as gateway:
        answer = await gateway.chat("auto", TEXT)
        assert TEXT in said(answer)
        assert [(exchange.model, EMAIL.encode() in exchange.body) for exchange in gateway.ledger] == [
            ("error-500@out", False),
            ("ok@in", True),
        ]
        assert [outcome.masked for outcome in await gateway.outcomes()] == [2, 0]


async def test_a_conversation_that_goes_on_is_masked_as_a_whole(serve: Serve):
    async with serve([outside(apis=("responses",))], sensitivity=MASK) as gateway:
        first = await gateway.ask(RESPONSES, body(RESPONSES))
        again = await gateway.ask(RESPONSES, body(RESPONSES, "and?", previous_response_id=first.json["id"]))
        assert again.status == 200, again.body
        assert gateway.ledger[1].body.count(b"PM_PII_") == 2  # what was asked, and what was answered
        nowhere(gateway, EMAIL, CARD)


async def test_long_bodies_are_masked_too(serve: Serve):
    async with serve([outside(context_tokens=100_000)], sensitivity=MASK) as gateway:
        text = f"{'lorem ipsum ' * 5_000}{EMAIL}"
        answer = await gateway.chat("out", text)
        assert text in said(answer)
        nowhere(gateway, EMAIL)


# An upstream that cuts where ours does not, and that repeats what it was sent in its errors.


class Speller:
    """Answers letter by letter; `go_on` lets it say the second half, where that is an error."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.model: dict[str, object] = {}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        text = json.loads(await reader.readexactly(int(head.split("content-length:")[1].split()[0])))["messages"][-1]["content"]
        if "fail" in text:
            error = json.dumps({"error": {"message": f"cannot read {text}", "type": "invalid_request_error"}})
            await self._say(writer, f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{error}")
        else:
            await self._say(writer, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            await self._say(writer, *map(_chunk, [{"content": letter} for letter in text]))
            if "breaks" in text:
                await self.go_on.wait()
                await self._say(writer, _event({"error": {"message": f"lost in {text}", "type": "server_error"}}))
            else:
                began = {"index": 0, "id": "c", "type": "function", "function": {"name": "send", "arguments": ""}}
                pieces = [{"index": 0, "function": {"arguments": letter}} for letter in json.dumps({"to": text})]
                await self._say(
                    writer, *(_chunk({"tool_calls": [call]}) for call in [began, *pieces]), _chunk({}, "tool_calls"), "data: [DONE]\n\n"
                )
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, *texts: str) -> None:
        with suppress(ConnectionError):
            writer.write("".join(texts).encode())
            await writer.drain()


def _chunk(delta: dict[str, object], reason: str | None = None) -> str:
    return _event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _event(data: dict[str, object]) -> str:
    return f"data: {json.dumps(data)}\n\n"


@asynccontextmanager
async def spelling() -> AsyncIterator[Speller]:
    speller = Speller()
    server = await asyncio.start_server(speller.talk, "127.0.0.1", 0)
    speller.model = outside(base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    try:
        yield speller
    finally:
        server.close()


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
async def test_placeholders_that_come_letter_by_letter_are_put_together(serve: Serve, path):
    async with spelling() as found, serve([found.model], sensitivity=MASK) as gateway:
        answer = await gateway.ask(path, body(path, stream=True))
        told = said(answer)
        assert (TEXT in told, json.dumps({"to": TEXT}) in told) == (True, True), told
        assert "PM_" not in told


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_error_speaks_of_the_clients_own_words(serve: Serve, stream):
    async with spelling() as found, serve([found.model], sensitivity=MASK) as gateway:
        answer = await gateway.chat("out", f"fail {EMAIL}", stream=stream)
        assert (answer.status, answer.error["message"]) == (400, f"cannot read fail {EMAIL}")
        nowhere(gateway, EMAIL)


async def test_so_does_an_error_within_a_stream(serve: Serve):
    async with spelling() as found, serve([found.model], sensitivity=MASK) as gateway:
        connection = await gateway.connect()
        await connection.request(CHAT, chat("out", f"breaks {EMAIL} ...", stream=True), key=OPERATOR)
        assert (await connection.head())[0] == 200
        got = b""
        while got.count(b'"content":"."') < 3:
            got += await connection.piece()
        found.go_on.set()
        while piece := await connection.piece():
            got += piece
        assert f"lost in breaks {EMAIL} ..." in got.decode()
        assert "PM_" not in got.decode()
        nowhere(gateway, EMAIL)


async def test_the_log_is_whole_and_holds_nothing(serve: Serve, tmp_path: Path):
    async with serve([outside()], sensitivity=MASK) as gateway:
        await gateway.chat("out", TEXT)
        assert (await gateway.service.log.verify()).ok
    with sqlite3.connect(tmp_path / "log.db") as log:
        assert not [row for row in log.execute("SELECT body FROM log") if EMAIL.encode() in row[0] or b"PM_" in row[0]]
