"""The one walk over what a model will read: every text of a request in order, with where it stands.

Whatever is looked for must not hide in an unusual field, so names of fields and numbers are read as well. Not read is what the APIs
themselves write where turns and their parts stand: names of their fields, their own types and roles. Below that, as in the arguments of
a tool, all is the user's. Bytes of files are read only when they are text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

Path = tuple[str | int, ...]

NOT_READ = frozenset({"metadata", "model", "user"})
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
        (SOURCE, "base64", "data"),
    }
)
BYTES_WITHIN = {"image_url": "url", "input_audio": "data", "file": "file_data"}
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
        *("arguments", "cache_control", "call_id", "citations", "content", "custom", "file", "file_data", "filename", "function", "id"),
        *("image_url", "input", "input_audio", "is_error", "media_type", "name", "output", "refusal", "role", "signature", "source"),
        *("status", "summary", "text", "thinking", "title", "tool_call_id", "tool_calls", "tool_use_id", "type"),
    }
)
_SHOWN = FIELDS | TURNS | {"data", "instructions", "prompt", "schema", "tools", "parameters", "url"}
_HEAD = re.compile(r"data:[^,]{0,200},")
_PEEK_CHARS = 1024  # of a file, a multiple of four: whether it is text shows in its beginning
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Piece(NamedTuple):
    """A text of a request; `path` leads to it in the body."""

    text: str
    path: Path = ()
    role: str = ""  #: of the turn that it stands in, as the client wrote it
    form: str = "text"  #: `text`, `name` of a field, `number`, or the text of a `file`

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
        if name not in NOT_READ and isinstance(value, (str, list, dict)):
            yield from _walk(value, TURN if name in TURNS else OWN, (name,))


_Entry = tuple[int, object, Path, str]


def _walk(value: object, place: int, path: Path) -> Iterator[Piece]:
    level: list[_Entry] = [(place, value, path, "")]
    while level:
        place, item, path, role = level.pop()
        if isinstance(item, str):
            yield Piece(item, path, role)
        elif isinstance(item, Piece):
            yield item
        elif isinstance(item, list):
            level.extend(reversed(tuple(_items(item, place, path, role))))
        elif isinstance(item, dict):
            if place == TURN and isinstance(said := item.get("role"), str):
                role = said
            level.extend(reversed(tuple(_own(item, path, role) if place == OWN else _fields(item, place, path, role))))
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield Piece(repr(item), path, role, "number")


def _items(items: list[object], place: int, path: Path, role: str) -> Iterator[_Entry]:
    for at, inner in enumerate(items):
        # The API's own words stand in objects of a list, not in lists of a list.
        yield OWN if isinstance(inner, list) else place, inner, (*path, at), role


def _own(item: Mapping[str, object], path: Path, role: str) -> Iterator[_Entry]:
    for name, inner in item.items():
        within = (*path, name)
        yield OWN, Piece(name, within, role, "name"), within, role
        yield OWN, inner, within, role


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
                yield from _file(inner, within, role)
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
    yield from _own({name: value for name, value in holder.items() if name != field}, path, role)
    yield from _file(held, (*path, field), role)


def _file(data: str, path: Path, role: str) -> Iterator[_Entry]:
    text = text_of(data)
    if text is not None:
        yield OWN, Piece(text, path, role, "file"), path, role


def text_of(data: str) -> str | None:
    """The text that a data URL or base64 holds; `None` when it holds something else. An address on the web is text as it stands.

    >>> text_of("data:text/plain;base64,aGVsbG8="), text_of("data:,a%20b"), text_of("iVBORw0KGgo="), text_of("https://a.b")
    ('hello', 'a b', None, 'https://a.b')
    """
    head = _HEAD.match(data)
    if head is None and data[:8].lower().startswith(("http://", "https://")):
        return data
    if head is not None and not head[0].lower().endswith(";base64,"):
        return unquote(data[head.end() :])
    start = head.end() if head else 0
    if not _is_text(_bytes(data[start : start + _PEEK_CHARS])):
        return None
    return _bytes(data[start:]).decode("utf-8", "replace")


def _bytes(data: str) -> bytes:
    cut = data.rstrip("=\r\n ")
    try:
        return binascii.a2b_base64(cut.replace("-", "+").replace("_", "/") + "===")
    except (binascii.Error, ValueError):
        return b""


def _is_text(start: bytes) -> bool:
    if not start:
        return False
    text = start.decode("utf-8", "replace")
    return text.count("\ufffd") <= 1 and _CONTROL.search(text) is None
