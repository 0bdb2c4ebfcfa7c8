"""From one learner's predictions to its figures: on the queries as they are, and on each draw of the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import frontier, gains, pair
from pointsman.evals.choice import entropy_bits
from pointsman.evals.crossfit import Judged
from pointsman.evals.ranking import Matrix, Vector, best_first
from pointsman.evals.resample import Draws
from pointsman.evals.sweep import rates, sweep, taken

PARITY_POINTS = (0.0, 1.0)
BUDGET = 0.5
"""Share of the best single model's cost that a router is to keep within, for how far it exceeds a budget."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a learner's choices gave, query by query; a column for each setting of its knob, the last one always the cheapest model."""

    quality: Matrix
    cost_usd: Matrix
    single_quality: Matrix  #: the models by themselves
    single_cost_usd: Matrix
    best_quality: Vector  #: the model that was best in training
    best_cost_usd: Vector
    oracle_quality: Vector
    at_parity: Mapping[float, tuple[Vector, Vector]]  #: points below best single -> quality and cost with the knob set on the other folds
    gain: Vector | None  #: of a pair: strong minus weak, in the order of the learner's score
    order: NDArray[np.intp]
    in_budget: tuple[Vector, Vector, Vector] | None = None  #: quality, cost and budget with the knob set on the other folds to keep it
    priced: bool = True  #: whether costs are dollars: the share of a pair's queries on the stronger model has no figures but the pair's


def sample(outcomes: Outcomes, judged: Judged, seed: int, *, priced: bool = True) -> tuple[Sample, NDArray[np.intp]]:
    """A learner's choices at every setting of its knob, and what they gave. `outcomes` holds the judged queries only."""
    rows = np.arange(len(outcomes.queries))
    chosen = sweep(judged.predicted, rates(judged.predicted))
    cheapest = np.full((len(rows), 1), int(np.argmin(outcomes.cost_usd.mean(axis=0))))
    settings = np.concatenate((chosen, cheapest), axis=1)
    quality, cost = taken(outcomes.quality, settings), taken(outcomes.cost_usd, settings)
    best = outcomes.quality[rows, judged.best], outcomes.cost_usd[rows, judged.best]
    gain, order = _paired(outcomes, judged, seed)
    parity = {points: _set_elsewhere(quality, cost, outcomes, judged, points) for points in PARITY_POINTS}
    oracle = outcomes.quality.max(axis=1)
    within = _within_budget(quality, cost, outcomes, judged)
    return Sample(quality, cost, outcomes.quality, outcomes.cost_usd, *best, oracle, parity, gain, order, within, priced), chosen


def by_share(outcomes: Outcomes) -> tuple[Outcomes, str]:
    """A pair without costs with the share of queries on the stronger model in their place, and that model."""
    strong = weak_and_strong(outcomes)[1]
    cost = np.zeros_like(outcomes.quality)
    cost[:, strong] = 1.0
    return replace(outcomes, cost_usd=cost), outcomes.models[strong]


def weak_and_strong(outcomes: Outcomes) -> tuple[int, int]:
    """Of two models, the one of lower mean quality and the other."""
    weak, strong = np.argsort(outcomes.quality.mean(axis=0), kind="stable")
    return int(weak), int(strong)


def _paired(outcomes: Outcomes, judged: Judged, seed: int) -> tuple[Vector | None, NDArray[np.intp]]:
    if len(outcomes.models) != 2:
        return None, np.arange(0)
    weak, strong = weak_and_strong(outcomes)
    order = best_first(judged.predicted.quality[:, strong] - judged.predicted.quality[:, weak], seed)
    return (outcomes.quality[:, strong] - outcomes.quality[:, weak])[order], order


def _set_elsewhere(quality: Matrix, cost: Matrix, outcomes: Outcomes, judged: Judged, points: float) -> tuple[Vector, Vector]:
    """For each fold: the cheapest setting that kept the best single model's quality on the other folds, or that model itself."""
    kept_quality, kept_cost = np.full(len(quality), np.nan), np.full(len(quality), np.nan)
    for fold in np.unique(judged.fold):
        here, there = judged.fold == fold, judged.fold != fold
        if not there.any():
            continue
        best = judged.best[here][0]
        enough = quality[there].mean(axis=0) >= outcomes.quality[there, best].mean() - points / 100
        spent = np.where(enough, cost[there].mean(axis=0), np.inf)
        setting = int(np.argmin(spent))
        routes = spent[setting] < outcomes.cost_usd[there, best].mean()
        kept_quality[here] = quality[here, setting] if routes else outcomes.quality[here, best]
        kept_cost[here] = cost[here, setting] if routes else outcomes.cost_usd[here, best]
    return kept_quality, kept_cost


def _within_budget(quality: Matrix, cost: Matrix, outcomes: Outcomes, judged: Judged) -> tuple[Vector, Vector, Vector]:
    """For each fold: the best setting that spent at most the budget on the other folds, or the cheapest; what it gave, and the budget."""
    found = np.full((3, len(quality)), np.nan)
    for fold in np.unique(judged.fold):
        here, there = judged.fold == fold, judged.fold != fold
        if not there.any():
            continue
        budget = BUDGET * outcomes.cost_usd[there, judged.best[here][0]].mean()
        spent = cost[there].mean(axis=0)
        kept = np.where(spent <= budget, quality[there].mean(axis=0), -np.inf)
        setting = int(np.lexsort((spent, -kept))[0])
        found[:, here] = quality[here, setting], cost[here, setting], np.full(int(here.sum()), budget)
    return found[0], found[1], found[2]


def figures(of: Sample) -> dict[str, float]:
    """Every figure that has an interval, on the queries as they are."""
    return next(_figures(of, np.ones((1, len(of.quality)))))


def drawn(of: Sample, draws: Draws) -> dict[str, Vector]:
    """The same figures on every draw."""
    found = [one for weights in draws.chunks() for one in _figures(of, weights)]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def _figures(of: Sample, weights: Matrix) -> Iterator[dict[str, float]]:
    if of.priced:
        yield from _all_figures(of, weights)
    else:
        pairs = _pair_figures(of, weights)
        yield from ({name: float(values[at]) for name, values in pairs.items()} for at in range(len(weights)))


def _all_figures(of: Sample, weights: Matrix) -> Iterator[dict[str, float]]:
    total = weights.sum(axis=1, keepdims=True)
    quality, cost = weights @ of.quality / total, weights @ of.cost_usd / total
    single = weights @ of.single_quality / total, weights @ of.single_cost_usd / total
    fixed = (weights @ np.stack((of.best_quality, of.best_cost_usd, of.oracle_quality), axis=1)) / total
    parity = {p: weights @ np.stack(kept, axis=1) / total for p, kept in of.at_parity.items()}
    budget = None if of.in_budget is None else weights @ np.stack(of.in_budget, axis=1) / total
    pairs = _pair_figures(of, weights) if of.gain is not None else {}
    for at in range(len(weights)):
        found = _frontier_figures(quality[at], cost[at], single[0][at], single[1][at], *fixed[at])
        for points, kept in parity.items():
            found[f"kept_quality_{points:g}"] = float(kept[at, 0] - fixed[at, 0])
            found[f"kept_cost_{points:g}"] = float(kept[at, 1] / fixed[at, 1])
        if budget is not None:
            found["budget_quality"] = float(budget[at, 0] - fixed[at, 0])
            found["overspend"] = gains.overspend(float(budget[at, 1]), float(budget[at, 2]))
        yield {name: float(values[at]) for name, values in pairs.items()} | found


def _frontier_figures(
    quality: Vector, cost: Vector, single_quality: Vector, single_cost: Vector, best: float, best_cost: float, oracle: float
) -> dict[str, float]:
    low, high = float(single_cost.min()), float(single_cost.max())
    hull, zero = frontier.hull(cost, quality), frontier.hull(single_cost, single_quality)
    aiq = frontier.aiq_range(hull, low, high)
    # Whoever loses by routing may always take that model itself.
    fallback = frontier.hull(np.append(cost, best_cost), np.append(quality, best))
    return {
        "aiq": aiq,
        "aiq_over_zero": aiq - frontier.aiq_range(zero, low, high),
        "aiq_routerbench": frontier.aiq_routerbench(hull, high),
        "auc": frontier.cost_quality_auc(cost, quality, low, high),
        "quality": float(hull.quality[-1]),
        "quality_at_best_cost": hull.at(best_cost),
        "over_best": hull.at(best_cost) - best,
        "over_zero_at_best_cost": hull.at(best_cost) - zero.at(best_cost),
        "ogr": gains.ogr(float(hull.quality[-1]), best, oracle),
        "cp0": frontier.cost_at_parity(fallback, best_cost, best),
        "cp1": frontier.cost_at_parity(fallback, best_cost, best, 1.0),
        "qnc": frontier.qnc(hull, single_quality, single_cost),
        "perf_gain": gains.perf_gain(float(hull.quality[-1]), best),
        "cost_save": gains.cost_save(frontier.cost_at_parity(hull, best_cost, best)),
        "arena": max(gains.arena(q, 1000 * c) for q, c in zip(hull.quality, hull.cost, strict=True)),
    }


def _pair_figures(of: Sample, weights: Matrix) -> dict[str, Vector]:
    """PGR, APGR and CPT where query i counts weights[:, i] times; NaN where the strong model does not lead."""
    assert of.gain is not None
    ordered = weights[:, of.order]
    reached, total = np.cumsum(ordered * of.gain, axis=1), ordered.sum(axis=1, keepdims=True)
    lead = np.where(reached[:, -1:] > 0, reached[:, -1:], np.nan)
    share, pgr = np.cumsum(ordered, axis=1) / total, reached / lead
    area = (ordered * (pgr - ordered * of.gain / (2 * lead))).sum(axis=1) / total[:, 0]
    crossing = {f"cpt{x}": np.take_along_axis(share, np.argmax(pgr >= x / 100, axis=1)[:, None], axis=1)[:, 0] for x in (50, 80)}
    half = np.take_along_axis(pgr, np.argmax(share >= 0.5, axis=1)[:, None], axis=1)[:, 0]
    return {"apgr": area, "pgr50": half} | {name: np.where(np.isnan(lead[:, 0]), np.nan, values) for name, values in crossing.items()}


def plain_figures(outcomes: Outcomes, judged: Judged, chosen: NDArray[np.intp]) -> dict[str, float]:
    """Figures without an interval: RouteLLM's own reading of a pair, and what the choices at rate 0 look like."""
    found = {"entropy_bits": entropy_bits(chosen[:, 0], len(outcomes.models))}
    dearest = int(np.argmax(outcomes.cost_usd.mean(axis=0)))
    found["dearest_share"] = float(np.mean(chosen[:, 0] == dearest))
    if len(outcomes.models) == 2:
        weak, strong = weak_and_strong(outcomes)
        score = judged.predicted.quality[:, strong] - judged.predicted.quality[:, weak]
        curve = pair.routellm_curve(outcomes.quality[:, weak], outcomes.quality[:, strong], score)
        found["routellm_apgr"] = pair.routellm_apgr(curve) if curve.share[-1] > curve.share[0] else float("nan")
        found |= {f"routellm_cpt{x}": pair.routellm_cpt(curve, x / 100) for x in (50, 80)}
    return found
