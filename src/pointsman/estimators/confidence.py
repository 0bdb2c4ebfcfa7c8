"""How likely an answer is right: what was expected of the model, what checks say, and what the answer looks like, weighed by outcomes.

```python
from pointsman.core.answer import Grade
from pointsman.estimators.confidence import UNLEARNED

assert UNLEARNED.predict("small", "sums", prior=0.6, grades=[Grade("refusal", 1.0), Grade("arithmetic", 0.4)], text="2 + 2 = 5") == 0.4
```

Trees look at the answers of all models together: what a doubtful answer looks like is much the same for all, and labels of one
model are few. A logistic curve makes shares of what they say, and is moved for a model and a task as far as these are shown to differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pointsman.core.answer import Grade, unlearned
from pointsman.estimators.accord import Accord
from pointsman.estimators.forest import Forest, Growth, grow
from pointsman.estimators.logistic import fit as logistic
from pointsman.estimators.logistic import odds, share
from pointsman.estimators.opening import Openings
from pointsman.estimators.said import SIZE, said

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pointsman.estimators.tabular import Vector

    Floats = NDArray[np.float32]
    Rows = NDArray[np.intp]

LEAST = 40  #: judged answers below which nothing is learned
_FIRM = 10.0  # answers' worth of belief that models and tasks are alike
OWN = 3  #: numbers beside those of the text and the checks
_PAIRS = 12_000  # of an answer and a further model that are learned from, at most

Reader = Callable[[str, str], "Floats"]
"""From question and answer to numbers: `said`, or one that remembers."""


@dataclass(frozen=True, slots=True)
class Example:
    """An answer that was judged."""

    model: str
    task: str
    prior: float  #: what was expected of the model on this question before it answered, by a fit that had not seen it
    right: float  #: 0 to 1
    text: str
    question: str = ""
    grades: tuple[Grade, ...] = ()
    group: str = ""  #: of near-duplicate questions
    further: tuple[Further, ...] = ()  #: other models asked the same


@dataclass(frozen=True, slots=True)
class Further:
    """Another model, asked the same."""

    model: str
    prior: float
    right: float


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """From what trees say, and what was expected, to a share: slopes, and where it crosses, by model and task."""

    slope: float
    trust: float  #: slope of what was expected
    offset: float
    models: tuple[str, ...]
    by_model: Vector
    tasks: tuple[str, ...]
    by_task: Vector

    def at(self, leaning: float, prior: float, model: str, task: str) -> float:
        """The share; an unknown model or task is like the mean of all."""
        moved = sum(float(values[names.index(name)]) for names, values, name in self._parts(model, task) if name in names)
        return float(share(self.slope * float(odds(leaning)) + self.trust * float(odds(prior)) + self.offset + moved))

    def many(self, leaning: Vector, prior: Vector, models: Sequence[str], tasks: Sequence[str]) -> Vector:
        """The same of many answers."""
        by_model, by_task = dict(zip(self.models, self.by_model, strict=True)), dict(zip(self.tasks, self.by_task, strict=True))
        moved = [by_model.get(model, 0.0) + by_task.get(task, 0.0) for model, task in zip(models, tasks, strict=True)]
        return share(self.slope * odds(leaning) + self.trust * odds(prior) + self.offset + np.array(moved))

    def _parts(self, model: str, task: str) -> tuple[tuple[tuple[str, ...], Vector, str], ...]:
        return (self.models, self.by_model, model), (self.tasks, self.by_task, task)


@dataclass(frozen=True, slots=True, eq=False)
class Confidence:
    """What was learned of answers. `UNLEARNED` before there are data."""

    checks: tuple[str, ...]  #: whose grades are looked at
    forest: Forest | None
    curve: Curve
    gains: Forest | None  #: how much better a further model does
    models: tuple[str, ...]
    means: Vector  #: quality of each model
    labels: int  #: answers that it was learned from
    accord: Accord = field(default_factory=Accord.unlearned)  #: of several answers
    openings: Openings = field(default_factory=Openings)  #: of first calls

    @property
    def learned(self) -> bool:
        """Whether there were enough data to learn from."""
        return self.forest is not None

    def predict(self, model: str, task: str, prior: float, grades: Sequence[Grade], text: str, question: str = "") -> float:
        """How likely the answer is right, 0 to 1.

        `prior`: what was expected before it was seen. Before anything was learned: as `unlearned` has it.
        """
        if self.forest is None:
            return unlearned(prior, grades)
        row = self._row(model, prior, grades, said(question, text))
        return self.curve.at(float(self.forest.predict(row)[0]), prior, model, task)

    def gain(
        self, model: str, prior: float, grades: Sequence[Grade], text: str, further: Sequence[tuple[str, float]], question: str = ""
    ) -> list[float]:
        """By how much each further model, with what is expected of it, is likely to do better than this answer; -1 to 1.

        Before anything was learned: the difference of what was expected.
        """
        if self.gains is None:
            return [expected - prior for _, expected in further]
        row = self._row(model, prior, grades, said(question, text))
        return [
            float(self.gains.predict(np.concatenate((row, beside(expected, prior, self.mean(other)))))[0]) for other, expected in further
        ]

    def rows(self, examples: Sequence[Example], read: Reader = said) -> Floats:
        """What the trees look at, an answer a row."""
        width = SIZE + OWN + 2 * len(self.checks)
        rows = [self._row(one.model, one.prior, one.grades, read(one.question, one.text)) for one in examples]
        return np.stack(rows) if rows else np.zeros((0, width), np.float32)

    def _row(self, model: str, prior: float, grades: Sequence[Grade], text: Floats) -> Floats:
        values = {grade.check: grade.value for grade in grades if grade.value is not None}
        told = [number for check in self.checks for number in (values.get(check, 0.5), float(check in values))]
        mean = self.mean(model)
        return np.concatenate((text, (float(odds(prior)), float(odds(mean)), prior - mean), told)).astype(np.float32)

    def mean(self, model: str) -> float:
        """Quality of a model on the whole; one half for one that was not seen."""
        return float(self.means[self.models.index(model)]) if model in self.models else 0.5


def beside(expected: ArrayLike, prior: ArrayLike, mean: ArrayLike) -> Floats:
    """What is looked at of a further model beside an answer; of many, a row each."""
    apart = np.asarray(expected, np.float64) - np.asarray(prior, np.float64)
    return np.stack((odds(expected), apart, np.full_like(apart, mean)), axis=-1).astype(np.float32)


UNLEARNED = Confidence((), None, Curve(1.0, 0.0, 0.0, (), np.zeros(0), (), np.zeros(0)), None, (), np.zeros(0), 0)
"""Before there are data."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was learned, and what it would have said of each example without its group."""

    confidence: Confidence
    unseen: Vector


@dataclass(frozen=True, slots=True)
class Settings:
    """How trees grow: over answers, and over pairs of an answer and a further model."""

    growth: Growth = field(default_factory=lambda: Growth(trees=60, leaf=8, features=0.3, rows=3_000, pull=5.0))
    gains: bool = True


def fit(examples: Sequence[Example], seed: int = 0, settings: Settings | None = None, read: Reader = said) -> Fit:
    """Learn. With few examples, or none, what is given back is `UNLEARNED`."""
    settings = settings or Settings()
    if len(examples) < LEAST:
        return Fit(UNLEARNED, np.array([UNLEARNED.predict(one.model, one.task, one.prior, one.grades, one.text) for one in examples]))
    right = np.array([one.right for one in examples], np.float32)
    models, means = _means([one.model for one in examples], right)
    checks = tuple(sorted({grade.check for one in examples for grade in one.grades}))
    blank = Confidence(checks, None, UNLEARNED.curve, None, models, means, len(examples))
    rows = blank.rows(examples, read)
    groups = _groups(examples)
    forest, leaning = grow(rows, right[:, None], groups, settings.growth, seed)
    curve, unseen = _curve(odds(leaning[:, 0]), right.astype(np.float64), examples)
    gains = _gains(blank, examples, rows, groups, settings.growth, seed) if settings.gains else None
    return Fit(Confidence(checks, forest, curve, gains, models, means, len(examples)), unseen)


def _means(names: Sequence[str], right: Floats) -> tuple[tuple[str, ...], Vector]:
    models = tuple(sorted(set(names)))
    place = np.array([models.index(name) for name in names])
    # Each drawn to one half as if by two further answers.
    return models, (np.bincount(place, right, len(models)) + 1) / (np.bincount(place, minlength=len(models)) + 2)


def _groups(examples: Sequence[Example]) -> Rows:
    names = np.array([one.group or f"\0{one.question}" for one in examples], dtype=object).astype(str)
    return np.asarray(np.unique(names, return_inverse=True)[1].reshape(-1))


def _curve(leaning: Vector, right: Vector, examples: Sequence[Example]) -> tuple[Curve, Vector]:
    features = np.stack((leaning, odds([one.prior for one in examples]), np.ones(len(leaning))), axis=1)
    weights = logistic(features, right, np.array([1.0, 0.0, 0.0]), 1.0)
    around, (slope, trust, offset) = features @ weights, weights
    models, by_model, around = _moved([one.model for one in examples], around, right)
    tasks, by_task, around = _moved([one.task for one in examples], around, right)
    return Curve(float(slope), float(trust), float(offset), models, by_model, tasks, by_task), share(around)


def _moved(names: Sequence[str], around: Vector, right: Vector) -> tuple[tuple[str, ...], Vector, Vector]:
    """How far the answers of each name are from the curve, drawn to it."""
    known = tuple(sorted({name for name in names if name}))
    there = np.array([[name == one for one in known] for name in names], np.float64).reshape(len(names), len(known))
    moved = logistic(there, right, np.zeros(len(known)), _FIRM, around)
    return known, moved, around + there @ moved


def _gains(blank: Confidence, examples: Sequence[Example], rows: Floats, groups: Rows, growth: Growth, seed: int) -> Forest | None:
    """Learned where the further model is the better one on the whole: nobody goes on to a worse one to do better."""
    pairs = [(at, other) for at, one in enumerate(examples) for other in one.further if blank.mean(other.model) > blank.mean(one.model)]
    if len(pairs) < LEAST:
        return None
    kept = np.sort(np.random.default_rng(seed).permutation(len(pairs))[:_PAIRS])
    chosen = [pairs[i] for i in kept]
    extra = np.stack([beside(other.prior, examples[at].prior, blank.mean(other.model)) for at, other in chosen])
    places = np.array([at for at, _ in chosen])
    lead = np.array([[other.right - examples[at].right] for at, other in chosen], np.float32)
    return grow(np.concatenate((rows[places], extra), axis=1), lead, groups[places], growth, seed)[0]
