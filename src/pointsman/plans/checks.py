"""What makes a whole answer unfit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pointsman.core.plan import Check

_MOST_SCHEMA_BYTES = 200_000


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
    """Whether a text is JSON of this schema. A schema that cannot be judged refuses nothing."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return False
    text = json.dumps(schema, sort_keys=True)
    validator = _validator(text) if len(text) <= _MOST_SCHEMA_BYTES else None
    return validator is None or bool(validator.is_valid(value))


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    import jsonschema_rs

    # What a reference leads to outside of the schema is never fetched: the address is the client's.
    try:
        return jsonschema_rs.Draft202012Validator(json.loads(schema), retriever=_nothing, pattern_options=jsonschema_rs.RegexOptions())
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def _nothing(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri[:100]}")
