"""Several answers to one question: how likely the best of them is right, and what a further model would do, once it is seen who agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.logistic import fit, share

if TYPE_CHECKING:
    from pointsman.estimators.tabular import Vector

_FIRM = 5.0  # answers' worth of belief in the weights without data
OF_ANSWER = 7  #: numbers about an answer among others, before those by model
_STANDS = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_FURTHER = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
FURTHER_SIZE = len(_FURTHER)  #: numbers about a model that was not asked


@dataclass(frozen=True, slots=True)
class Given:
    """One answer among several."""

    model: str
    confidence: float  #: how likely it is right by itself
    comes_to: str = ""  #: what it comes to, written so that answers that say the same are equal; empty: not known


@dataclass(frozen=True, slots=True)
class Unasked:
    """Some answers, and a model that was not asked."""

    given: tuple[Given, ...]
    expected: float  #: of that model, before any answer
    after: tuple[float, ...]  #: of that model, given each of the answers by itself


@dataclass(frozen=True, slots=True, eq=False)
class Accord:
    """Fitted weights. Without data, the most confident answer is as likely right as if it were alone."""

    models: tuple[str, ...]
    stands: Vector
    further: Vector

    @classmethod
    def unlearned(cls) -> Accord:
        """Before there are data."""
        return cls((), np.array(_STANDS), np.array(_FURTHER))

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        sets: Sequence[tuple[Given, ...]],
        right: Sequence[Sequence[float]],
        then: Sequence[tuple[Unasked, float]],
    ) -> Accord:
        """Learn from sets of answers with how right each was, and from further models with how right they were."""
        blank = cls(tuple(models), np.concatenate((_STANDS, np.zeros(2 * len(models)))), np.array(_FURTHER))
        rows = np.array([blank.standing(given, at) for given in sets for at in range(len(given))])
        stands = fit(rows, np.array([one for each in right for one in each]), blank.stands, _FIRM)
        half = cls(blank.models, stands, blank.further)
        onward = np.array([half.asking(asked, half.best(asked.given)[1]) for asked, _ in then])
        return cls(blank.models, stands, fit(onward, np.array([one for _, one in then]), blank.further, _FIRM))

    def best(self, given: Sequence[Given]) -> tuple[int, float]:
        """Which of the answers to deliver, and how likely it is right. There must be one.

        >>> at, confidence = Accord.unlearned().best((Given("a", 0.4, "7"), Given("b", 0.6, "8")))
        >>> at, round(confidence, 2)
        (1, 0.6)
        """
        if len(given) == 1:
            return 0, given[0].confidence
        likely = [self.stand(given, at) for at in range(len(given))]
        at = int(np.argmax(likely))
        # Of answers that come to the same, the best written: the one that would be believed by itself.
        alike = [place for place, one in enumerate(given) if place == at or (one.comes_to and one.comes_to == given[at].comes_to)]
        return max(alike, key=lambda place: given[place].confidence), likely[at]

    def stand(self, given: Sequence[Given], at: int) -> float:
        """How likely one of the answers is right."""
        return float(share(self.standing(given, at) @ self.stands))

    def quality(self, asked: Unasked, best: float) -> float:
        """Expected quality of the model that was not asked; `best`: how likely the best answer is right."""
        return float(share(self.asking(asked, best) @ self.further))

    def standing(self, given: Sequence[Given], at: int) -> Vector:
        """What is said for and against one of several answers, in numbers."""
        own, found = given[at], np.zeros(OF_ANSWER + 2 * len(self.models))
        others = [one for place, one in enumerate(given) if place != at and one.comes_to and own.comes_to]
        with_it = [one for one in others if one.comes_to == own.comes_to]
        against = [one for one in others if one.comes_to != own.comes_to]
        strongest, dissent = max(one.confidence for one in (own, *with_it)), [one.confidence for one in against]
        likely = sum(one.confidence for one in with_it)
        found[:OF_ANSWER] = (
            1.0,
            _log_odds(strongest),
            bool(with_it),
            likely,
            bool(against),
            sum(dissent),
            _log_odds(max(dissent, default=0.5)),
        )
        if others:
            for side, voices in enumerate(((own, *with_it), against)):
                found[
                    [OF_ANSWER + side * len(self.models) + self.models.index(one.model) for one in voices if one.model in self.models]
                ] = 1.0
        return found

    def asking(self, asked: Unasked, best: float) -> Vector:
        """What is known of a model that was not asked, in numbers."""
        told = {one.comes_to for one in asked.given if one.comes_to}
        after = sum(map(_log_odds, asked.after)) / len(asked.after)
        agreed = len(asked.given) > 1 and len(told) == 1
        return np.array([1.0, _log_odds(asked.expected), after, _log_odds(best), agreed, len(told) > 1], np.float64)


def _log_odds(share: float) -> float:
    within = min(max(share, 0.01), 0.99)
    return math.log(within / (1 - within))
