"""Token counts: here the input leaves out what was read from and written to the cache, in `Usage` it is all of it."""

from __future__ import annotations

from typing import Any, Final

from pointsman.core.prices import Usage
from pointsman.wire.openai_chat.usage import MOST_TOKENS

COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
)
"""What is read of a usage object."""


def read_usage(reported: Any) -> Usage | None:
    """What was reported; `None` for what cannot be meant: the answer is good all the same, and its tokens are estimated.

    >>> read_usage({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5})
    Usage(input_tokens=100, output_tokens=5, cached_input_tokens=90, cache_write_tokens=0, cache_write_1h_tokens=0, reasoning_tokens=0)
    """
    if not isinstance(reported, dict) or reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        return None
    lives = reported.get("cache_creation") or {}
    details = reported.get("output_tokens_details") or {}
    counts = [
        _count(reported, "input_tokens"),
        _count(reported, "output_tokens"),
        _count(reported, "cache_read_input_tokens"),
        _count(reported, "cache_creation_input_tokens"),
        _count(lives, "ephemeral_1h_input_tokens"),
        _count(lives, "ephemeral_5m_input_tokens"),
        _count(details, "thinking_tokens"),
    ]
    if any(count is None for count in counts):
        return None
    plain, output, cached, written, hour, minutes, reasoning = (count or 0 for count in counts)
    written = max(written, hour + minutes)
    whole = plain + cached + written
    return Usage(whole, output, cached, written, hour, min(reasoning, output)) if whole <= MOST_TOKENS else None


def write_usage(usage: Usage) -> dict[str, Any]:
    """The counts as this API writes them."""
    said: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_1h_tokens:
        minutes = max(usage.cache_write_tokens - usage.cache_write_1h_tokens, 0)
        said["cache_creation"] = {"ephemeral_1h_input_tokens": usage.cache_write_1h_tokens, "ephemeral_5m_input_tokens": minutes}
    if usage.reasoning_tokens:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return said


def _count(record: Any, name: str) -> int | None:
    """A count, 0 where there is none, and `None` where it is not to be believed."""
    value = record.get(name, 0) if isinstance(record, dict) else None
    if value is None and isinstance(record, dict):
        return 0
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
