"""A text as seen in some way, and the way back: where in the client's text stands what was found in the view.

A view is made from the one before it by replacing stretches. Each replaced stretch is kept, so that a span can be traced back through
any number of views; what lies between the stretches is only shifted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

Way = Literal["plain", "folded", "hidden", "spaced", "decoded", "split"]


class Stretch(NamedTuple):
    """A replaced stretch: where it stood (`start`, `end`), and where its replacement stands (`at`, `to`)."""

    start: int
    end: int
    at: int
    to: int


_NEAR_CHARS = 160  # around a replaced stretch, of which words may explain it
_at = attrgetter("at")


@dataclass(frozen=True, slots=True)
class View:
    """A text and how it came about."""

    text: str
    ways: tuple[Way, ...] = ("plain",)
    before: View | None = None
    stretches: Callable[[], Sequence[Stretch]] = tuple  #: in order of their replacements; asked for when something was found

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the first text a span of this one comes from. Of a replaced stretch it is the whole, unless its length is the same."""
        if self.before is None:
            return start, end
        stretches = self.stretches()
        first, last = _back(stretches, start, last=False), _back(stretches, end, last=True)
        return self.before.origin(min(first, last), max(first, last))


def _back(stretches: Sequence[Stretch], position: int, *, last: bool) -> int:
    index = bisect_right(stretches, position - last, key=_at) - 1
    if index < 0:
        return position
    stretch = stretches[index]
    if position >= stretch.to and not (last and position == stretch.to):
        return position - stretch.to + stretch.end
    if stretch.end - stretch.start == stretch.to - stretch.at:
        return stretch.start + position - stretch.at
    return stretch.end if last else stretch.start


def replaced(view: View, way: Way, replacements: Iterable[tuple[int, int, str]]) -> View | None:
    """The view with stretches (start, end, replacement) replaced; `None` when there are none.

    Of what lies far from any of them only a line break is kept: it was seen in the view before.

    >>> replaced(View("a %34%31 b"), "decoded", [(2, 8, "41")]).text
    'a 41 b'
    >>> replaced(View("a %34%31 b"), "decoded", [(2, 8, "41")]).origin(2, 4)
    (2, 8)
    """
    parts: list[str] = []
    stretches: list[Stretch] = []
    done = length = 0
    text = view.text
    for start, end, new in replacements:
        if (far := _far(text, done, start)) is not None:
            parts += (text[done : far[0]], "\n")
            length += far[0] - done + 1
            stretches.append(Stretch(*far, length - 1, length))
            done = far[1]
        parts += (text[done:start], new)
        length += start - done
        stretches.append(Stretch(start, end, length, length + len(new)))
        length += len(new)
        done = end
    if not stretches:
        return None
    far = _far(text, done, len(text))
    parts.append(text[done : far[0] if far else len(text)])
    return View("".join(parts), (*view.ways, way), view, lambda: stretches)


def uneven(start: int, end: int, new: str) -> tuple[int, int, str]:
    """A replacement that is not as long as what it replaces, which would say that letter stands for letter."""
    return start, end, f"{new} " if len(new) == end - start else new


def _far(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The middle of a gap between two stretches, from space to space."""
    if end - start < 4 * _NEAR_CHARS:
        return None
    cut = text.find(" ", start + _NEAR_CHARS, end - _NEAR_CHARS)
    resume = text.rfind(" ", start + _NEAR_CHARS, end - _NEAR_CHARS)
    return (cut, resume) if 0 <= cut < resume else None
