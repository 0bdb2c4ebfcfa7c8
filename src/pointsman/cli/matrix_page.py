"""The table of what could be reached, as a page to keep or to hand to an auditor: one file, nothing fetched, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pointsman.policy.matrix import Cell

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1c1c1c; background: #fff }
table { border-collapse: collapse } th, td { border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top }
th { background: #f2f2f2 } .none { color: #a00 } li { color: #a00 }
"""


def page(cells: Sequence[Cell], origin: str, wrong: Sequence[str]) -> str:
    """The whole page."""
    faults = "".join(f"<li>{escape(sentence)}</li>" for sentence in wrong)
    verdict = f"<ul>{faults}</ul>" if wrong else "<p>Every promise holds.</p>"
    rows = "".join(_row(cell) for cell in cells)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Policy matrix</title><style>{_STYLE}</style>"
        f"<h1>Policy matrix</h1><p>{escape(origin)}</p>{verdict}"
        "<table><tr><th>route<th>label<th>who<th>models that any call of such a request could reach</tr>"
        f"{rows}</table></html>\n"
    )


def _row(cell: Cell) -> str:
    models = escape(", ".join(cell.models)) or "<span class=none>no model</span>"
    return f"<tr><td>{escape(cell.route)}<td>{escape(cell.label)}<td>{escape(cell.who)}<td>{models}</tr>"
