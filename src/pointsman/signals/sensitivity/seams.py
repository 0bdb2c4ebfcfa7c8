"""Where one text of a speaker ends and the next begins, put together: what was split over turns is whole there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointsman.signals.sensitivity.texts import Piece
from pointsman.signals.sensitivity.view import Stretch, View

_SIDE_CHARS = 64  # of each text on its side of a seam, and the whole of a longer word
_MOST_CHARS = 1_024  # of such a word
_ENDS = ".!?,;:)\"'"  # what may stand after a word


def seams(pieces: Sequence[Piece], starts: Sequence[int], everything: View) -> View | None:
    """All seams of a request, one a line, as a view of `everything`; `None` when there are none that could hide anything."""
    parts: list[str] = []
    stretches: list[Stretch] = []
    length = 0
    for spans, glue in _sides(pieces, starts):
        for (start, end), after in zip(spans, (glue, "\n"), strict=True):
            text = everything.text[start:end]
            parts += (text, after)
            stretches.append(Stretch(start, end, length, length + len(text)))
            length += len(text) + len(after)
    return View("".join(parts), ("split",), everything, lambda: stretches) if parts else None


def _sides(pieces: Sequence[Piece], starts: Sequence[int]) -> Iterator[tuple[tuple[tuple[int, int], tuple[int, int]], str]]:
    """Spans of the two sides of each seam, and what they are put together with."""
    last: dict[str, int] = {}
    for index, piece in enumerate(pieces):
        if piece.form != "text" or not piece.role:
            continue
        before = last.get(piece.role)
        last[piece.role] = index
        if before is None:
            continue
        tail = _tail(pieces[before].text)
        if tail is None:
            continue
        left = starts[before] + tail[0], starts[before] + tail[1]
        for first, stop in _heads(piece.text):
            sides = left, (starts[index] + first, starts[index] + stop)
            yield sides, ""
            if pieces[before].text[tail[1] - 1].isdigit() and piece.text[first].isdigit():
                yield sides, " "


def _tail(text: str) -> tuple[int, int] | None:
    """The end of a text, if it could be the beginning of a number or a key."""
    end = len(text.rstrip())
    word = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end)) + 1
    start = max(0, end - _MOST_CHARS, min(word, end - _SIDE_CHARS))
    tail = text[start:end]
    plain_word = not any(map(str.isdigit, tail)) and text[word:end].rstrip(_ENDS).isalpha()
    return (start, end) if tail and not plain_word else None


def _heads(text: str) -> Iterator[tuple[int, int]]:
    """Where the rest could begin: with the text, after the gap, or with its first digit."""
    digit = next((at for at, character in enumerate(text[: 4 * _SIDE_CHARS]) if character.isdigit()), 0)
    for start in sorted({0, len(text) - len(text.lstrip()), digit}):
        if start < len(text):
            ends = [at for at in (text.find(" ", start), text.find("\n", start)) if at >= 0]
            yield start, min(len(text), start + _MOST_CHARS, max(start + _SIDE_CHARS, min(ends, default=len(text))))
