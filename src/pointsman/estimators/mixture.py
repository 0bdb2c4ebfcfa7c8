"""What a fitted blend holds of the models that were asked often, and what it says of one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.estimators.bounds import Doubt
from pointsman.estimators.features import Reading, Scale
from pointsman.estimators.forest import Forest
from pointsman.estimators.heads import Heads
from pointsman.estimators.quantities import Quantities
from pointsman.estimators.stack import Verdict
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
    level = quality.mean(axis=-1, keepdims=True)
    return np.concatenate((quality - level, level), axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """How predictions are put together: a weight for heads, trees and table each, around the means of their predictions."""

    differ: tuple[float, ...]  #: for how models differ on a query
    level: tuple[float, ...]  #: for how good all are on it
    carried: float  #: how much of the first holds for a task that was not seen, 0 to 1
    centre: Matrix  #: mean predictions, one row a part
    mean: Vector  #: mean quality by model

    def combine(self, parts: Matrix, *, strange: bool = False) -> Vector:
        """Quality of each model, from one row of predictions a part. `strange`: of a task that was not seen."""
        around = parts - self.centre
        level = around.mean(axis=1, keepdims=True)
        return np.asarray(self.mean + self.level @ level + (self.carried if strange else 1.0) * (self.differ @ (around - level)))


@dataclass(frozen=True, slots=True, eq=False)
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

    def __post_init__(self) -> None:
        seen = len(self.scale.surface_mean) + min(self.scale.topics, self.scale.directions.shape[1]) + 2 * (len(self.weights.mean) + 1)
        if len(self.forest.feature) and not 0 <= int(self.forest.feature.min()) <= int(self.forest.feature.max()) < seen:
            raise ValueError("a tree looks at a feature that there is not")

    def expect(self, one: Reading) -> Expected:
        """Everything that is expected of one query."""
        near = self.heads.near(one, self.scale)
        found = self.heads.predict(one, self.scale, near).astype(np.float64)
        models = len(self.weights.mean)
        by_heads, by_table = found[:models], self.table.shrunk(one.task)[0]
        looked_at = np.concatenate((self.scale.dense(one), apart(by_heads), apart(by_table))).astype(np.float32)
        strange = bool(one.task and self.table.tasks) and one.task not in self.table.tasks
        quality = self.weights.combine(np.array((by_heads, self.forest.predict(looked_at), by_table)), strange=strange)
        return Expected(quality, found[models:], near.cosine, near.weight)
