"""A server on loopback that speaks Bedrock's Converse and ConverseStream: it answers as a test says, and keeps who asked what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from struct import pack
from typing import Any
from urllib.parse import unquote
from zlib import crc32

NOVA = "amazon.nova-lite-v1:0"
USAGE = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 110, "cacheReadInputTokens": 90, "cacheWriteInputTokens": 10}


def frame(payload: bytes, **headers: str) -> bytes:
    """One message of AWS's event streams; `event_type` stands for `:event-type`."""
    named = b"".join(
        pack("!B", len(name) + 1) + b":" + name.replace("_", "-").encode() + pack("!BH", 7, len(text.encode())) + text.encode()
        for name, text in headers.items()
    )
    prelude = pack("!II", 16 + len(named) + len(payload), len(named))
    whole = prelude + pack("!I", crc32(prelude)) + named + payload
    return whole + pack("!I", crc32(whole))


def event(kind: str, **fields: object) -> bytes:
    """An event of ConverseStream; `p` is padding, as AWS sends it."""
    return frame(json.dumps({**fields, "p": "abcd"}).encode(), message_type="event", event_type=kind, content_type="application/json")


def exception(kind: str, message: str) -> bytes:
    """What ends a stream that failed."""
    return frame(json.dumps({"message": message}).encode(), message_type="exception", exception_type=kind, content_type="application/json")


def delta(index: int, **what: object) -> bytes:
    """A piece of a block."""
    return event("contentBlockDelta", contentBlockIndex=index, delta=what)


def stop(index: int) -> bytes:
    """The end of a block."""
    return event("contentBlockStop", contentBlockIndex=index)


def tool(index: int, id: str, name: str) -> bytes:
    """The beginning of a tool's call."""
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": {"toolUseId": id, "name": name}})


BEGIN = event("messageStart", role="assistant")


def ending(reason: str = "end_turn", usage: object = USAGE) -> list[bytes]:
    """The last two events."""
    return [event("messageStop", stopReason=reason), event("metadata", usage=usage, metrics={"latencyMs": 12})]


def said(*texts: str) -> list[bytes]:
    """A stream that says these, piece by piece."""
    return [BEGIN, *(delta(0, text=text) for text in texts), stop(0), *ending()]


def answered(*blocks: dict[str, Any], reason: str = "end_turn", usage: object = USAGE) -> bytes:
    """A whole answer."""
    message = {"role": "assistant", "content": list(blocks)}
    return json.dumps({"output": {"message": message}, "stopReason": reason, "usage": usage, "metrics": {"latencyMs": 12}}).encode()


@dataclass
class Answer:
    """What the server does: sends these pieces, and then ends, waits for ever, or cuts the connection."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    error_type: str = ""
    then: str = "end"  #: "hang" or "cut"
    headless: bool = False  #: not even a status
    rest: Sequence[bytes] = ()  #: sent once the test says `go_on`


@dataclass
class Asked:
    """One call."""

    path: str
    headers: dict[str, str]
    body: bytes
    left: asyncio.Event = field(default_factory=asyncio.Event)  #: whoever asked is gone
    sent: asyncio.Event = field(default_factory=asyncio.Event)  #: all pieces are

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def model(self) -> str:
        return unquote(self.path.split("/")[2])


@dataclass
class Bedrock:
    """The server: what it answers, one after the other and the last one again, and what it was asked."""

    answers: list[Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                asked = Asked(first.split(" ")[1], headers, await reader.readexactly(int(headers["content-length"])))
                self.asked.append(asked)
                self.arrived.set()
                await self._answer(asked, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], reader, writer)
        writer.close()

    async def _answer(self, asked: Asked, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not answer.headless:
            writer.write(_head(asked, answer))
        for number, piece in enumerate((*answer.pieces, *answer.rest)):
            if number == len(answer.pieces):
                await self.go_on.wait()
            writer.write(piece if answer.then == "end" else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        asked.sent.set()
        if answer.then == "hang":
            await reader.read(1)
            asked.left.set()
        if answer.then != "end":
            raise ConnectionResetError


def _head(asked: Asked, answer: Answer) -> bytes:
    streamed = asked.path.endswith("-stream") and answer.status == 200
    lines = [
        f"HTTP/1.1 {answer.status} X",
        "x-amzn-requestid: req-1",
        f"content-type: application/{'vnd.amazon.eventstream' if streamed else 'json'}",
        f"content-length: {sum(map(len, (*answer.pieces, *answer.rest)))}" if answer.then == "end" else "transfer-encoding: chunked",
        *([f"x-amzn-errortype: {answer.error_type}:http://internal/"] if answer.error_type else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@asynccontextmanager
async def bedrock(*answers: Answer) -> AsyncIterator[Bedrock]:
    """A server that gives these answers."""
    server, tasks = Bedrock(list(answers)), set[asyncio.Task[None]]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            yield server
        finally:
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
