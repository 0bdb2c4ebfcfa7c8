"""The one walk over what a model will read: every text of a request in order, with where it stands.

Whatever is looked for must not hide in an unusual field, so names of fields and numbers are read as well, also where no model reads them
but a provider does. Not read is what the APIs themselves write where turns and their parts stand: names of their fields, their own types
and roles. Below that, as in the arguments of a tool, all is the user's. What cannot be read (pictures, token numbers) is pointed out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pointsman.signals.sensitivity.files import read_file

Path = tuple[str | int, ...]

OURS = "pointsman_"
"""Names in `metadata` that begin like this are for us, and travel no further."""
PROMPTS = frozenset({"input", "prompt", "prompt_token_ids"})
TURNS = frozenset({"messages", "input", "system"})

# What stands at a place: the user's own, turns, their parts, calls of tools, and what a part is made from.
OWN, TURN, PART, CALL, SOURCE = range(5)

PLACES = {
    (TURN, None, "content"): PART,
    (TURN, "message", "content"): PART,
    (TURN, None, "tool_calls"): CALL,
    (TURN, "function_call_output", "output"): PART,
    (TURN, "custom_tool_call_output", "output"): PART,
    (TURN, "computer_call_output", "output"): PART,
    (PART, "tool_result", "content"): PART,
    (PART, "image", "source"): SOURCE,
    (PART, "document", "source"): SOURCE,
    (SOURCE, "content", "content"): PART,
    (CALL, "function", "function"): CALL,
    (CALL, "custom", "custom"): CALL,
}
"""Where else the API's own words stand: place, type and field to the place within."""

BYTES = frozenset(
    {
        (PART, "input_image", "image_url"),
        (PART, "computer_screenshot", "image_url"),
        (PART, "input_file", "file_data"),
        (PART, "input_file", "file_url"),
        (SOURCE, "base64", "data"),
        (SOURCE, "url", "url"),
    }
)
BYTES_WITHIN = {"image_url": "url", "video_url": "url", "audio_url": "url", "input_audio": "data", "file": "file_data"}
"""Types of parts that hold their bytes one level below, in a field of the same name."""

MARKS = {
    "role": frozenset({"assistant", "developer", "function", "system", "tool", "user"}),
    "type": frozenset(
        {
            *(kind for _, kind, _ in PLACES if kind),
            *(kind for _, kind, _ in BYTES),
            *BYTES_WITHIN,
            *("function_call", "custom_tool_call", "input_text", "output_text", "reasoning", "redacted_thinking", "refusal"),
            *("text", "thinking", "tool_use"),
        }
    ),
}
FIELDS = frozenset(
    {
        *(
            "arguments",
            "cache_control",
            "call_id",
            "citations",
            "content",
            "custom",
            "data",
            "file",
            "file_data",
            "file_url",
            "filename",
            "function",
            "id",
        ),
        *(
            "audio_url",
            "image_url",
            "input",
            "input_audio",
            "is_error",
            "media_type",
            "name",
            "output",
            "refusal",
            "role",
            "signature",
            "source",
        ),
        *("status", "summary", "text", "thinking", "title", "tool_call_id", "tool_calls", "tool_use_id", "type", "url", "video_url"),
    }
)
_SHOWN = FIELDS | TURNS | PROMPTS | {"instructions", "metadata", "parameters", "schema", "tools", "user"}
_API_NAME = re.compile("[a-z_]{1,40}")  # at the top; what is written like this is no number, address or key
_FEW_DIGITS = 6  # a number of so many characters at the top is a setting
_DATA_URL = re.compile(r"data:[^,]*base64\s*,", re.IGNORECASE)
UNREAD = frozenset({"bytes", "tokens"})
"""Forms of what cannot be read: in its place stands an empty text."""


class Piece(NamedTuple):
    """A text of a request; `path` leads to it in the body."""

    text: str
    path: Path = ()
    role: str = ""  #: of the turn that it stands in, as the client wrote it
    form: str = "text"  #: `text`, `name` of a field, `number`, the text of a `file`, or one of `UNREAD`

    @property
    def where(self) -> str:
        """The path for people, without words that may be the user's.

        >>> Piece("x", ("messages", 0, "content", 1, "input", "4111 1111"), "user").where
        '/messages/0/content/1/input/*'
        """
        return "".join(f"/{step}" if isinstance(step, int) or step in _SHOWN else "/*" for step in self.path)


def pieces(body: Mapping[str, object]) -> Iterator[Piece]:
    """Every text that the model may read, in order.

    >>> [(piece.where, piece.text) for piece in pieces({"messages": [{"role": "user", "content": "hello"}]})]
    [('/messages/0/content', 'hello')]
    """
    for name, value in body.items():
        if not _API_NAME.fullmatch(name):
            yield Piece(name, (name,), form="name")
        if name in PROMPTS and isinstance(value, list) and (tokens := sum(map(_is_tokens, value))):
            yield Piece("", (name,), form="tokens")
            if tokens == len(value):
                continue
        if name == "metadata" and isinstance(value, dict):
            yield from _walk({inner: said for inner, said in value.items() if not inner.startswith(OURS)}, OWN, (name,))
        elif isinstance(value, (str, list, dict)):
            if name != "model":  # which never travels: the upstream's own name for it does
                yield from _walk(value, TURN if name in TURNS else OWN, (name,))
        elif _is_number(value) and len(number := repr(value)) > _FEW_DIGITS:
            yield Piece(number, (name,), form="number")


def _is_tokens(one: object) -> bool:
    return _is_number(one) or (isinstance(one, list) and any(map(_is_number, one)))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_Entry = tuple[int, object, Path, str]


def _walk(value: object, place: int, path: Path) -> Iterator[Piece]:
    level: list[_Entry] = [(place, value, path, "")]
    while level:
        place, item, path, role = level.pop()
        if isinstance(item, Piece):
            yield item
        elif place == OWN or not isinstance(item, (list, dict)):
            yield from _own(item, path, role)
        elif isinstance(item, list):
            level.extend(reversed(tuple(_items(item, place, path, role))))
        else:
            if place == TURN and isinstance(said := item.get("role"), str):
                role = said
            level.extend(reversed(tuple(_fields(item, place, path, role))))


def _items(items: list[object], place: int, path: Path, role: str) -> Iterator[_Entry]:
    for at, inner in enumerate(items):
        # The API's own words stand in objects of a list, not in lists of a list.
        yield OWN if isinstance(inner, list) else place, inner, (*path, at), role


def _own(item: object, path: Path, role: str) -> list[Piece]:
    """All that the user's own structure holds."""
    found: list[Piece] = []
    level: list[tuple[object, Path]] = [(item, path)]
    while level:
        item, path = level.pop()
        if isinstance(item, Piece):
            found.append(item)
        elif isinstance(item, str):
            found.append(Piece(item, path, role))
            if item[:5].lower() == "data:" and _DATA_URL.match(item):
                found += _file(item, path, role)
        elif isinstance(item, dict):
            for name in reversed(item):
                within = (*path, name)
                level += (item[name], within), (Piece(name, within, role, "name"), within)
        elif isinstance(item, list):
            level += [(item[at], (*path, at)) for at in range(len(item) - 1, -1, -1)]
        elif _is_number(item):
            found.append(Piece(repr(item), path, role, "number"))
    return found


def _fields(item: Mapping[str, object], place: int, path: Path, role: str) -> Iterator[_Entry]:
    """What is to be read of an object in which words of the API stand, and at which place each of it is."""
    marked = item.get("type")
    kind = marked if isinstance(marked, str) else None
    for name, inner in item.items():
        within = (*path, name)
        if name not in FIELDS:
            yield OWN, Piece(name, within, role, "name"), within, role
        if isinstance(inner, str):
            if (place, kind, name) in BYTES:
                yield from ((OWN, piece, within, role) for piece in _file(inner, within, role, item))
            elif inner not in MARKS.get(name, ()):
                yield OWN, inner, within, role
        elif place == PART and name == kind and name in BYTES_WITHIN and isinstance(inner, dict):
            yield from _holder(inner, BYTES_WITHIN[name], within, role)
        else:
            yield PLACES.get((place, kind, name), OWN), inner, within, role


def _holder(holder: Mapping[str, object], field: str, path: Path, role: str) -> Iterator[_Entry]:
    held = holder.get(field)
    if not isinstance(held, str):
        yield OWN, holder, path, role
        return
    yield OWN, {name: value for name, value in holder.items() if name != field}, path, role
    yield from ((OWN, piece, path, role) for piece in _file(held, (*path, field), role, holder))


def _file(data: str, path: Path, role: str, beside: Mapping[str, object] | None = None) -> Iterator[Piece]:
    said = " ".join(str(beside[name]) for name in ("media_type", "filename") if name in beside) if beside else ""
    text, whole = read_file(data, said)
    if text:
        yield Piece(text, path, role, "file")
    if not whole:
        yield Piece("", path, role, "bytes")
