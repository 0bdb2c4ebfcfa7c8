"""`GET /v1/responses/{id}/input_items`: what a response answers, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from pointsman.errors import RequestError

_LIMIT, _MOST = 20, 100  # OpenAI's
_ORDERS: Final = ("asc", "desc")


class _Named(msgspec.Struct):
    id: Any = None


_named = msgspec.json.Decoder(_Named).decode
_item = msgspec.json.Decoder(dict[str, Any]).decode


def input_items(items: Sequence[msgspec.Raw], query: str) -> dict[str, Any]:
    """The page of these items, oldest first, that a query string asks for; of others no more than an id is read.

    Raises `RequestError` with `param`.

    >>> kept = [msgspec.Raw(b'{"role": "user", "content": "hi"}'), msgspec.Raw(b'{"role": "user", "content": "so?"}')]
    >>> page = input_items(kept, "limit=1")
    >>> page["data"], page["has_more"]
    ([{'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'so?'}], 'id': 'item_1'}], True)
    """
    asked = dict(parse_qsl(query))
    limit, order = asked.get("limit", str(_LIMIT)), asked.get("order", "desc")
    if not (limit.isdecimal() and len(limit) <= len(str(_MOST)) and 1 <= int(limit) <= _MOST):
        raise RequestError(f"`limit`: `{limit[:20]}` is not a number from 1 to {_MOST}", param="limit")
    if order not in _ORDERS:
        raise RequestError(f"`order`: `{order[:20]}` is none of {', '.join(_ORDERS)}", param="order")
    listed = list(enumerate(items))[:: 1 if order == "asc" else -1]
    rest = listed[_place(listed, asked["after"]) + 1 :] if "after" in asked else listed
    page = [_shown(_item(item), at) for at, item in rest[: int(limit)]]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": len(rest) > len(page)}


def _shown(item: Mapping[str, Any], at: int) -> dict[str, Any]:
    """An item with what a client may leave out when it sends one: an id, the type, and a text as a part."""
    kind, content = item.get("type", "message"), item.get("content")
    if kind == "message" and isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        item = {**item, "content": [{"type": part, "text": content, **({"annotations": []} if part == "output_text" else {})}]}
    return {"type": kind, **item, "id": _id(item.get("id"), at)}


def _id(given: object, at: int) -> str:
    return given if isinstance(given, str) and given else f"item_{at}"


def _place(listed: Sequence[tuple[int, msgspec.Raw]], after: str) -> int:
    found = next((place for place, (at, item) in enumerate(listed) if _id(_named(item).id, at) == after), None)
    if found is None:
        raise RequestError(f"`after`: no item `{after[:100]}` is listed", param="after")
    return found
