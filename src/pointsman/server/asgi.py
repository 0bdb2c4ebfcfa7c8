"""The few parts of ASGI that the gateway needs, without a framework: headers, a bounded body, an answer, and a client that leaves.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import string
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any, Final, Protocol
from urllib.parse import quote

from pointsman.errors import PayloadTooLarge, RequestError, RequestTimeout

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ANSWER: Final = "pointsman.answer"
"""Type of a message that holds status, headers (as text) and body (`None`: more comes, in messages of ASGI's)."""

_PLAIN = string.ascii_letters + string.digits + string.punctuation + " "  # names of models and codes of upstreams may hold anything


class ClientLeftError(Exception):
    """The client closed its connection; there is nobody to answer."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case. Of a header sent twice the values are joined, as HTTP allows, so that neither is lost."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def body_here(scope: Scope, headers: Mapping[str, str], limit: int) -> bytes | None:
    """The body, where all of it came with the head; `None`: it is to be waited for.

    Refuses one that is announced with over `limit` bytes.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(f"the body has {int(announced):,} bytes, at most {limit:,} are accepted")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError("compressed bodies are not accepted: send it without `content-encoding`")
    return client_of(scope).arrived() if announced else None


async def wait_for_body(receive: Receive, limit: int, timeout_s: float) -> bytes:
    """The rest of the body, of at most `limit` bytes. Whoever sent it may have lost his rights meanwhile: ask again who he is."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit)
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive within {timeout_s:g} s") from None


async def read_body(scope: Scope, receive: Receive, headers: Mapping[str, str], limit: int, timeout_s: float) -> bytes:
    """The whole request body, whether or not it has to be waited for."""
    body = body_here(scope, headers, limit)
    return await wait_for_body(receive, limit, timeout_s) if body is None else body


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
    await send({"type": ANSWER, "status": status, "headers": {"content-type": "application/json", **headers}, "body": body})


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Status and headers; what follows is of any length."""
    await send({"type": ANSWER, "status": status, "headers": headers, "body": None})


def head_of(headers: Mapping[str, str]) -> bytes:
    """Header lines. What a value may not hold is written as in a URL.

    >>> head_of({"allow": "a\\r\\nb"})
    b'allow: a%0D%0Ab\\r\\n'
    """
    values = "".join(headers.values())
    if not (values.isascii() and values.isprintable()):
        headers = {name: quote(value, safe=_PLAIN, errors="replace") for name, value in headers.items()}
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()


class Client(Protocol):
    """What the server's own protocol adds to a request's scope, as `pointsman.cycle`: the client at the other end."""

    response_started: bool

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work. Raises `ClientLeftError`, once it has cleaned up, when the client leaves."""

    def arrived(self) -> bytes | None:
        """The body, where all of it is here already."""


def client_of(scope: Scope) -> Client:
    """The client of this request."""
    client: Client = scope["pointsman.cycle"]
    return client
