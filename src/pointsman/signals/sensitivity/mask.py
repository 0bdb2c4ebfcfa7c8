"""Placeholders for sensitive values on the way to a model, and the values again in its answer.

A placeholder ends in letters that only this request's secret could have made, so neither a client's text nor a model can make one for
another value. Only the placeholders of this request, letter by letter, are ever turned back; whatever else looks like one stays as it is.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pointsman.signals.sensitivity.detect import Finding
from pointsman.signals.sensitivity.texts import Path, Piece

_TAG_BYTES = 5  # eight letters
_MASKED = ("text", "number")  # forms of texts
_LEAST = 5  # characters of a value that is looked for elsewhere; a shorter one is in many words


@dataclass(frozen=True, slots=True)
class Masked:
    """A body in which values are replaced."""

    body: Mapping[str, object] = field(repr=False)
    values: Mapping[str, str] = field(repr=False)  #: placeholder to value; never recorded
    left: tuple[Finding, ...] = ()  #: what could not be replaced: names of fields, files, values split over turns
    spans: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)  #: number of a text to what was replaced in it

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of what is left, not yet closed, sorted."""
        return tuple(sorted({finding.kind for finding in self.left}))


def mask(body: Mapping[str, object], pieces: Sequence[Piece], findings: Iterable[Finding], secret: bytes) -> Masked:
    """The body with a placeholder for each finding. `pieces` are the body's own; `secret`, 16 to 64 random bytes, is for this request only.

    Equal values have equal placeholders, also where nothing around them would have given them away. A number becomes a string.
    """
    by_piece: dict[int, list[Finding]] = {}
    left: list[Finding] = []
    for finding in findings:
        if finding.whole and pieces[finding.piece].form in _MASKED:
            by_piece.setdefault(finding.piece, []).append(finding)
        else:
            left.append(finding)
    placeholders = _Placeholders(secret, pieces)
    spans = {index: _spans(found) for index, found in by_piece.items()}
    known = {
        value: kind for index, found in spans.items() for start, end, kind in found if len(value := pieces[index].text[start:end]) >= _LEAST
    }
    changes = {}
    replaced = {}
    for index, piece in enumerate(pieces):
        if piece.form in _MASKED and (found := _with_repeats(piece.text, spans.get(index, []), known)):
            changes[piece.path] = _masked(piece, found, placeholders)
            replaced[index] = tuple((start, end) for start, end, _ in found)
    return Masked(_changed(body, changes), {new: value for value, new in placeholders.made.items()}, tuple(left), replaced)


class _Placeholders:
    def __init__(self, secret: bytes, pieces: Sequence[Piece]) -> None:
        self.made: dict[str, str] = {}
        self._secret = secret
        self._pieces = pieces

    def of(self, value: str, kind: str) -> str:
        if value not in self.made:
            self.made[value] = self._new(value, kind)
        return self.made[value]

    def _new(self, value: str, kind: str) -> str:
        name, number, turn = re.sub("[^A-Z]", "", kind.upper()) or "DATA", len(self.made) + 1, 0
        while True:
            digest = blake2b(f"{turn}:{number}:{value}".encode("utf-8", "surrogatepass"), key=self._secret, digest_size=_TAG_BYTES).digest()
            placeholder = f"PM_{name}_{number}_{b32encode(digest).decode()}"
            if not any(placeholder in piece.text for piece in self._pieces):
                return placeholder
            turn += 1


_Span = tuple[int, int, str]


def _masked(piece: Piece, spans: Iterable[_Span], placeholders: _Placeholders) -> str:
    parts: list[str] = []
    done = 0
    for start, end, kind in spans:
        value = piece.text[start:end]
        parts += (piece.text[done:start], placeholders.of(_meant(value, piece.path), kind))
        done = end
    return "".join([*parts, piece.text[done:]])


def _with_repeats(text: str, spans: list[_Span], known: Mapping[str, str]) -> list[_Span]:
    """The spans, and wherever else one of the known values stands by itself."""
    ends = [end for _, end, _ in spans]
    kept: list[_Span] = []
    repeats = (span for value, kind in known.items() for span in _places(text, value, kind))
    for span in sorted((*spans, *(one for one in repeats if not _overlaps(one, spans, ends)))):
        if not kept or kept[-1][1] <= span[0]:
            kept.append(span)
    return kept


def _places(text: str, value: str, kind: str) -> Iterator[_Span]:
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if not text[at - 1 : at].isalnum() and not text[end : end + 1].isalnum():
            yield at, end, kind
        at = text.find(value, end)


def _overlaps(one: _Span, spans: Sequence[_Span], ends: Sequence[int]) -> bool:
    at = bisect_right(ends, one[0])
    return at < len(spans) and spans[at][0] < one[1]


def _spans(findings: list[Finding]) -> list[_Span]:
    """Spans without overlaps, each named after the surest finding in it."""
    merged: list[tuple[int, int, Finding]] = []
    for finding in sorted(findings, key=lambda found: (found.start, -found.end)):
        if merged and finding.start < merged[-1][1]:
            start, end, surest = merged[-1]
            surer = finding if finding.confidence > surest.confidence else surest
            merged[-1] = (start, max(end, finding.end), surer)
        else:
            merged.append((finding.start, finding.end, finding))
    return [(start, end, finding.kind) for start, end, finding in merged]


def _meant(value: str, path: Path) -> str:
    """The value without the escapes of the JSON text that it stands in."""
    if "\\" not in value or not path or path[-1] != "arguments":
        return value
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return value


def _changed(body: Mapping[str, object], changes: Mapping[Path, str]) -> Mapping[str, object]:
    """A copy of the body with other texts at these paths; what leads to none of them is shared."""
    tree: dict[Any, Any] = {}
    for path, text in changes.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = text
    return _grafted(body, tree)  # type: ignore[no-any-return]


def _grafted(value: Any, tree: Any) -> Any:
    # No deeper than the body, whose depth was checked when it was read.
    if isinstance(tree, str):
        return tree
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    for step, inner in tree.items():
        copy[step] = _grafted(copy[step], inner)
    return copy


class Unmasker:
    """Turns placeholders back in one text that arrives in pieces: one choice's content, or one tool call's arguments.

    >>> values = {"PM_PII_1_ABCDEFGH": "bob@example.com"}
    >>> machine = Unmasker(values)
    >>> machine.feed("Mail PM_PI"), machine.feed("I_1_ABCDEFGH!"), machine.finish()
    ('Mail ', 'bob@example.com!', '')
    """

    def __init__(self, values: Mapping[str, str], *, in_json: bool = False) -> None:
        """`in_json`: the text is JSON, so values are written as the inside of a JSON string."""
        self._values = {name: json.dumps(value)[1:-1] for name, value in values.items()} if in_json else values
        self._any = re.compile("|".join(map(re.escape, values))) if values else None
        self._beginnings = frozenset(name[:length] for name in values for length in range(1, len(name)))
        self._longest = max(map(len, values), default=1) - 1
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be passed on now that this has arrived. What may yet become a placeholder is held back."""
        if self._any is None:
            return text
        text = self._held + text
        parts: list[str] = []
        done = 0
        for found in self._any.finditer(text):
            parts += (text[done : found.start()], self._values[found[0]])
            done = found.end()
        at = max(done, len(text) - self._longest)
        while at < len(text) and text[at:] not in self._beginnings:
            at += 1
        self._held = text[at:]
        return "".join([*parts, text[done:at]])

    def finish(self) -> str:
        """What was still held back when the text ended."""
        held, self._held = self._held, ""
        return held


def unmask(text: str, values: Mapping[str, str], *, in_json: bool = False) -> str:
    """The text with the values of this request's placeholders."""
    machine = Unmasker(values, in_json=in_json)
    return machine.feed(text) + machine.finish()
