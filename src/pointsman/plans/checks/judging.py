"""Whether a text is JSON of a client's schema, found at a small cost or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pointsman.plans.schema import MOST_BYTES, Cost, cost

_MOST_ANSWER = 1_000_000
_MOST_KEPT = 10_000  # characters of a schema whose validator is kept
_PATTERN_BYTES = 100_000


def keeps(schema: Mapping[str, Any], text: str) -> bool | None:
    """Whether a text is JSON of this schema; `None` where that cannot be judged at a small cost.

    >>> keeps({"required": ["id"]}, '{"id": 1}'), keeps({"required": ["id"]}, "[1, "), keeps({"$ref": "https://example.com"}, "{}")
    (True, False, None)
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if len(text) > _MOST_ANSWER or (judge := _judge(schema)) is None:
        return None
    if not judge.cost.allows(value, len(text.encode(errors="replace"))):
        return None
    try:
        return bool(judge.validator.is_valid(value))
    except ValueError:  # half of a surrogate pair: JSON, but no text
        return None


def _judge(schema: Mapping[str, Any]) -> _Judge | None:
    try:
        text = json.dumps(schema, sort_keys=True)
        if len(text) > MOST_BYTES:
            return None
        return _kept(text) if len(text) < _MOST_KEPT else _compiled(text)
    except (ValueError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class _Judge:
    cost: Cost
    validator: Any


def _compiled(text: str) -> _Judge | None:
    import jsonschema_rs

    schema = json.loads(text)
    if (most := cost(schema)) is None:
        return None
    patterns = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    # What a reference leads to outside of the schema is never fetched: the address is the client's.
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, retriever=_nothing, pattern_options=patterns, validate_formats=False)
    except (ValueError, jsonschema_rs.ReferencingError):
        return None
    return _Judge(most, validator)


_kept = lru_cache(maxsize=64)(_compiled)


def _nothing(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri[:100]}")
