"""Quality by cost of everything that was judged: curves of the learners, marks of what has no knob."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from pointsman.evals.drawing import Line, Mark, Piece, Points, Shape, Words, svg
from pointsman.evals.evaluate import Evaluation
from pointsman.evals.png import png

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 940, 520, 70, 290, 20, 50
COLOURS = (
    *("#0b62a4", "#d1495b", "#2a7f3b", "#8a4fbf", "#b36b00", "#00857c", "#6b4f2a", "#e05fa6"),
    *("#455a64", "#8f8d12", "#e4572e", "#1f2a8c", "#5fa8d3", "#7a0f2b", "#6cc24a", "#b39ddb"),
)
DASHES: tuple[tuple[float, ...], ...] = ((), (9, 3), (9, 3, 2, 3))
"""Of further learners, once every colour is taken."""

_BESIDE: dict[str, tuple[float, ...]] = {"zero router": (6, 4), "oracle router": (2, 3)}
_GREY = "#888888"
_MARKS: dict[str, Shape] = {"random": "diamond", "best single (chosen in training)": "square", "oracle": "triangle"}


def picture(of: Evaluation, *, alone: bool = False) -> str:
    """The plot as SVG, for a page or as a file that stands alone."""
    return svg(pieces(of), WIDTH, HEIGHT, "Quality by cost of every learner", alone=alone)


def bitmap(of: Evaluation) -> bytes:
    """The plot as a PNG file."""
    return png(pieces(of), WIDTH, HEIGHT)


def pieces(of: Evaluation) -> Iterator[Piece]:
    """Every learner's settings, single models, zero router and oracle; cost on a log scale, but for shares."""
    spots = [(point.cost_usd, point.quality) for point in of.points]
    axes = _Axes([*(p for one in of.results for p in one.curve), *of.zero_router, *of.oracle, *spots], of.share_of)
    yield from axes.frame()
    for dash, points in zip(_BESIDE.values(), (of.zero_router, of.oracle), strict=True):
        yield axes.line(points, _GREY, dash)
    for at, one in enumerate(of.results):
        yield axes.line(sorted(one.curve), *style(at))
    for point in of.points:
        yield axes.mark(point.cost_usd, point.quality, _MARKS.get(point.name, "dot"), point.name)
    yield from _legend([one.name for one in of.results])


def style(at: int) -> tuple[str, tuple[float, ...]]:
    """Colour and dash of a learner, by its place."""
    return COLOURS[at % len(COLOURS)], DASHES[at // len(COLOURS) % len(DASHES)]


class _Axes:
    """Where a cost and a quality stand on the plot."""

    def __init__(self, points: Points, share_of: str) -> None:
        self.share_of = share_of
        costs, qualities = [c for c, _ in points if c > 0], [q for _, q in points]
        self.least = min(costs, default=0.1)
        self.left, self.right = (-0.02, 1.02) if share_of else (self.place(self.least) - 0.05, self.place(max(costs, default=1.0)) + 0.05)
        margin = max((max(qualities) - min(qualities)) * 0.05, 0.01)
        self.low, self.high = min(qualities) - margin, max(qualities) + margin

    def place(self, cost: float) -> float:
        return cost if self.share_of else math.log10(max(cost, self.least))

    def x(self, place: float) -> float:
        return LEFT + (place - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, quality: float) -> float:
        return TOP + (self.high - quality) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Points, colour: str, dash: tuple[float, ...]) -> Line:
        return Line([(self.x(self.place(c)), self.y(q)) for c, q in points], colour, dash=dash)

    def mark(self, cost: float, quality: float, shape: Shape, name: str) -> Mark:
        return Mark(self.x(self.place(cost)), self.y(quality), shape, name)

    def frame(self) -> Iterable[Piece]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        yield Line([(LEFT, TOP), (LEFT, bottom), (right, bottom)], width=1)
        for step in range(6):
            quality = self.low + (self.high - self.low) * step / 5
            yield Words(LEFT - 8, self.y(quality) + 4, f"{quality:.3f}", "end")
            place = step / 5 if self.share_of else self.left + (self.right - self.left) * step / 5
            yield Words(self.x(place), bottom + 18, f"{place:g}" if self.share_of else f"{10**place:.2g}", "middle")
        costs = f"share of queries on {self.share_of}" if self.share_of else "cost, dollars a request (log scale)"
        yield Words((LEFT + right) / 2, HEIGHT - 8, costs, "middle")
        yield Words(14, (TOP + bottom) / 2, "quality", "middle", upright=True)


def _legend(learners: Sequence[str]) -> Iterator[Piece]:
    lines = [(name, (_GREY, dash)) for name, dash in _BESIDE.items()] + [(name, style(at)) for at, name in enumerate(learners)]
    left = WIDTH - RIGHT + 20
    for at, (name, (colour, dash)) in enumerate(lines):
        y = TOP + 10 + 18 * at
        yield Line([(left, y), (left + 24, y)], colour, 2, dash)
        yield Words(left + 32, y + 4, name)
    marks: dict[str, Shape] = {"always one model": "dot", **_MARKS}
    for at, (name, shape) in enumerate(marks.items(), len(lines)):
        y = TOP + 10 + 18 * at
        yield Mark(left + 12, y, shape, name)
        yield Words(left + 32, y + 4, name)
