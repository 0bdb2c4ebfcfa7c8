"""Webhooks: signed messages to hosts that the operator has allowed, and to nowhere else.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. A host is
resolved once, every address of it has to be a public one, and the connection goes to that very address: a name that changes its mind
between check and connection gains nothing. No redirect is followed, and of the answer only the status counts.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlsplit

from pointsman import __version__
from pointsman.errors import ConfigError, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from pointsman.upstream.connection import Connection

TIMEOUT_S: Final = 15.0
"""For one delivery, from looking the host up to the status."""

MOST_ATTEMPTS: Final = 12
"""After so many a message is given up, about two days and a half after the first."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 43_200.0
_SAFE = "/%:@!$&'()*+,;=~?"
_SECRET = "whsec_"  # noqa: S105  what secrets begin with
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: For protocols between networks, some of which Python takes for global.
_NOT_GLOBAL_4 = ipaddress.IPv4Network("192.0.0.0/24")
#: 6to4 and Teredo, in which IPv4 addresses hide, and a block for documentation that Python does not know yet.
_NOT_GLOBAL = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32", "3fff::/20")))

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From host and port to addresses."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go, and what they are signed with: `whsec_` and at least 24 bytes in base64."""

    url: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def key(self) -> bytes:
        """The bytes of the secret. Raises `ConfigError` for one that is malformed or short."""
        try:
            found = base64.b64decode(self.secret.removeprefix(_SECRET), validate=True)
        except (binascii.Error, ValueError):
            found = b""
        if not self.secret.startswith(_SECRET) or not 24 <= len(found) <= 64:
            raise ConfigError("a webhook's secret is `whsec_` and 24 to 64 random bytes in base64")
        return found


def signature(key: bytes, id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`.

    >>> signature(b"k" * 24, "msg_1", 1_700_000_000, b"{}")
    'v1,E3sCg9uS8x43RKlJqcda1EcaYZxNkN+l2u7RBZBSZQQ='
    """
    signed = hmac.digest(key, b"%s.%d.%s" % (id.encode(), timestamp_s, body), sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def wait_s(attempts: int) -> float:
    """How long to wait after so many attempts have failed.

    >>> [wait_s(attempts) for attempts in (1, 2, 3, 4, 8)]
    [5.0, 20.0, 80.0, 320.0, 43200.0]
    """
    return min(_FIRST_WAIT_S * 4.0 ** (attempts - 1), _LONGEST_WAIT_S)


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, and no other hides in it.

    >>> [is_public(address) for address in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2606:4700::1")]
    [True, False, False, False, True]
    """
    found = ipaddress.ip_address(address)
    if found.is_multicast or found.is_reserved or not found.is_global:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return found not in _NOT_GLOBAL_4
    return found in _GLOBAL_UNICAST and all(found not in block for block in _NOT_GLOBAL)


class Webhooks:
    """Delivers messages. Hosts that are not among `hosts` are refused, and so are addresses that are not public unless `private`."""

    def __init__(
        self, hosts: Sequence[str], *, private: bool = False, tls: ssl.SSLContext | None = None, resolve: Resolve | None = None
    ) -> None:
        """`hosts`: names or addresses, with `:port` where it is not the scheme's own. `private` allows `http:` as well."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._private = private
        self._tls = tls
        self._resolve = resolve or _addresses

    def check(self, hook: Webhook) -> None:
        """Raise `ConfigError` for a webhook that nothing would be sent to."""
        _Target.of(hook.url, self._hosts, self._private)
        _ = hook.key

    async def send(self, hook: Webhook, id: str, body: bytes, now_s: int) -> None:
        """Deliver one message; returns once the other side has taken it.

        Raises `ConfigError` where it must not go there, and `UpstreamError` where it was not taken: then try again.
        """
        target = _Target.of(hook.url, self._hosts, self._private)
        head = target.head(id, now_s, signature(hook.key, id, now_s, body), len(body))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await self._post(target, await self._address(target), head, body)
        except TimeoutError:
            raise UpstreamTimeout("the webhook did not answer in time") from None
        if not 200 <= status < 300:
            raise UpstreamRefused(f"the webhook answered with status {status}", status=502, fault="refused")

    async def _address(self, target: _Target) -> str:
        try:
            found = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise UpstreamUnreachable("the webhook's host has no address") from error
        # All of them: else who controls the name could put a public address first, and wait.
        if not found or not (self._private or all(map(is_public, found))):
            raise ConfigError(f"the webhook's host `{target.host}` has an address that is not public: allow private ones, or name another")
        return found[0]

    async def _post(self, target: _Target, address: str, head: bytes, body: bytes) -> int:
        if target.tls and self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        tls = self._tls if target.tls else None
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(_ignore, _ignore), address, target.port, ssl=tls, server_hostname=target.host if tls else None
            )
        except OSError as error:
            raise UpstreamUnreachable("the webhook could not be reached") from error
        try:
            exchange = connection.send(head, body)
            await exchange.begun()
            return exchange.status
        except UpstreamError as error:
            raise UpstreamUnreachable("the webhook's connection was lost before an answer") from error
        finally:
            connection.abort()


@dataclass(frozen=True, slots=True)
class _Target:
    tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, hosts: frozenset[str], private: bool) -> _Target:
        """A URL taken apart. Raises `ConfigError` for one that is not allowed; the message does not hold it: paths may be secret."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"a webhook's URL cannot be read: {error}") from error
        if parts.scheme != "https" and not (private and parts.scheme == "http"):
            raise ConfigError("a webhook's URL begins with `https://`")
        if "@" in parts.netloc or not host.isascii() or not url.isprintable():
            raise ConfigError("a webhook's URL has a plain host, without user or password")
        shown = f"[{host}]" if ":" in host else host
        if (shown if port is None else f"{shown}:{port}") not in hosts:
            raise ConfigError(f"`{shown}` is not among the hosts that webhooks may go to")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
        )
        return cls(parts.scheme == "https", host, port or (443 if parts.scheme == "https" else 80), path)

    def head(self, id: str, timestamp_s: int, signed: str, length: int) -> bytes:
        """The request's head."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == (443 if self.tls else 80) else f":{self.port}"
        lines = (
            f"POST {self.path} HTTP/1.1",
            f"host: {shown}{port}",
            f"user-agent: pointsman/{__version__}",
            "content-type: application/json",
            f"content-length: {length}",
            f"webhook-id: {id}",
            f"webhook-timestamp: {timestamp_s}",
            f"webhook-signature: {signed}",
            "connection: close",
        )
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


async def _addresses(host: str, port: int) -> list[str]:
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def _ignore(_: Connection) -> None:
    """Each connection carries one message."""
