"""Calls over HTTP/1.1: a pool of connections, and what goes onto them."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from pointsman import __version__
from pointsman.errors import ConfigError, UpstreamUnreachable
from pointsman.upstream.connection import Connection
from pointsman.upstream.transport import Reply

_CONNECT_TIMEOUT_S = 5.0
# Below what common servers keep an idle connection for (uvicorn and node: 5 s), so that a call is not sent into a closing one. Behind TLS
# a new connection costs more, and providers keep idle ones for longer.
_IDLE_S, _IDLE_TLS_S = 4.0, 30.0
_MOST_HEADS = 64
_UNSAFE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class Origin(NamedTuple):
    """Scheme, host and port: what a connection is good for."""

    tls: bool
    host: str
    port: int


class Pool:
    """Connections to all upstreams, kept open between calls. It follows no redirect, keeps no cookie and uses no proxy."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the system's trusted certificates."""
        self._tls = tls
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._closed = False

    def idle(self, origin: Origin) -> Connection | None:
        """A connection that is ready for a call."""
        waiting = self._idle.get(origin)
        if not waiting:
            return None
        oldest_s = time.monotonic() - (_IDLE_TLS_S if origin.tls else _IDLE_S)
        while waiting and waiting[0].idle_since_s <= oldest_s:  # left over from busier times: it is the latest that is taken
            waiting.pop(0).abort()
        while waiting:
            connection = waiting.pop()
            if connection.usable:
                return connection
            connection.abort()
        return None

    async def connect(self, origin: Origin) -> Connection:
        """A new connection. Raises `UpstreamUnreachable`."""
        if self._closed:
            raise UpstreamUnreachable("the gateway is shutting down", sent=False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    lambda: Connection(lambda ready: self._keep(origin, ready), lambda lost: self._drop(origin, lost)),
                    origin.host,
                    origin.port,
                    ssl=self._context() if origin.tls else None,
                )
        except ssl.SSLError as error:
            raise UpstreamUnreachable(
                "no secure connection to the model's server: its certificate or protocol is not accepted", sent=False
            ) from error
        except (OSError, UnicodeError) as error:  # a timeout is an OSError, too; UnicodeError: no such host name is possible
            raise UpstreamUnreachable("the model's server could not be reached", sent=False) from error
        if connection.usable:
            self._open.add(connection)
        return connection

    async def aclose(self) -> None:
        """Close every connection, also those in use. Again does nothing."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()

    def _keep(self, origin: Origin, connection: Connection) -> None:
        connection.idle_since_s = time.monotonic()
        self._idle.setdefault(origin, []).append(connection)

    def _drop(self, origin: Origin, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in (waiting := self._idle.get(origin, [])):
            waiting.remove(connection)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class HttpTransport:
    """Posts to one base URL. Error messages never contain it: clients may see them."""

    def __init__(self, base_url: str, pool: Pool) -> None:
        """Raises `ConfigError` for a host that cannot be."""
        url = urlsplit(base_url.rstrip("/"))
        host, tls = url.hostname or "", url.scheme == "https"
        self._pool = pool
        self._origin = Origin(tls, host, url.port or (443 if tls else 80))
        self._path = quote(url.path, safe="/%:@!$&'()*+,;=~")
        shown = f"[{host}]" if ":" in host else _ascii(host)
        self._host = shown if url.port is None else f"{shown}:{url.port}"
        self._heads: dict[tuple[object, ...], bytes] = {}

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body`; return as soon as status and headers are there."""
        head = self._head(url_path, headers, len(body))
        connection = self._pool.idle(self._origin) or await self._pool.connect(self._origin)
        exchange = connection.send(head, body)
        try:
            await exchange.begun()
        except BaseException:
            await exchange.aclose()
            raise
        return Reply(exchange.status, exchange.headers, exchange, exchange.aclose)

    async def aclose(self) -> None:
        """Close the pool, which all HTTP transports share."""
        await self._pool.aclose()

    def _head(self, url_path: str, headers: Mapping[str, str], length: int) -> bytes:
        # All but the length is the same for nearly every call.
        key = (url_path, *headers.items())
        if (head := self._heads.get(key)) is None:
            head = self._new_head(url_path, headers)
            if len(self._heads) < _MOST_HEADS:
                self._heads[key] = head
        return b"%bcontent-length: %d\r\n\r\n" % (head, length)

    def _new_head(self, url_path: str, headers: Mapping[str, str]) -> bytes:
        # No compression: a stream would be held back by it, and bytes are passed on as they came.
        fixed = {"host": self._host, "user-agent": f"pointsman/{__version__}", "accept-encoding": "identity"}
        lines = [f"POST {self._path}{url_path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fixed, **headers}.items()), ""]
        if any(_UNSAFE.search(line) for line in lines):
            raise UpstreamUnreachable("the call could not be made: a header has a character that is not allowed", sent=False)
        return "\r\n".join(lines).encode("latin-1")


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError as error:
        raise ConfigError(f"`{host}` is not the name of a host: {error}") from error
