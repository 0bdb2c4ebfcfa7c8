"""Whether an answer has the fields that were asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import json_in

_MOST_FIELDS = 100
_NAMED = re.compile(
    r"\b(?:fields?|keys?|propert(?:y|ies)|felder|schlüssel|champs|campos)\b[^`\"'.\n]{0,60}"
    r"((?:[`\"'][\w-]{1,64}[`\"'][ ,:;/&]{0,4}(?:and |or |und |et |y )?){1,40})"
)
_NAME = re.compile(r"[`\"']([\w-]{1,64})[`\"']")

_Path = tuple[str, ...]


def required_fields(answer: Answer, asked: Asked) -> Grade:
    """The share of the required fields that are there: the schema's, else those that the request names in quotes behind "fields" or "keys".

    Abstains where no field was asked for, and where fields are named in words only and the answer is no JSON.

    >>> required_fields(Answer('{"name": "Ada"}'), Asked('Give the fields "name" and "born" as JSON.')).value
    0.5
    """
    if answer.tool_calls or answer.refusal:
        return Grade("required_fields", None)
    wanted = list(dict.fromkeys(_of_schema(asked.schema)))[:_MOST_FIELDS] if asked.schema is not None else _named(asked)
    if not wanted:
        return Grade("required_fields", None, "no field was asked for")
    found = json_in(answer.text)
    if found is None:
        strict = asked.response_format != "text"
        return Grade("required_fields", 0.0 if strict else None, "it is no JSON")
    value = found.value[0] if isinstance(found.value, list) and found.value and asked.schema is None else found.value
    there = sum(_has(value, path) for path in wanted)
    return Grade("required_fields", there / len(wanted), "" if there == len(wanted) else f"{there} of {len(wanted)} fields are there")


def _of_schema(schema: Any, path: _Path = ()) -> Iterator[_Path]:
    """Required fields, down three levels of objects."""
    if not isinstance(schema, Mapping) or len(path) > 3:
        return
    required, properties = schema.get("required"), schema.get("properties")
    for name in required[:_MOST_FIELDS] if isinstance(required, list) else ():
        if isinstance(name, str):
            yield (*path, name)
            yield from _of_schema(properties.get(name) if isinstance(properties, Mapping) else None, (*path, name))


def _named(asked: Asked) -> list[_Path]:
    names: list[str] = [
        name for group in _NAMED.findall(f"{asked.system[:4_000]}\n{asked.question[:8_000]}") for name in _NAME.findall(group)
    ]
    found: list[_Path] = [(name,) for name in dict.fromkeys(names)]
    return found[:_MOST_FIELDS]


def _has(value: Any, path: _Path) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True
