"""An evaluation as one HTML page: tables, and a cost-quality plot drawn as SVG. Loads nothing and runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from pointsman.evals.evaluate import Evaluation
from pointsman.evals.report import Origin, point_rows, rows

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 520, 70, 230, 20, 50
COLOURS = ("#0b62a4", "#d1495b", "#2a7f3b", "#8a4fbf", "#b36b00", "#00857c", "#6b4f2a", "#c2185b", "#455a64", "#9e9d24")
Points = Sequence[tuple[float, float]]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } svg { max-width: 100%; height: auto } code { overflow-wrap: anywhere }
"""


def page(of: Evaluation, origin: Origin) -> str:
    """The whole page."""
    protocol, split = of.protocol, "the test split, read once" if of.protocol.test else f"{of.protocol.folds} folds by group"
    labels = "all" if protocol.labels is None else f"{protocol.labels:,}"
    facts = f"{of.queries:,} queries, {len(of.models)} models, {split}, {labels} labels, seeds {', '.join(map(str, protocol.seeds))}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation of {escape(origin.source)}</title>
<style>{_STYLE}</style></head><body>
<h1>Evaluation of {escape(origin.source)}</h1>
<p>{escape(facts)}. In brackets: 95 % intervals of {protocol.draws:,} paired bootstrap draws; figures are means over the seeds.</p>
{plot(of)}
<h2>Learners</h2>
{_table(rows(of))}
<p>AIQ of the zero router (the best coin-mix of single models) {of.zero_aiq:.4f}, of the oracle {of.oracle_aiq:.4f}.</p>
<h2>References</h2>
{_table(point_rows(of))}
<p>Data: <code>{of.data}</code>. Left out: {len(origin.dropped_models)} models, {origin.dropped_queries:,} queries with missing cells.</p>
</body></html>
"""


def _table(lines: Iterable[Sequence[str]]) -> str:
    head, *body = lines
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rest = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{rest}\n</tbody></table>"


def plot(of: Evaluation) -> str:
    """Quality by cost, cost on a log scale: every learner's settings, single models, zero router, oracle."""
    axes = _Axes(
        [*(p for one in of.results for p in one.curve), *of.zero_router, *of.oracle, *((p.cost_usd, p.quality) for p in of.points)]
    )
    parts = [*axes.frame(), axes.line(of.zero_router, "#888", "6 4"), axes.line(of.oracle, "#888", "2 3")]
    for at, one in enumerate(of.results):
        parts.append(axes.line(sorted(one.curve), COLOURS[at % len(COLOURS)], ""))
    parts += [axes.dot(point.cost_usd, point.quality, point.name) for point in of.points if point.name.startswith("always ")]
    parts += _legend(
        [("zero router", "#888"), ("oracle", "#888"), *((one.name, COLOURS[i % len(COLOURS)]) for i, one in enumerate(of.results))]
    )
    label = "Quality by cost of every learner"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" font-size="12">{"".join(parts)}</svg>'


class _Axes:
    """Where a cost and a quality stand on the plot."""

    def __init__(self, points: Points) -> None:
        costs, qualities = [c for c, _ in points if c > 0], [q for _, q in points]
        self.left, self.right = math.log10(min(costs, default=0.1)) - 0.05, math.log10(max(costs, default=1.0)) + 0.05
        margin = max((max(qualities) - min(qualities)) * 0.05, 0.01)
        self.low, self.high = min(qualities) - margin, max(qualities) + margin

    def x(self, cost: float) -> float:
        part = (math.log10(max(cost, 10**self.left)) - self.left) / (self.right - self.left)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, quality: float) -> float:
        return TOP + (self.high - quality) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Points, colour: str, dash: str) -> str:
        way = " ".join(f"{self.x(c):.1f},{self.y(q):.1f}" for c, q in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6"{dashed}/>'

    def dot(self, cost: float, quality: float, name: str) -> str:
        return f'<circle cx="{self.x(cost):.1f}" cy="{self.y(quality):.1f}" r="3.5" fill="#333"><title>{escape(name)}</title></circle>'

    def frame(self) -> Iterable[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        yield f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#333"/>'
        for step in range(6):
            quality = self.low + (self.high - self.low) * step / 5
            yield f'<text x="{LEFT - 8}" y="{self.y(quality) + 4:.1f}" text-anchor="end">{quality:.3f}</text>'
            cost = 10 ** (self.left + (self.right - self.left) * step / 5)
            yield f'<text x="{self.x(cost):.1f}" y="{bottom + 18}" text-anchor="middle">{cost:.2g}</text>'
        yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">cost, dollars a request (log scale)</text>'
        yield f'<text x="14" y="{(TOP + bottom) / 2}" transform="rotate(-90 14 {(TOP + bottom) / 2})" text-anchor="middle">quality</text>'


def _legend(entries: Sequence[tuple[str, str]]) -> Iterable[str]:
    dashes = {"zero router": "6 4", "oracle": "2 3"}
    for at, (name, colour) in enumerate(entries):
        x, y = WIDTH - RIGHT + 20, TOP + 10 + 18 * at
        dashed = f' stroke-dasharray="{dashes[name]}"' if name in dashes else ""
        yield f'<path d="M{x} {y}h24" stroke="{colour}" stroke-width="2"{dashed}/><text x="{x + 32}" y="{y + 4}">{escape(name)}</text>'
