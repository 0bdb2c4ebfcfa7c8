"""Model servers on this machine: where they usually listen, and what their list of models says. The asking itself is passed in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

Fetch = Callable[[str], bytes | None]
"""GET a URL: the body of a 200 answer, `None` for anything else. It should give up after a fraction of a second."""

_MOST_MODELS = 8  # of one server: the default pool is a start, not a catalogue
_NAME = re.compile(r"[A-Za-z0-9][\w./:@+-]{0,199}", re.ASCII)
#: Models that do not chat, and ollama's, which it passes on to its own cloud.
_NOT_HERE = re.compile(r"embed|rerank|whisper|tts|[:-]cloud$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind of server usually listens.

    `owner` is what its models must say in `owned_by`: on a port that many programs use, somebody else's answer is no proof that data
    stays on this machine.
    """

    server: str
    port: int
    owner: str = ""
    json_mode: bool = True

    @property
    def base_url(self) -> str:
        """Its OpenAI-compatible endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"


PLACES: Final = (
    Place("ollama", 11434),
    Place("vllm", 8000, owner="vllm"),
    Place("llama.cpp", 8080, owner="llamacpp"),
    Place("lm-studio", 1234, json_mode=False),  # knows `json_schema` only
)


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that a server offers; `context_tokens` is `None` where it does not say."""

    name: str
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that answered."""

    place: Place
    models: tuple[FoundModel, ...]


def found_servers(fetch: Fetch, *, except_ports: Collection[int] = ()) -> tuple[FoundServer, ...]:
    """Ask the usual places which models they have; `except_ports` holds our own.

    >>> found_servers(lambda url: b'{"data": [{"id": "qwen3:8b"}]}' if ":11434/" in url else None)[0].models
    (FoundModel(name='qwen3:8b', context_tokens=None),)
    """
    found = []
    for place in PLACES:
        if place.port in except_ports:
            continue
        body = fetch(f"{place.base_url}/models")
        if body is not None and (models := parse_models(body, place)):
            found.append(FoundServer(place, models))
    return tuple(found)


def parse_models(body: bytes, place: Place) -> tuple[FoundModel, ...]:
    """The usable models of a `/v1/models` answer; none where it is not one. The answer is a stranger's: nothing of it is trusted."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    listed = answer.get("data") if isinstance(answer, dict) else None
    models: dict[str, FoundModel] = {}
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and _usable(entry, place):
            models.setdefault(entry["id"], FoundModel(entry["id"], _context(entry)))
    return tuple(models.values())[:_MOST_MODELS]


def _usable(entry: Mapping[str, Any], place: Place) -> bool:
    name, owner = entry.get("id"), entry.get("owned_by")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _NOT_HERE.search(name):
        return False
    # Another Pointsman would send requests back and forth with this one.
    return owner != "pointsman" and (not place.owner or owner == place.owner)


def _context(entry: Mapping[str, Any]) -> int | None:
    length = entry.get("max_model_len")
    return length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None
