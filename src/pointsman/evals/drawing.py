"""Lines, marks and words on a sheet, and the sheet as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Points = Sequence[tuple[float, float]]
Anchor = Literal["start", "middle", "end"]
Shape = Literal["dot", "square", "diamond", "triangle"]

_OUTLINES: dict[str, Points] = {
    "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
    "triangle": ((0, -5.5), (5, 4), (-5, 4)),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, in pixels from the upper left corner."""

    points: Points
    colour: str = "#333333"
    width: float = 1.6
    dash: tuple[float, ...] = ()  #: lengths of its parts and gaps; empty: it has none


@dataclass(frozen=True, slots=True)
class Mark:
    """A filled mark. `title` is shown to who points at it."""

    x: float
    y: float
    shape: Shape = "dot"
    title: str = ""

    @property
    def outline(self) -> Points:
        """Its corners; empty: it is round."""
        return [(self.x + dx, self.y + dy) for dx, dy in _OUTLINES.get(self.shape, ())]


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text that stands on `y`."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    upright: bool = False  #: it runs upwards


Piece = Line | Mark | Words
MARK = "#333333"
RADIUS = 3.5


def svg(pieces: Iterable[Piece], width: int, height: int, label: str, *, alone: bool) -> str:
    """The sheet as an SVG element of a page, or as a file that stands alone."""
    space = f' xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"' if alone else ""
    head = f'<svg{space} viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}"'
    return f'{head} font-size="12" font-family="sans-serif">{"".join(map(_element, pieces))}</svg>'


def _element(piece: Piece) -> str:
    if isinstance(piece, Line):
        dashed = f' stroke-dasharray="{" ".join(f"{part:g}" for part in piece.dash)}"' if piece.dash else ""
        return f'<polyline points="{_way(piece.points)}" fill="none" stroke="{piece.colour}" stroke-width="{piece.width:g}"{dashed}/>'
    if isinstance(piece, Mark):
        title = f"<title>{escape(piece.title)}</title>"
        if piece.outline:
            return f'<polygon points="{_way(piece.outline)}" fill="{MARK}">{title}</polygon>'
        return f'<circle cx="{piece.x:.1f}" cy="{piece.y:.1f}" r="{RADIUS}" fill="{MARK}">{title}</circle>'
    turned = f' transform="rotate(-90 {piece.x:.1f} {piece.y:.1f})"' if piece.upright else ""
    return f'<text x="{piece.x:.1f}" y="{piece.y:.1f}" text-anchor="{piece.anchor}"{turned}>{escape(piece.text)}</text>'


def _way(points: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
