"""Ids of what a provider keeps (files, containers, skills). All keys of the gateway share its account, so one could name another's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.wire.fields import kept_elsewhere

_IDS: Final = frozenset({"file_id", "file_ids", "container_id", "skill_id", "vector_store_ids"})
# What the model reads, and what routing reads: names in there are the user's own.
_OWN_WORDS = frozenset({"chat_template_kwargs", "documents", "function_call", "functions", "guided_json", "logit_bias", "metadata"})
_OWN_WORDS |= {"output_config", "output_format", "response_format", "structured_outputs", "text"}
_OWN_INNER: Final = frozenset({"annotations", "citations", "input_examples", "input_schema"})  # the first two: said by a model
_SCALARS: Final = (str, int, float, type(None))


def refuse_references(body: Mapping[str, Any]) -> None:
    """Raise `RequestError` for a field that names what a provider keeps, wherever it stands."""
    for name, value in body.items():
        if name in _OWN_WORDS:
            continue
        if _is_reference(name, value):
            raise kept_elsewhere(name)
        if not isinstance(value, _SCALARS):
            _refuse_within(value, name)


def _refuse_within(value: object, at: str) -> None:
    level = [(value, at)]
    while level:
        one, path = level.pop()
        if isinstance(one, list):
            # A model's own calls, which come back with the conversation, name files as well.
            kept = (not (path == "input" and _kind(item).endswith("_call")) for item in one)
            level += [(item, f"{path}[{at}]") for at, (item, ok) in enumerate(zip(one, kept, strict=True)) if ok and _holds(item)]
        elif isinstance(one, dict):
            for name, item in _fields(one):
                if _is_reference(name, item):
                    raise kept_elsewhere(f"{path}.{name}"[:200])
                if _holds(item):
                    level.append((item, f"{path}.{name}"))


def _fields(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields that are not the user's or the model's own words."""
    kind = _kind(value)
    for name, item in value.items():
        if name in _OWN_INNER or (name in {"function", "custom"} and kind in {"", name}):
            continue
        if (name == "parameters" and kind == "function") or (name == "input" and kind.endswith("tool_use")):
            continue
        if name == "file_id" and kind.endswith("code_execution_output"):  # said by a server's tool, and read by nobody
            continue
        yield name, item


def _is_reference(name: str, value: object) -> bool:
    if name == "container":
        return bool(value.get("id") or value.get("skills")) if isinstance(value, dict) else isinstance(value, str) and bool(value)
    if name == "audio":
        return isinstance(value, dict) and bool(value.get("id"))
    return name in _IDS and bool(value)


def _holds(value: object) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""
