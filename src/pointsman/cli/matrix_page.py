"""The table of what could be reached, as a page to keep or to hand to an auditor: one file, nothing fetched, no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from pointsman.build.promises import Verdict
from pointsman.policy.matrix import Row

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1c1c1c; background: #fff }
table { border-collapse: collapse } th, td { border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top }
th { background: #f2f2f2 } .none { color: #a00 }
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was looked at, when and by what, and what was found."""

    origin: str
    at: str
    program: str
    snapshot: str
    labels: Sequence[str]
    policies: Sequence[Verdict]
    promises: Sequence[Verdict]
    tests: Sequence[Verdict]
    wrong: Sequence[str]
    remarks: Sequence[str]
    rows: Sequence[Row]


def page(found: Evidence) -> str:
    """The whole page."""
    made = (
        ("configuration", found.origin),
        ("snapshot", found.snapshot),
        ("checked", found.at),
        ("by", f"Pointsman {found.program}"),
        ("labels", ", ".join(found.labels)),
    )
    kept = "Every promise holds." if all(promise.ok for promise in found.promises) else ""
    parts = (
        _table(made),
        _list(found.wrong, "none"),
        "<h2>Promises</h2>",
        f"<p>{kept}</p>{_verdicts(found.promises)}" if found.promises else "<p>No promise is made.</p>",
        "<h2>Policies</h2>",
        _verdicts(found.policies) if found.policies else "<p>There is no policy.</p>",
        f"<h2>Policy tests</h2>{_verdicts(found.tests)}" if found.tests else "",
        f"<h2>Remarks</h2>{_list(found.remarks, 'remark')}" if found.remarks else "",
        "<h2>Reach</h2>",
        _table(map(cells, found.rows), HEADS),
    )
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Policy matrix</title><style>{_STYLE}</style><h1>Policy matrix</h1>"
    return f"{head}{''.join(parts)}</html>\n"


HEADS = ("route", "label", "who", "models that any call of such a request could reach")


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text."""
    return (*(", ".join(said) for said in row[:3]), ", ".join(row.models) or NO_MODEL)


NO_MODEL = "no model"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    return _table((verdict.name, "ok" if verdict.ok else _WRONG, "; ".join(verdict.said)) for verdict in verdicts)


_WRONG = "wrong"


def _table(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> str:
    head = f"<tr>{''.join(f'<th>{escape(name)}' for name in heads)}</tr>" if heads else ""
    body = (f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{head}{''.join(body)}</table>"


def _cell(text: str) -> str:
    return f"<td class=none>{text}" if text in (NO_MODEL, _WRONG) else f"<td>{escape(text)}"


def _list(sentences: Sequence[str], kind: str) -> str:
    return f"<ul class={kind}>{''.join(f'<li>{escape(sentence)}' for sentence in sentences)}</ul>" if sentences else ""
