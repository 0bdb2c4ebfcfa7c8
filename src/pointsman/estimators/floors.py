"""Quality floors with a stated risk: how far the dial may be turned to cheap so that the loss stays within a limit, with high confidence.

Learn then Test with a fixed sequence (Angelopoulos et al., arXiv 2110.01052): settings are tested from the safest on, each at the whole
risk, and the last one before the first failure is taken. The test is by betting against the loss being too high (Waudby-Smith and
Ramdas, JRSS-B 86, 2024, section 4): valid for any number of queries, and hardly weaker than a normal approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector


@dataclass(frozen=True, slots=True)
class Floor:
    """What may be promised."""

    setting: int | None  #: the boldest that passed; `None`: not even the first, so nothing may be promised
    limit: float
    risk: float
    queries: int

    @property
    def said(self) -> str:
        """In a sentence."""
        terms = f"a loss of at most {self.limit:g} at a risk of {self.risk:.0%}, from {self.queries:,} queries"
        return f"no setting can be promised {terms}" if self.setting is None else f"setting {self.setting} keeps {terms}"


def boldest(losses: Matrix, limit: float, risk: float = 0.1, seed: int = 0) -> Floor:
    """The last of the settings (columns, from safe to bold) of which it can be said that its mean loss is at most `limit`.

    `losses` are in [-1, 1], a row a query that neither the estimator nor the settings were fitted on. Queries must be exchangeable with
    those to come. Over draws of such queries the answer is wrong with probability at most `risk`.
    """
    shuffled = np.random.default_rng(seed).permutation(len(losses))
    passed = None
    for setting in range(losses.shape[1]):
        if not len(losses) or _p_value(losses[shuffled, setting], limit, risk) > risk:
            break
        passed = setting
    return Floor(passed, limit, risk, len(losses))


def _p_value(losses: Vector, limit: float, risk: float) -> float:
    """Of the hypothesis that the mean loss is above the limit."""
    scaled, bar = (losses + 1) / 2, (limit + 1) / 2
    n = np.arange(1, len(scaled) + 1)
    mean = (0.5 + np.cumsum(scaled)) / (n + 1)
    variance = (0.25 + np.cumsum((scaled - mean) ** 2)) / (n + 1)
    before = np.concatenate(([0.25], variance[:-1]))
    stake = np.minimum(np.sqrt(2 * np.log(1 / risk) / (len(scaled) * before)), 0.75 / (1 - bar))
    return float(min(1.0, np.exp(-np.cumsum(np.log1p(-stake * (scaled - bar))).max())))
