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
        """Quality of each model, from predictions of each part, for one text or several. `strange`: of a task that was not seen."""
        both, offset = self._arrays[strange]
        differ, level = (both @ parts.reshape(both.shape[1], -1)).reshape(2, *parts.shape[1:])
        return np.asarray(differ + (np.add.reduce(level, axis=-1, keepdims=True) / level.shape[-1] + offset))

    @cached_property
    def _arrays(self) -> tuple[tuple[Matrix, Vector], ...]:
        """For tasks that were seen, and for others: weights of the parts and of their means over the models, and what is added to both."""
        differ, level = np.array(self.differ), np.array(self.level)
        both = [np.stack((own, level - own)) for own in (differ, self.carried * differ)]
        return tuple((one, self.mean - one[0] @ self.centre - (one[1] @ self.centre).mean()) for one in both)


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
        if len(self.heads.flat_weights) != self.scale.width:
            raise ValueError("the heads do not weigh what is read")
        models = len(self.weights.mean)
        if {len(self.steady.strong), len(self.doubt.logits), self.forest.value.shape[1]} != {models} or len(self.heads.offset) < models:
            raise ValueError("its parts differ in the number of models")

    def expect(self, one: Reading) -> Expected:
        """Everything that is expected of one query; its quality held to what is expected of its end, where that was read."""
        seen = self.scale.sight(one)
        near = self.heads.near(seen.directions)
        found = self.heads.predict(seen.flat, near).astype(np.float64)
        texts, models = len(found), len(self.weights.mean)
        strange = bool(one.task and self.table.tasks) and one.task not in self._tabled
        by_heads, (by_table, told) = found[:, :models], self._tabled.get(one.task) or self._tabled[""]
        level = np.add.reduce(by_heads, axis=1, keepdims=True) / models
        looked_at = np.concatenate((seen.dense, by_heads - level, level, told[:texts]), axis=1, dtype=np.float32, casting="same_kind")
        parts = np.array((by_heads, self.forest.predict(looked_at), by_table[:texts]), np.float64)
        quality = self.weights.combine(parts, strange=strange)
        held = quality[0] if texts == 1 else self.steady.held(*quality)
        return Expected(held, found[0, models:], near.cosine[:, 0], near.weight[:, 0])

    @cached_property
    def holds(self) -> bool:
        """Whether ends are to be read too."""
        return self.steady.holds

    @cached_property
    def _tabled(self) -> Mapping[str, tuple[Matrix, Matrix]]:
        """What the table says of each task, and of no task, and the same apart: the same row for a text and its end."""
        rows = {task: np.array([self.table.shrunk(task)[0]] * 2) for task in ("", *self.table.tasks)}
        return {task: (row, apart(row)) for task, row in rows.items()}
