"""What is left to do where every candidate misses a quality floor or an SLA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from pointsman.core.gate import Ask, EstimateGate, Verdict
from pointsman.core.model import Model
from pointsman.core.plan import Plan
from pointsman.core.score import Estimate

OnNone = Literal["least_bad", "human", "refuse"]
"""From the least strict: the model that misses least answers, and the answer says so; a person is asked; nobody answers."""

SetAside = Mapping[str, tuple[Verdict, ...]]
"""By model: what refused it, and would still."""

_STRICTER = ("least_bad", "human", "refuse")


def on_none(*said: OnNone | None) -> OnNone:
    """The strictest of what was said; `refuse` where nothing was.

    >>> on_none(None, "least_bad", "human"), on_none(None)
    ('human', 'refuse')
    """
    return max((each for each in said if each is not None), key=_STRICTER.index, default="refuse")


class Unmet(NamedTuple):
    """What was done."""

    models: Sequence[Model] = ()  #: those that may answer all the same, the least bad first
    set_aside: SetAside = MappingProxyType({})
    review: Plan | None = None  #: where it is a person's turn

    def marked(self, plan: Plan | None) -> Plan | None:
        """The plan with flags, or a person's."""
        if plan is None:
            return self.review
        return replace(plan, flags=flags([verdict for name in plan.names for verdict in self.set_aside.get(name, ())]))


NOTHING = Unmet()


def answer_unmet(
    answer: OnNone,
    ask: Ask,
    models: Sequence[Model],
    out_of_service: Mapping[str, object],
    gates: Sequence[EstimateGate],
    refused: SetAside,
    estimates: Mapping[str, Estimate],
) -> Unmet:
    """Do as configured with the models that only gates with a `shortfall` refuse.

    Whoever any other gate refuses (policy, labels, capability) is not among them, whatever was configured.
    """
    shortfalls = {gate.name: gate.shortfall for gate in gates if gate.shortfall is not None}
    spared = [model for model in models if model.id in estimates and all(verdict.gate in shortfalls for verdict in refused[model.id])]
    if answer == "refuse" or not spared:
        return NOTHING
    if answer == "human":
        return Unmet(review=Plan("review", (), human=True, flags=flags([verdict for model in spared for verdict in refused[model.id]])))

    def badness(model: Model) -> tuple[bool, float, float, float, str]:
        """Those out of service last, then by what is missed: shortfalls of several gates add up."""
        estimate = estimates[model.id]
        cost = float("inf") if estimate.cost_picousd is None else estimate.cost_picousd
        short = sum(shortfalls[verdict.gate](ask, model, estimate) for verdict in refused[model.id])
        return model.id in out_of_service, round(short, 9), -estimate.quality, cost, model.id

    return Unmet(sorted(spared, key=badness), {model.id: refused[model.id] for model in spared})


def flags(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """What an answer in spite of these is marked with.

    >>> flags([Verdict("quality_floor", "policy", "too low")])
    ('quality_floor_missed',)
    """
    return tuple(sorted({f"{verdict.gate}_missed" for verdict in verdicts}))
