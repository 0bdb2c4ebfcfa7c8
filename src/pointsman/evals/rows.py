"""Rows of recorded outcomes, one a query and model, put together into a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import MATRICES, Outcomes, Query

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("query_id", "model", "quality", "prompt", "question", "task", "group_key", "split", "tools", *MATRICES[1:])
"""The columns that are read. Only the first four must be there; `response` is read where answers are asked for."""

Row = Mapping[str, object]


def assemble(rows: Iterable[Row], place: str, *, answers: bool = False, textless: bool = False) -> Outcomes:
    """A table of outcomes from rows with the columns `COLUMNS`; queries and models stand in the order of their names.

    With `textless`, rows need no prompt: an empty one is not known.

    Raises `ConfigError` for the first row that is not usable: where it is, why, and what to do.
    """
    queries: dict[str, Query] = {}
    cells: dict[tuple[str, str], Row] = {}
    for number, row in enumerate(rows, 1):
        query = _query(row, f"{place}: row {number}", textless=textless)
        model = _word(row, "model", f"{place}: row {number}")
        known = queries.setdefault(query.id, query)
        if known is not query and known != query:
            raise ConfigError(f"{place}: row {number}: query `{query.id}` has another text, task, group or split above: give it another id")
        if (query.id, model) in cells:
            raise ConfigError(f"{place}: row {number}: a second outcome of `{model}` on `{query.id}`: average them, or drop one")
        cells[query.id, model] = _numbers(row, f"{place}: row {number}") | ({"response": row.get("response")} if answers else {})
    if not cells:
        raise ConfigError(f"{place}: no rows: give one for each query and model")
    return _table(queries, cells, answers=answers)


def _table(queries: Mapping[str, Query], cells: Mapping[tuple[str, str], Row], *, answers: bool) -> Outcomes:
    ids, models = sorted(queries), sorted({model for _, model in cells})
    at, column = {name: i for i, name in enumerate(ids)}, {model: m for m, model in enumerate(models)}
    matrices = {name: np.full((len(ids), len(models)), np.nan) for name in MATRICES}
    texts: list[list[str | None]] = [[None] * len(models) for _ in ids] if answers else []
    for (query, model), cell in cells.items():
        for name, matrix in matrices.items():
            matrix[at[query], column[model]] = cell[name]
        if answers and isinstance(text := cell["response"], str):
            texts[at[query]][column[model]] = text
    return Outcomes(tuple(models), tuple(map(queries.__getitem__, ids)), answers=tuple(map(tuple, texts)), **matrices)


def _query(row: Row, place: str, *, textless: bool) -> Query:
    words = {name: str(row.get(column) or "") for name, column in (("task", "task"), ("group", "group_key"), ("split", "split"))}
    name = _word(row, "query_id", place)
    return Query(name, str(row.get("prompt") or "") if textless else _text(row, place), tools=str(row.get("tools") or ""), **words)


def _text(row: Row, place: str) -> str:
    """The prompt; where it holds worked examples before its question, from the question on."""
    prompt, question = _word(row, "prompt", place), row.get("question")
    return prompt[max(0, prompt.rfind(question)) :] if isinstance(question, str) and question else prompt


def _word(row: Row, column: str, place: str) -> str:
    word = row.get(column)
    if not isinstance(word, str) or not word:
        raise ConfigError(f"{place}: no `{column}`: every row needs one")
    return word


def _numbers(row: Row, place: str) -> dict[str, object]:
    return {name: _number(row.get(name), name, place) for name in MATRICES}


def _number(value: object, name: str, place: str) -> float:
    if value is None or value == "":
        return math.nan
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever is no number is refused below
    except (TypeError, ValueError):
        raise ConfigError(f"{place}: {name} `{value}` is not a number: leave it empty where it is unknown") from None
    if math.isinf(number) or number < 0 or (name == "quality" and number > 1):
        cure = "divide by the scale's maximum" if name == "quality" else "leave it empty where it is unknown"
        raise ConfigError(f"{place}: {name} `{value}` is outside 0 to {'1' if name == 'quality' else 'infinity'}: {cure}")
    return number


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A table without missing quality or cost, and what was left out for it."""

    outcomes: Outcomes
    models: tuple[str, ...]  #: dropped: recorded on too few queries
    queries: int  #: dropped: some cell missing


def whole(outcomes: Outcomes, *, drop: bool = False, present: float = 0.995, shares: bool = False) -> Whole:
    """The part of a table on which every model has quality and cost. A model recorded on less than `present` of the queries is left out,
    if two are left without it. With `shares`, a pair may do without costs, if none is recorded.

    Raises `ConfigError` where something is missing, unless `drop` says that it may be left out; and where no query has all.
    """
    there = np.isfinite(outcomes.quality) & (np.isfinite(outcomes.cost_usd) | (shares and is_unpriced_pair(outcomes)))
    if there.all():
        return Whole(outcomes, (), 0)
    if not drop and there.all(axis=1).any():
        i, m = np.argwhere(~there)[0]
        what = "quality" if np.isnan(outcomes.quality[i, m]) else "cost"
        where = f"{int((~there).sum()):,} of {there.size:,} cells are missing, the first: {what} of `{outcomes.models[m]}`"
        raise ConfigError(f"{where} on `{outcomes.queries[i].id}`: complete them, choose a pool, or drop them with --drop-incomplete")
    share = there.mean(axis=0)
    columns = np.flatnonzero(share >= present)
    if len(columns) < 2:
        columns = np.flatnonzero(share > 0)
    rows = np.flatnonzero(there[:, columns].all(axis=1))
    if not drop or len(columns) < 2 or not len(rows):
        raise ConfigError(_sparse(outcomes, there))
    kept = outcomes.pool([outcomes.models[m] for m in columns]).rows(rows)
    return Whole(kept, tuple(model for model in outcomes.models if model not in kept.models), len(outcomes.queries) - len(rows))


def is_unpriced_pair(outcomes: Outcomes) -> bool:
    """Whether these are two models without any cost: then the share of queries on the stronger one stands for it."""
    return len(outcomes.models) == 2 and bool(np.isnan(outcomes.cost_usd).all())


def _sparse(outcomes: Outcomes, there: NDArray[np.bool_]) -> str:
    """What a table can support in which no query has an answer of every model, as of a log that has one answer a request."""
    judged = np.isfinite(outcomes.quality)
    answers, queries = int(judged.sum()), int(judged.any(axis=1).sum())
    most, costless = int(judged.sum(axis=1).max(initial=0)), int((judged & ~there).sum())
    counts = f"{answers:,} answers to {queries:,} of {len(judged):,} queries have a quality, at most {most} a query"
    counts += f", {costless:,} of them no cost" if costless else ""
    lacking = f"no query has an answer of each of the {len(outcomes.models)} models with its quality and cost: {counts}"
    cannot = "routers and dials cannot be judged on that, for nobody knows what another model would have answered"
    can = "`pointsman train quality` learns from it, and `pointsman train confidence` where the answers are kept"
    label = "have people judge more answers where several models are asked (a route's `review.sample`, `pointsman review`)"
    return f"{lacking}: {cannot}; {can}: to judge, {label}, name models with --pool, or record what each gives on the same queries"


def assume_cost(outcomes: Outcomes, prices: Mapping[str, tuple[float, float]], output_tokens: float) -> Outcomes:
    """Fill missing costs: recorded input tokens, and `output_tokens` where no others were recorded, times (input, output) USD a token."""
    unpriced = [model for model in outcomes.models if model not in prices]
    if unpriced:
        raise ConfigError(f"no price for {', '.join(f'`{model}`' for model in unpriced)}: leave them out of the pool")
    rates = np.array([prices[model] for model in outcomes.models])
    tokens = np.where(np.isnan(outcomes.output_tokens), output_tokens, outcomes.output_tokens)
    assumed = outcomes.input_tokens * rates[:, 0] + tokens * rates[:, 1]
    return replace(outcomes, cost_usd=np.where(np.isnan(outcomes.cost_usd), assumed, outcomes.cost_usd))
