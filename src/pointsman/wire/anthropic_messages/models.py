"""`GET /v1/models` as Anthropic lists models, for clients that say `anthropic-version`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from pointsman.errors import RequestError

_UNSAID: Final = "1970-01-01T00:00:00Z"  # what Anthropic itself says where it does not know when a model was released
_LIMIT, _MOST = 20, 1_000  # Anthropic's


def model_info(name: str) -> dict[str, Any]:
    """One entry.

    >>> model_info("auto")
    {'type': 'model', 'id': 'auto', 'display_name': 'auto', 'created_at': '1970-01-01T00:00:00Z'}
    """
    return {"type": "model", "id": name, "display_name": name, "created_at": _UNSAID}


def models_page(names: Sequence[str], query: str) -> dict[str, Any]:
    """The page of these names that a query string asks for. Raises `RequestError` with `param`.

    >>> page = models_page(["auto", "small", "large"], "limit=1&after_id=auto")
    >>> page["first_id"], page["last_id"], page["has_more"]
    ('small', 'small', True)
    """
    asked = dict(parse_qsl(query))
    limit = _limit(asked)
    if "before_id" in asked:
        rest = names[: _place(names, asked, "before_id")]
        page = rest[-limit:]
    else:
        rest = names[_place(names, asked, "after_id") + 1 :] if "after_id" in asked else names
        page = rest[:limit]
    return {
        "data": [model_info(name) for name in page],
        "has_more": len(rest) > len(page),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _limit(asked: Mapping[str, str]) -> int:
    text = asked.get("limit", str(_LIMIT))
    if not (text.isdecimal() and len(text) <= len(str(_MOST)) and 1 <= int(text) <= _MOST):
        raise RequestError(f"`limit`: `{text[:20]}` is not a number from 1 to {_MOST:,}", param="limit")
    return int(text)


def _place(names: Sequence[str], asked: Mapping[str, str], cursor: str) -> int:
    if asked[cursor] not in names:
        raise RequestError(f"`{cursor}`: no model `{asked[cursor][:100]}` is listed", param=cursor)
    return names.index(asked[cursor])
