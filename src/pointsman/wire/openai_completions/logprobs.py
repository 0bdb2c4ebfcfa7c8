"""Log probabilities of tokens in their older shape, four lists side by side, and in that of Chat Completions, an object a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

UNLIKELY = -9999.0  # OpenAI's own figure for what is not said


class OldLogprobs(Struct):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None


def from_old(old: OldLogprobs | None) -> list[dict[str, Any]] | None:
    """One object a token; `None` where there are no tokens.

    >>> from_old(OldLogprobs(["a"], [-0.5], [{"b": -1.0}]))
    [{'token': 'a', 'logprob': -0.5, 'bytes': None, 'top_logprobs': [{'token': 'b', 'logprob': -1.0, 'bytes': None}]}]
    """
    if old is None or not old.tokens:
        return None
    logprobs, tops = old.token_logprobs or [], old.top_logprobs or []
    return [
        {
            "token": token,
            "logprob": UNLIKELY if at >= len(logprobs) or (logprob := logprobs[at]) is None else logprob,
            "bytes": None,
            "top_logprobs": [
                {"token": other, "logprob": likely, "bytes": None}
                for other, likely in ((tops[at] if at < len(tops) else None) or {}).items()
            ],
        }
        for at, token in enumerate(old.tokens)
    ]


def to_old(entries: Sequence[Mapping[str, Any]], offset: int = 0) -> dict[str, list[Any]]:
    """Four lists, of a text that starts at `offset`.

    >>> to_old([{"token": "a", "logprob": -0.5}, {"token": "bc", "logprob": -1.5}], offset=3)["text_offset"]
    [3, 4]
    """
    old: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for entry in entries:
        old["tokens"].append(entry["token"])
        old["token_logprobs"].append(entry["logprob"])
        old["top_logprobs"].append({top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()})
        old["text_offset"].append(offset)
        offset += len(entry["token"])
    return old
