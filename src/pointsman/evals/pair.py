"""Metrics of a pair of models, weak and strong: what share of the queries must go to the strong one for which part of its lead.

PGR, APGR and CPT are RouteLLM's (arXiv 2406.18665, section 4), here with a step for every query instead of ten;
`routellm_curve` and what follows it give the figures as its code does (`routellm/evals`), for comparison with published ones.
A score says how much a query needs the strong model: predicted quality of the strong minus that of the weak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointsman.evals.ranking import Vector, best_first


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Quality as `pgr`, 0 for all weak and 1 for all strong, at rising shares of queries on the strong model."""

    share: Vector
    pgr: Vector


def curve(weak: Vector, strong: Vector, score: Vector, seed: int) -> Curve:
    """PGR at 0, 1, ... n queries on the strong model, best score first. The two mean qualities must differ."""
    gain = (strong - weak)[best_first(score, seed)]
    reached = np.concatenate(([0.0], np.cumsum(gain)))
    return Curve(np.arange(len(gain) + 1) / len(gain), reached / reached[-1])


def apgr(of: Curve) -> float:
    """Average PGR over all shares: the area under the curve. 0.5 for a random order.

    >>> apgr(Curve(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0])))
    0.75
    """
    return float(np.trapezoid(of.pgr, of.share))


def cpt(of: Curve, x: float) -> float:
    """The smallest share on the strong model with PGR >= x, first crossing: CPT(50 %) is `cpt(of, 0.5)`."""
    return float(of.share[np.argmax(of.pgr >= x)])


def routellm_curve(weak: Vector, strong: Vector, score: Vector, steps: int = 10) -> Curve:
    """As RouteLLM's code cuts it: scores at their 10-quantiles, `>=` each but the last, `>` the last; tied scores go together."""
    *thresholds, last = np.quantile(score, np.arange(steps + 1) / steps)
    on_strong = [*(score >= threshold for threshold in thresholds), score > last]
    share = np.array([on.mean() for on in on_strong])
    quality = np.array([np.where(on, strong, weak).mean() for on in on_strong])
    order = np.argsort(share, kind="stable")
    return Curve(share[order], (quality[order] - weak.mean()) / (strong.mean() - weak.mean()))


def routellm_apgr(of: Curve) -> float:
    """APGR as RouteLLM's code has it: over the shares that occur, weak and strong being flat lines over the same shares."""
    return float(np.trapezoid(of.pgr, of.share) / (of.share[-1] - of.share[0]))


def routellm_cpt(of: Curve, x: float) -> float:
    """CPT as RouteLLM's code has it: share interpolated as a function of quality, which is only right where the curve rises throughout."""
    return float(np.interp(x, of.pgr, of.share))
