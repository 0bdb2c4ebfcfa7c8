"""The seam between the egress client and whatever carries a call: HTTP, or a model in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from pointsman.core.value import value


@value
class Reply:
    """What an upstream answered: a status, headers, and its body as it arrives."""

    status: int
    headers: Mapping[str, str]  #: lower-case names
    body: AsyncIterator[bytes]  #: JSON bytes, or server-sent events for a streamed call
    aclose: Callable[[], Awaitable[None]]  #: gives up the rest and cancels the work upstream; may be called twice


class Transport(Protocol):
    """Carries one call to one endpoint."""

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body`; return as soon as status and headers are there. Raises `UpstreamError`."""

    async def aclose(self) -> None:
        """Release connections."""
