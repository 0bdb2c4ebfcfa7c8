"""Whom to ask first, by what a right answer is worth: one model, or two cheap ones at once with a strong one behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pointsman.core.outlook import Heard, Opening, Turn
from pointsman.core.worth import Further, first_call, openers
from pointsman.estimators.duo import Duo, believed, leads, onward, pays, states_of

if TYPE_CHECKING:
    from pointsman.estimators.tabular import Vector

Then = Callable[[Sequence[Heard]], Turn | None]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Who is asked of some tasks, and what was learned of that."""

    tasks: tuple[str, ...]  #: empty: of every task
    first: str
    second: str  #: the first, where one is asked and its answer looked at
    strong: str
    duo: Duo
    cuts: Vector  #: of one that is looked at: the confidences between which its answer is in another state

    @property
    def asked(self) -> tuple[str, ...]:
        """Who is asked before the strong one."""
        return tuple(dict.fromkeys((self.first, self.second)))

    @property
    def models(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.asked, self.strong)

    def begin(self, task: str, offers: Sequence[Further], known: Mapping[str, Further], worth_usd: float) -> Opening:
        """The two at once where that promises more than the best of all models alone, which is then asked and believed.

        `known`: the offers by the names of this pair's models.
        """
        told = self.duo.expect([task], np.array([[known[model].quality for model in (self.first, self.second, self.strong)]]))
        single = max(offers, key=lambda one: one.quality * worth_usd - one.cost_usd)
        alone = np.array([single.quality * worth_usd - single.cost_usd])
        spent, last = np.array([sum(known[model].cost_usd for model in self.asked)]), np.array([known[self.strong].cost_usd])
        if not pays(told, alone, spent, last, worth_usd)[0]:
            return Opening((single.model,), _kept(single.model))
        right, strong = told.right[0], told.strong[0]
        further = onward(right, strong, last, worth_usd)
        asked, behind = tuple(known[model].model for model in self.asked), known[self.strong].model

        def then(heard: Sequence[Heard]) -> Turn | None:
            """`None` where others were asked as well, or not all of them answered."""
            place = {one.model: at for at, one in enumerate(heard)}
            if len(heard) != len(place) or set(place) - {behind} != set(asked):
                return None
            first, second = heard[place[asked[0]]], heard[place[asked[-1]]]
            state = self._state(first, second)
            if behind in place:
                return Turn(place[behind], float(strong[state]))
            best = first if leads(first.prior, second.prior) else second
            return Turn(place[best.model], float(right[state]), behind if further[state] else "")

        return Opening(asked, then)

    def _state(self, first: Heard, second: Heard) -> int:
        if len(self.asked) == 1:
            return int(believed(self.cuts, first.confidence))
        return int(states_of([first.comes_to], [second.comes_to])[0])


def _kept(model: str) -> Then:
    """The answer of this model is kept."""

    def then(heard: Sequence[Heard]) -> Turn | None:
        return Turn(0, heard[0].confidence) if [one.model for one in heard] == [model] else None

    return then


@dataclass(frozen=True, slots=True, eq=False)
class Openings:
    """What was learned of first calls."""

    models: tuple[str, ...] = ()
    discern: Vector = field(default_factory=lambda: np.zeros(0))  #: how well answers of each model are told right from wrong, 0 to 1
    pairs: tuple[Pair, ...] = ()

    def begin(self, task: str, offers: Sequence[Further], worth_usd: float, most: int, names: Mapping[str, str]) -> Opening | None:
        """Whom to ask first, in at most so many calls. `names`: what the models offered are called here; else as they are.

        `None`: nothing was learned, or nobody is offered.
        """
        if not self.models or not offers:
            return None
        offers = [Further(one.model, min(max(one.quality, 0.0), 1.0), max(one.cost_usd, 0.0)) for one in offers]
        known = {names.get(one.model, one.model): one for one in reversed(offers)}
        for pair in self.pairs:
            if (not pair.tasks or task in pair.tasks) and known.keys() >= set(pair.models) and most >= len(pair.models):
                return pair.begin(task, offers, known, worth_usd)
        told = dict(zip(self.models, self.discern.tolist(), strict=True))
        choices = openers(offers, [told.get(names.get(one.model, one.model), 0.0) for one in offers])
        return Opening((choices[first_call([further for _, further in choices], worth_usd)][1].model,))
