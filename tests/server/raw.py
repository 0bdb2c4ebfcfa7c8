"""A client that sends exactly the bytes a test wants, and reads what comes back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Answered:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object; an answer without one fails here."""
        return self.json["error"]

    @property
    def events(self) -> list[bytes]:
        """The data of the stream's events."""
        *events, rest = self.body.split(b"\n\n")
        assert rest == b""
        return [event.removeprefix(b"data: ") for event in events]

    @property
    def text(self) -> str:
        """What a stream said."""
        chunks = [json.loads(event) for event in self.events if event != b"[DONE]"]
        return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", []))


class Connection:
    """One connection to the gateway; `request`, then `answered`, as often as the gateway lets it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(self, path: str, body: object = None, *, key: str | None = None, method: str = "", **headers: str) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        shown = {
            "host": "gateway",
            "content_length": str(len(content)),
            **({} if key is None else {"authorization": f"Bearer {key}"}),
            **headers,
        }
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in shown.items())
        verb = method or ("GET" if body is None else "POST")
        await self.send(f"{verb} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        return int(first.split()[1]), {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def answered(self, *, bodyless: bool = False) -> Answered:
        status, headers = await self.head()
        if bodyless:
            return Answered(status, headers, b"")
        if "content-length" in headers:
            return Answered(status, headers, await self.reader.readexactly(int(headers["content-length"])))
        body = b""
        while piece := await self.piece():
            body += piece
        return Answered(status, headers, body)

    async def piece(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    def leave(self, how: str) -> None:
        """As clients do: `closed`, `reset`, or `half-closed`."""
        if how == "half-closed":
            self.writer.write_eof()
        elif how == "reset":
            self.writer.transport.abort()
        else:
            self.close()

    def close(self) -> None:
        self.writer.close()
