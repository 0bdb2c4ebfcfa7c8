"""`GET /v1/responses/{id}/input_items`: what a response answers, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from pointsman.errors import RequestError

_LIMIT, _MOST = 20, 100  # OpenAI's
_ORDERS: Final = ("asc", "desc")


def input_items(items: Sequence[Mapping[str, Any]], query: str) -> dict[str, Any]:
    """The page of these items, oldest first, that a query string asks for. Raises `RequestError` with `param`.

    >>> page = input_items([{"role": "user", "content": "hi"}, {"role": "user", "content": "so?"}], "limit=1")
    >>> page["data"], page["has_more"]
    ([{'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'so?'}], 'id': 'item_1'}], True)
    """
    asked = dict(parse_qsl(query))
    limit, order = asked.get("limit", str(_LIMIT)), asked.get("order", "desc")
    if not (limit.isdecimal() and len(limit) <= len(str(_MOST)) and 1 <= int(limit) <= _MOST):
        raise RequestError(f"`limit`: `{limit[:20]}` is not a number from 1 to {_MOST}", param="limit")
    if order not in _ORDERS:
        raise RequestError(f"`order`: `{order[:20]}` is none of {', '.join(_ORDERS)}", param="order")
    shown = [_shown(item, at) for at, item in enumerate(items)][:: 1 if order == "asc" else -1]
    rest = shown[_place(shown, asked["after"]) + 1 :] if "after" in asked else shown
    page = rest[: int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": len(rest) > len(page)}


def _shown(item: Mapping[str, Any], at: int) -> dict[str, Any]:
    """An item with what a client may leave out when it sends one: an id, the type, and a text as a part."""
    kind, content = item.get("type", "message"), item.get("content")
    if kind == "message" and isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        item = {**item, "content": [{"type": part, "text": content, **({"annotations": []} if part == "output_text" else {})}]}
    given = item.get("id")
    return {"type": kind, **item, "id": given if isinstance(given, str) and given else f"item_{at}"}


def _place(shown: Sequence[Mapping[str, Any]], after: str) -> int:
    found = next((at for at, item in enumerate(shown) if item["id"] == after), None)
    if found is None:
        raise RequestError(f"`after`: no item `{after[:100]}` is listed", param="after")
    return found
