"""Ids of what a provider keeps (items, files, containers). All keys of the gateway share its account there, so one could name another's."""

from __future__ import annotations

from typing import Any, Final

from pointsman.wire.fields import Json, kept_elsewhere

_IDS: Final = frozenset({"file_id", "file_ids", "vector_store_ids", "container_id"})


def refuse_kept_item(item: Json, kind: str, at: str) -> None:
    """Raise `RequestError` for an item that stands for a stored one, and for an answer to a call that names a file."""
    if kind == "item_reference" or (kind == "image_generation_call" and not item.get("result")):
        raise kept_elsewhere(at)
    if kind.endswith("_output"):  # a model's own calls, which come back with the conversation, name files as well
        _refuse(item, at)


def refuse_kept_in_tool(tool: Json, at: str) -> None:
    """Raise `RequestError` for a built-in tool that would read such a thing."""
    if isinstance(tool.get("container"), str):
        raise kept_elsewhere(f"{at}.container")
    _refuse(tool, at)


def _refuse(value: Any, at: str) -> None:
    level = [value]
    while level:
        one = level.pop()
        if isinstance(one, dict):
            if found := next((name for name in one if name in _IDS and one[name]), None):
                raise kept_elsewhere(f"{at}.{found}")
            one = list(one.values())
        if isinstance(one, list):
            level += one
