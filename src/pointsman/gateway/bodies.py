"""Bodies of upstreams' answers, and no more of them than is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from pointsman.errors import UpstreamError
from pointsman.gateway.clock import Clock
from pointsman.upstream.connection import Exchange

_MAX_ANSWER_BYTES: Final = 64_000_000
_MAX_ERROR_BYTES: Final = 200_000  # servers may repeat the whole request in it


async def all_of(pieces: AsyncIterator[bytes], clock: Clock, idle_s: float) -> bytes:
    """An answer that comes whole. Raises `UpstreamError` for one that is too large; `clock` interrupts one that stands still."""
    body = bytearray()
    async for chunk in pieces:
        body += chunk
        if not (isinstance(pieces, Exchange) and pieces.is_whole):
            clock.expect(idle_s, "the model's answer stood still for too long")
        if len(body) > _MAX_ANSWER_BYTES:
            raise UpstreamError(f"the upstream's answer is larger than {_MAX_ANSWER_BYTES:,} bytes")
    return bytes(body)


async def beginning_of(pieces: AsyncIterator[bytes]) -> bytes:
    """Of an error as much as is looked at."""
    body = bytearray()
    async for chunk in pieces:
        body += chunk
        if len(body) >= _MAX_ERROR_BYTES:
            break
    return bytes(body[:_MAX_ERROR_BYTES])
