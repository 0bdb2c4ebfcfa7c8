"""What a cascade would see of recorded answers: confidence in each, what each tells of the further models, and which of them agree.

Everything is learned on other groups of queries: the prompt-only blend, the confidence in answers, and how answers speak for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pointsman.core.answer import Answer, Grade
from pointsman.estimators import confidence, mixing
from pointsman.estimators.accord import Accord, Given, Unasked
from pointsman.estimators.blend import Blend
from pointsman.estimators.confidence import Confidence, Example, Fit, Further, Settings
from pointsman.estimators.said import said
from pointsman.evals.crossfit import fold_predictions
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.normal import comes_to
from pointsman.plans.checks.table import grades
from pointsman.signals.embedding import shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.intp]

    from pointsman.estimators.forest import Forest
    from pointsman.estimators.outcomes import Matrix, Outcomes, Query
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.folds import Fold

Look = Callable[["Query", str], tuple[Answer, tuple[Grade, ...]]]
"""A recorded text as an answer, and what checks say of it."""

CHECKED = ("refusal", "repetition", "language", "format", "arithmetic", "code", "self_report")
"""Checks that a recorded text is given to."""

_KEPT = 1 << 17  # texts whose numbers are remembered: every seed and fold asks for them again
_BELIEVED = 0.5  # of how well a model's answers seem to be told apart: the whole of it asks cheap models too often
_STATES = 6  # sets of answers by lot, of each query, that agreement is learned from
_MOST = 4  # answers in one
_CHUNK = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """What the prompt alone says: of the training queries by fits that had not seen them, of the judged ones, and their costs."""

    unseen: Matrix
    quality: Matrix
    cost_usd: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Of judged queries, one a row: what a cascade can know. Columns are models."""

    models: tuple[str, ...]
    prior: Matrix
    cost_usd: Matrix  #: predicted
    confidence: Matrix  #: in each answer by itself
    after: Matrix  #: query by model by further model: its expected quality once that answer is seen
    comes_to: tuple[tuple[str, ...], ...]  #: what each answer comes to
    accord: Accord
    discern: Vector  #: how well answers of each model are told right from wrong


def checked(query: Query, text: str) -> tuple[Answer, tuple[Grade, ...]]:
    """A recorded text as an answer, with the grades of checks that need nothing but the question."""
    return _checked(query.text, text)


@lru_cache(maxsize=_KEPT)
def _checked(question: str, text: str) -> tuple[Answer, tuple[Grade, ...]]:
    answer = Answer(text)
    return answer, grades(CHECKED, answer, Asked(question))


_read = lru_cache(maxsize=_KEPT)(said)


def priors(outcomes: Outcomes, fold: Fold, seed: int) -> Priors:
    """Fit the blend, once for the judged queries and once for what it would have said of the training queries without them."""
    learner = Blend(shipped())
    train = outcomes.rows(fold.train)
    told = fold_predictions(learner, outcomes, fold, seed)
    return Priors(mixing.fit(train, learner.embedder, learner.settings, seed).unseen, told.quality, told.cost_usd)


def examples(outcomes: Outcomes, prior: Matrix, look: Look = checked, *, further: bool = True) -> list[Example]:
    """Every recorded answer as an example, query by query and model by model. Answers must have been kept."""
    found = []
    for i, (query, answers) in enumerate(zip(outcomes.queries, outcomes.answers, strict=True)):
        others = [Further(model, float(prior[i, k]), float(outcomes.quality[i, k])) for k, model in enumerate(outcomes.models)]
        for m, model in enumerate(outcomes.models):
            text = answers[m] or ""
            said_of_it = look(query, text)[1]
            rest = tuple(one for one in others if one.model != model) if further else ()
            found.append(
                Example(
                    model,
                    query.task,
                    float(prior[i, m]),
                    float(outcomes.quality[i, m]),
                    text,
                    query.text,
                    said_of_it,
                    query.group or query.id,
                    rest,
                )
            )
    return found


def see(
    outcomes: Outcomes,
    fold: Fold,
    known: Priors,
    seed: int,
    settings: Settings | None = None,
    look: Look = checked,
) -> Sight:
    """Learn on the fold's training queries, look at the judged ones."""
    train, judged = outcomes.rows(fold.train), outcomes.rows(fold.judged)
    trained = examples(train, known.unseen, look)
    learned = confidence.fit(trained, seed, settings, _read)
    by_answer = learned.unseen.reshape(-1, len(outcomes.models))
    accord = _accord(train, known.unseen, by_answer, learned.confidence, trained, comings(train, look), seed)
    return shown_to(replace(learned.confidence, accord=accord), discernment(by_answer), judged, known.quality, known.cost_usd, look)


def shown_to(learned: Confidence, discern: Vector, judged: Outcomes, prior: Matrix, cost_usd: Matrix, look: Look = checked) -> Sight:
    """What is seen of recorded answers by what was learned elsewhere."""
    shown, models = examples(judged, prior, look), len(judged.models)
    sure = confident(learned, shown).reshape(-1, models)
    every = tuple(one.ravel() for one in np.indices((len(sure), models, models)))
    after = _after(learned, shown, sure, prior, every).reshape(-1, models, models)
    return Sight(judged.models, prior, cost_usd, sure, after, comings(judged, look), learned.accord, discern)


def discernment(unseen: Matrix) -> Vector:
    """How well answers of each model are told right from wrong, from what was said of them by what had not seen them."""
    spread = unseen.var(axis=0) / np.maximum(unseen.mean(axis=0) * (1 - unseen.mean(axis=0)), 1e-6)
    return np.asarray(_BELIEVED * np.sqrt(np.clip(spread, 0, 1)))


def glimpse(outcomes: Outcomes, fold: Fold, known: Priors, look: Look = checked, seed: int | None = None) -> tuple[Sight, Sight]:
    """Of training and judged queries: what was expected, and what answers come to; with a seed, confidence in each answer by itself too."""
    train, judged = outcomes.rows(fold.train), outcomes.rows(fold.judged)
    past, sight = looked_back(train, known.unseen, look), _expected(judged, known.quality, known.cost_usd, look)
    if seed is None:
        return past, sight
    learned = confidence.fit(examples(train, known.unseen, look, further=False), seed, Settings(gains=False), _read)
    sure = confident(learned.confidence, examples(judged, known.quality, look, further=False))
    own, found = (values.reshape(-1, len(outcomes.models)) for values in (learned.unseen, sure))
    return replace(past, confidence=own), replace(sight, confidence=found)


def looked_back(train: Outcomes, unseen: Matrix, look: Look = checked) -> Sight:
    """Of training queries: what was expected, what answers come to, and what they cost on the whole."""
    return _expected(train, unseen, _usual(train), look)


def _expected(outcomes: Outcomes, prior: Matrix, cost_usd: Matrix, look: Look) -> Sight:
    after = np.repeat(prior[:, None, :], len(outcomes.models), axis=1)
    blank = np.zeros(len(outcomes.models))
    return Sight(outcomes.models, prior, cost_usd, prior, after, comings(outcomes, look), Accord.unlearned(), blank)


def _usual(train: Outcomes) -> Matrix:
    """What each model's answers cost on the whole, by task."""
    tasks = np.array([query.task for query in train.queries], dtype=object)
    found = np.empty_like(train.cost_usd)
    for task in set(tasks.tolist()):
        found[tasks == task] = train.cost_usd[tasks == task].mean(axis=0)
    return found


def accord_of(outcomes: Outcomes, unseen: Matrix, fitted: Fit, shown: Sequence[Example], seed: int) -> Accord:
    """How the answers of whole outcomes speak for each other. `shown` are its `examples`, on which the confidence was fitted."""
    sure = fitted.unseen.reshape(len(outcomes.queries), -1)
    return _accord(outcomes, unseen, sure, fitted.confidence, shown, comings(outcomes), seed)


def comings(outcomes: Outcomes, look: Look = checked) -> tuple[tuple[str, ...], ...]:
    """What each recorded answer comes to."""
    rows = zip(outcomes.queries, outcomes.answers, strict=True)
    return tuple(tuple(comes_to(look(query, text or "")[0]) for text in row) for query, row in rows)


def confident(learned: Confidence, shown: Sequence[Example]) -> Vector:
    """Confidence in many answers at once."""
    if learned.forest is None:
        return np.array([learned.predict(one.model, one.task, one.prior, one.grades, one.text, one.question) for one in shown])
    leaning = _leaning(learned.forest, learned.rows(shown, _read))
    prior = np.array([one.prior for one in shown])
    return learned.curve.many(leaning, prior, [one.model for one in shown], [one.task for one in shown])


def _after(learned: Confidence, shown: Sequence[Example], sure: Matrix, prior: Matrix, at: tuple[Places, Places, Places]) -> Vector:
    """Expected quality of further models once an answer is seen: of which query, by whom the answer is, and the further model."""
    query, answered, further = at
    found = prior[query, further]
    if learned.gains is None:
        return found
    models = prior.shape[1]
    means = np.array([learned.mean(shown[m].model) for m in range(models)])
    better = np.flatnonzero(means[further] > means[answered])
    i, m, k = query[better], answered[better], further[better]
    beside = confidence.beside(prior[i, k], prior[i, m], means[k])
    lead = _leaning(learned.gains, np.concatenate((learned.rows(shown, _read)[i * models + m], beside), axis=1))
    found[better] = np.clip(sure[i, m] + lead, 0.0, 1.0)
    return found


def _leaning(forest: Forest, rows: NDArray[np.float32]) -> Vector:
    """What the trees say of many rows: their first output."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        places, at = np.arange(len(some))[:, None], np.tile(forest.roots, (len(some), 1))
        while True:
            below = forest.below[at]
            onward = below + ((below != at) & (some[places, forest.feature[at]] >= forest.threshold[at]))
            if np.array_equal(onward, at):
                break
            at = onward
        found[start : start + _CHUNK] = forest.value[:, 0][at].mean(axis=1)
    return found


def _accord(
    train: Outcomes,
    prior: Matrix,
    sure: Matrix,
    learned: Confidence,
    shown: Sequence[Example],
    told: Sequence[Sequence[str]],
    seed: int,
) -> Accord:
    """Learn from sets of answers by lot what it says for an answer that others agree, and of the models that were not asked."""
    chance, models = np.random.default_rng(seed), len(train.models)
    states = [(i, *_lot(chance, models)) for i in range(len(train.queries)) for _ in range(_STATES)]
    flat = np.array([(i, m, k) for i, picked, k in states for m in picked], np.intp).T
    after = iter(_after(learned, shown, sure, prior, (flat[0], flat[1], flat[2])).tolist())
    sets, right, then = [], [], []
    for i, picked, k in states:
        given = tuple(Given(train.models[m], float(sure[i, m]), told[i][m]) for m in picked)
        sets.append(given)
        right.append([float(train.quality[i, m]) for m in picked])
        then.append((Unasked(given, float(prior[i, k]), tuple(next(after) for _ in picked)), float(train.quality[i, k])))
    return Accord.of(train.models, sets, right, then)


def _lot(chance: np.random.Generator, models: int) -> tuple[list[int], int]:
    """Some models by lot, and one that is not among them."""
    picked = chance.permutation(models)[: 1 + int(chance.integers(min(_MOST, models - 1)))]
    return picked.tolist(), int(chance.choice(np.setdiff1d(np.arange(models), picked)))
