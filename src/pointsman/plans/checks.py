"""What makes a whole answer unfit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pointsman.core.plan import Check
from pointsman.plans.schema import MOST_BYTES, Cost, cost

_MOST_ANSWER = 1_000_000
_MOST_KEPT = 10_000  # characters of a schema whose validator is kept
_PATTERN_BYTES = 100_000


def unfit(checks: Sequence[Check], content: str | None, *, empty: bool, truncated: bool, schema: Mapping[str, Any] | None) -> str | None:
    """The first check that an answer fails, as a sentence; `None` where it is fit. `schema`: the JSON schema that was asked for.

    >>> unfit(("empty",), "", empty=True, truncated=False, schema=None)
    'the answer is empty'
    >>> unfit(("schema",), "{}", empty=False, truncated=False, schema={"required": ["id"]})
    'the answer does not keep to the JSON schema that was asked for'
    """
    if empty and "empty" in checks:
        return "the answer is empty"
    if truncated and "truncated" in checks:
        return "the answer was cut off at its limit"
    if schema is not None and content is not None and "schema" in checks and not _valid(content, schema):
        return "the answer does not keep to the JSON schema that was asked for"
    return None


def _valid(content: str, schema: Mapping[str, Any]) -> bool:
    """Whether a text is JSON of this schema. What cannot be judged at a small cost refuses nothing."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if len(content) > _MOST_ANSWER or (judge := _judge(schema)) is None:
        return True
    if not judge.cost.allows(value, len(content.encode(errors="replace"))):
        return True
    try:
        return bool(judge.validator.is_valid(value))
    except ValueError:  # half of a surrogate pair: JSON, but no text
        return True


def _judge(schema: Mapping[str, Any]) -> _Judge | None:
    try:
        text = json.dumps(schema, sort_keys=True)
        if len(text) > MOST_BYTES:
            return None
        return _kept(text) if len(text) < _MOST_KEPT else _compiled(text)
    except (ValueError, RecursionError):
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


_kept = lru_cache(maxsize=16)(_compiled)


def _nothing(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri[:100]}")
