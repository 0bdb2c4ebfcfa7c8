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
    cached = count(usage.get("prompt_tokens_details"), "cached_tokens") or 0
    reasoning = count(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    return Usage(read, written, cached_input_tokens=min(cached, read), reasoning_tokens=min(reasoning, written))


def count(record: Any, name: str) -> int | None:
    """One count of a usage object, `None` where it is not said or cannot be meant."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage object of an answer.

    >>> write_usage(Usage(5, 3))["total_tokens"]
    8
    """
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
