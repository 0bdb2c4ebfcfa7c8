"""What a router gains beside fixed choices: ratios of qualities and costs."""

from __future__ import annotations

import math

ARENA_LOW_USD, ARENA_HIGH_USD, ARENA_WEIGHT = 0.0044, 200.0, 0.1


def ogr(router: float, baseline: float, oracle: float) -> float:
    """Oracle gap recovered: which part of the way from a baseline to the oracle. The baseline is the best single model, or the zero router.

    >>> ogr(0.75, 0.5, 1.0)
    0.5
    """
    return (router - baseline) / (oracle - baseline) if oracle != baseline else math.nan


def perf_gain(highest_quality: float, best_single: float) -> float:
    """PerfGain: highest quality of any setting, relative to the best single model's (LLMRouterBench, arXiv 2601.07206)."""
    return highest_quality / best_single - 1


def cost_save(cost_at_parity: float) -> float:
    """CostSave: what the cheapest setting at the best single model's quality saves of its cost; minus infinity where none reaches it."""
    return 1 - cost_at_parity


def arena(accuracy: float, usd_per_1000: float) -> float:
    """RouterArena's score (arXiv 2510.00202): accuracy, and cost on a log scale from $0.0044 to $200 for 1,000 queries.

    >>> round(arena(0.7814, 0.30), 4)
    0.7614
    """
    cost = min(max(usd_per_1000, ARENA_LOW_USD), ARENA_HIGH_USD)
    cheapness = math.log2(ARENA_HIGH_USD / cost) / math.log2(ARENA_HIGH_USD / ARENA_LOW_USD)
    below = ARENA_WEIGHT * accuracy + cheapness
    return (1 + ARENA_WEIGHT) * accuracy * cheapness / below if below else 0.0


def overspend(spent_usd: float, budget_usd: float) -> float:
    """By which part of a budget it was exceeded; 0 where it was kept, NaN where one of the two is not known.

    >>> overspend(6.0, 5.0), overspend(4.0, 5.0)
    (0.19999999999999996, 0.0)
    """
    return max(spent_usd / budget_usd - 1, 0.0)
