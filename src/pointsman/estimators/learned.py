"""What a learned estimator is: fitted on outcomes, it says what each model would give on queries that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pointsman.estimators.outcomes import Outcomes, Query

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What is expected of every model on every query: row i is query i, column m is `Outcomes.models[m]` of the fit.

    `quality` is the expected quality, and ranks: differences of it decide, so it is better left unclipped than tied at 0 or 1.
    `low` and `high` bound the expected quality (not the single outcome) with 90 % confidence, 5 % on each side.
    `evidence` is the number of labels that the figure rests on, 0 where there are none: a prior, not an estimate.
    `cost_usd` is dollars a request, `output_tokens` tokens, `latency_s` seconds; NaN where the learner knows nothing.
    """

    quality: Matrix
    low: Matrix
    high: Matrix
    evidence: Matrix
    cost_usd: Matrix
    output_tokens: Matrix
    latency_s: Matrix


class Fitted(Protocol):
    """A learner after its fit. Immutable; the same queries give the same figures, whatever else is asked in the same call."""

    def predict(self, queries: Sequence[Query]) -> Predicted:
        """Figures for queries. Reads `text`, `task` and `tools` of a query, never its `id`, `group` or `split`."""
        ...


class Learner(Protocol):
    """A way to learn from outcomes. Its fields are its settings; `name` is what reports and the registry call it."""

    @property
    def name(self) -> str:
        """The word under which it is chosen and reported."""
        ...

    def fit(self, outcomes: Outcomes, *, seed: int) -> Fitted:
        """Learn. Cells that are NaN were not recorded and say nothing; no rows at all is no error. Leaves `outcomes` as they were."""
        ...
