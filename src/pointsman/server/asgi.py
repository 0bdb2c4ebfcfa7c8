"""The few parts of ASGI that the gateway needs, without a framework: headers, a bounded body, an answer, and a client that leaves.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import string
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from pointsman.errors import PayloadTooLarge, RequestError, RequestTimeout

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MOST_HEADER_BYTES = 65_536


class ClientLeftError(Exception):
    """The client closed its connection; there is nobody to answer."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case. Of a header sent twice the values are joined, as HTTP allows, so that neither is lost.

    Raises `RequestError` where they are too large.
    """
    if (size := sum(len(name) + len(value) for name, value in scope["headers"])) > _MOST_HEADER_BYTES:
        raise RequestError(f"the headers have {size:,} bytes, at most {_MOST_HEADER_BYTES:,} are accepted")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int, timeout_s: float) -> bytes:
    """The whole request body. Refuses one over `limit` bytes before reading it, where its length is announced."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(f"the body has {int(announced):,} bytes, at most {limit:,} are accepted")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError("compressed bodies are not accepted: send it without `content-encoding`")
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit)
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive within {timeout_s:g} s") from None


async def _read(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > limit:
            raise PayloadTooLarge(f"the body has more than {limit:,} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """One whole JSON answer."""
    await begin(send, status, {"content-type": "application/json", "content-length": str(len(body)), **headers})
    await send({"type": "http.response.body", "body": body})


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Status and headers."""
    raw = [
        (name.encode("latin-1"), value.encode() if value.isascii() and value.isprintable() else _quoted(value))
        for name, value in headers.items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": raw})


_PLAIN = string.ascii_letters + string.digits + string.punctuation + " "


def _quoted(text: str) -> bytes:
    # Names of models and codes of upstreams may hold anything, line breaks too.
    return quote(text, safe=_PLAIN, errors="replace").encode()


class Leaving:
    """Notices that a client goes away, and stops what is being done for it."""

    def __init__(self) -> None:
        self._gone = False
        self._task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """It is gone."""
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work. Raises `ClientLeftError`, once it has cleaned up, when the client leaves."""
        task = asyncio.current_task()
        assert task is not None
        if self._gone:
            work.close()
            raise ClientLeftError
        asked, self._task = task.cancelling(), task
        try:
            await work
        except asyncio.CancelledError:
            if self._gone and task.uncancel() <= asked:
                raise ClientLeftError from None
            raise
        finally:
            self._task = None


def leaving_of(scope: Scope) -> Leaving:
    """What the server's protocol tells of this request's client."""
    leaving: Leaving = scope["pointsman.leaving"]
    return leaving
