"""An evaluation as one HTML page: tables, and a cost-quality plot drawn as SVG. Loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from pointsman.evals.evaluate import Evaluation
from pointsman.evals.plot import picture
from pointsman.evals.report import Origin, about_costs, further, point_rows, rows

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
{picture(of)}
<h2>Learners</h2>
{_table(rows(of))}
<p>{escape(_aiqs(of))}.</p>
<h2>All figures</h2>
{"".join(map(_table, further(of)))}
<h2>References</h2>
{_table(point_rows(of))}
<p>Data: <code>{of.data}</code>. Left out: {len(origin.dropped_models)} models, {origin.dropped_queries:,} queries with missing cells.</p>
</body></html>
"""


def _aiqs(of: Evaluation) -> str:
    known = f"AIQ of the zero router (the best coin-mix of single models) {of.zero_aiq:.4f}, of the oracle {of.oracle_aiq:.4f}"
    return about_costs(of) or known


def _table(lines: Iterable[Sequence[str]]) -> str:
    head, *body = lines
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rest = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{rest}\n</tbody></table>"
