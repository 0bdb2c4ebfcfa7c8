"""A client's body on its way to a model that speaks the client's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def own_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Every field travels on, but for our own metadata. Of a stream usage is always asked for, because calls are accounted.

    >>> own_body({"model": "m", "stream": True, "metadata": {"pointsman_task": "chat"}})
    {'model': 'm', 'stream': True, 'stream_options': {'include_usage': True}}
    """
    sent = dict(body)
    if sent.get("stream"):
        options = sent.get("stream_options")
        sent["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    if isinstance(metadata := sent.get("metadata"), dict):
        sent["metadata"] = {name: value for name, value in metadata.items() if not name.startswith("pointsman_")}
        if not sent["metadata"]:
            del sent["metadata"]
    return sent


def asks_usage(body: Mapping[str, Any]) -> bool:
    """Whether the client asked for usage at the end of its stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
