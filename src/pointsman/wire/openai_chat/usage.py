"""Token counts as OpenAI reports them, both ways."""

from __future__ import annotations

from typing import Any

from pointsman.core.prices import Usage

MOST_TOKENS = 100_000_000  # of one call; an upstream that claims more is not believed


def read_usage(usage: Any) -> Usage | None:
    """What was reported; `None` for what cannot be meant: the answer is good all the same, and its tokens are estimated."""
    read, written = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    if read is None or written is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = min(count(details, "cached_tokens") or 0, read)
    cache_write = min(count(details, "cache_write_tokens") or 0, read - cached)
    reasoning = min(count(usage.get("completion_tokens_details"), "reasoning_tokens") or 0, written)
    return Usage(read, written, cached_input_tokens=cached, cache_write_tokens=cache_write, reasoning_tokens=reasoning)


def count(record: Any, name: str) -> int | None:
    """One count of a usage object, `None` where it is not said or cannot be meant."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage object of an answer.

    >>> write_usage(Usage(5, 3))["total_tokens"]
    8
    """
    stored = {"cache_write_tokens": usage.cache_write_tokens} if usage.cache_write_tokens else {}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens, **stored},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
