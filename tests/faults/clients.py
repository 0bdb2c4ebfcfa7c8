"""A client of each API that generates text: how it asks, what it was told, and how it knows the end of a stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.server.raw import Answered
from tests.server.served import OPERATOR, Served

TEXT = "one two three"


@dataclass(frozen=True)
class Client:
    """One API, seen from a client."""

    api: str
    path: str
    endings: tuple[bytes, ...]  #: what only a stream that ended well says
    body: Callable[[str, str], dict[str, object]]
    whole: Callable[[Any], str]
    delta: Callable[[Any], str]

    async def ask(self, gateway: Served, model: str, *, stream: bool, text: str = TEXT, **headers: str) -> Answered:
        return await gateway.ask(self.path, {**self.body(model, text), "stream": stream}, key=OPERATOR, **headers)

    def said(self, answer: Answered) -> str:
        """What a good answer says; anything else fails here."""
        assert answer.status == 200, (answer.status, answer.body[:300])
        if not answer.headers["content-type"].startswith("text/event-stream"):
            return self.whole(answer.json)
        assert self.ended_well(answer.body), answer.body[-300:]
        return "".join(self.delta(event) for event in events(answer.body))

    def ended_well(self, body: bytes) -> bool:
        """Whether a client would take this stream for whole."""
        return any(ending in body for ending in self.endings)

    def failure(self, answer: Answered) -> Mapping[str, Any]:
        """The error object of an answer that failed, whether before it began or within its stream."""
        told = answer.json if answer.headers["content-type"] == "application/json" else events(answer.body)[-1]
        if self.api == "messages":
            assert told["type"] == "error"
            assert {"type", "message"} <= set(told["error"])
        else:
            assert {"message", "type", "param", "code"} <= set(told["error"])
        return told["error"]


def events(body: bytes) -> list[Any]:
    """The JSON of a stream's events; one that is not whole fails here."""
    *found, rest = body.split(b"\n\n")
    assert rest == b"", rest
    lines = [line for event in found for line in event.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if line != b"data: [DONE]"]


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


CHAT = Client(
    "chat",
    "/v1/chat/completions",
    (b"[DONE]",),
    lambda model, text: {"model": model, "messages": _messages(text)},
    lambda told: told["choices"][0]["message"]["content"],
    lambda event: "".join(choice["delta"].get("content") or "" for choice in event.get("choices", [])),
)
RESPONSES = Client(
    "responses",
    "/v1/responses",
    (b"[DONE]", b"response.completed", b"response.incomplete"),
    lambda model, text: {"model": model, "input": text},
    lambda told: told["output"][0]["content"][0]["text"],
    lambda event: event["delta"] if event.get("type") == "response.output_text.delta" else "",
)
MESSAGES = Client(
    "messages",
    "/v1/messages",
    (b"message_stop",),
    lambda model, text: {"model": model, "messages": _messages(text), "max_tokens": 100},
    lambda told: told["content"][0]["text"],
    lambda event: event["delta"].get("text", "") if event.get("type") == "content_block_delta" else "",
)
CLIENTS = {client.api: client for client in (CHAT, RESPONSES, MESSAGES)}
