"""What a fitted blend holds of the models that were asked often, and what it says of one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.estimators.bounds import Doubt
from pointsman.estimators.features import Reading, Scale
from pointsman.estimators.forest import Forest
from pointsman.estimators.heads import Heads
from pointsman.estimators.quantities import Quantities
from pointsman.estimators.stack import Verdict
from pointsman.estimators.steady import Steady
from pointsman.estimators.table import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

    Floats = NDArray[np.float32]


class Expected(NamedTuple):
    """Of one query: what each model is expected to give, and how like the kept queries are."""

    quality: Vector
    scores: Vector  #: of cost, output tokens and latency, as `Quantities` reads them
    cosine: Floats
    likeness: Floats


def apart(quality: Matrix | Vector) -> Matrix | Vector:
    """How each model differs from the mean of all, and that mean: what trees see of other predictions."""
    level = np.add.reduce(quality, axis=-1, keepdims=True) / quality.shape[-1]
    return np.concatenate((quality - level, level), axis=-1)


@dataclass(frozen=True, eq=False)  # without slots, as below: what is the same for all queries is worked out once
class Weights:
    """How predictions are put together: a weight for heads, trees and table each, around the means of their predictions."""

    differ: tuple[float, ...]  #: for how models differ on a query
    level: tuple[float, ...]  #: for how good all are on it
    carried: float  #: how much of the first holds for a task that was not seen, 0 to 1
    centre: Matrix  #: mean predictions, one row a part
    mean: Vector  #: mean quality by model

    def combine(self, parts: Matrix, *, strange: bool = False) -> Vector:
        """Quality of each model, from one row of predictions a part. `strange`: of a task that was not seen."""
        differ, level = self._arrays
        around = parts - self.centre
        mean = np.add.reduce(around, axis=1) / around.shape[1]
        if strange:
            differ = self.carried * differ
        return np.asarray(differ @ around + ((level - differ) @ mean + self.mean))

    @cached_property
    def _arrays(self) -> tuple[Vector, Vector]:
        return np.array(self.differ), np.array(self.level)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Fitted heads, trees and table, their weights, and what follows for bounds."""

    scale: Scale
    heads: Heads
    forest: Forest
    table: Sums
    weights: Weights
    quantities: Quantities  #: cost, output tokens, latency
    doubt: Doubt
    verdict: Verdict
    steady: Steady

    def __post_init__(self) -> None:
        seen = len(self.scale.surface_mean) + min(self.scale.topics, self.scale.directions.shape[1]) + 2 * (len(self.weights.mean) + 1)
        if len(self.forest.feature) and not 0 <= int(self.forest.feature.min()) <= int(self.forest.feature.max()) < seen:
            raise ValueError("a tree looks at a feature that there is not")

    def expect(self, one: Reading) -> Expected:
        """Everything that is expected of one query."""
        seen = self.scale.see(one)
        near = self.heads.near(seen)
        found = self.heads.predict(seen, near).astype(np.float64)
        models = len(self.weights.mean)
        strange = bool(one.task and self.table.tasks) and one.task not in self._tabled
        by_heads, (by_table, told) = found[:models], self._tabled.get(one.task) or self._tabled[""]
        level = np.add.reduce(by_heads, keepdims=True) / models
        looked_at = np.concatenate((seen.dense, by_heads - level, level, told), dtype=np.float32, casting="same_kind")
        quality = self.weights.combine(np.array((by_heads, self.forest.predict(looked_at), by_table)), strange=strange)
        return Expected(quality, found[models:], near.cosine, near.weight)

    @cached_property
    def _tabled(self) -> Mapping[str, tuple[Vector, Vector]]:
        """What the table says of each task, and of no task, and the same apart."""
        rows = {task: self.table.shrunk(task)[0] for task in ("", *self.table.tasks)}
        return {task: (row, apart(row)) for task, row in rows.items()}
