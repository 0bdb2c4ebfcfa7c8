"""Gates: hard rules that remove a candidate and say why. The gate functions themselves live in `pointsman.policy.gates`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pointsman.core.apis import Api
from pointsman.core.latency import Slas
from pointsman.core.model import Model
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.score import Estimate
from pointsman.core.signals import Signals
from pointsman.core.value import value

Kind = Literal["policy", "capability", "health", "budget"]
"""What a refusal means to the client: forbidden, unable, out of service for now, or more than is left to spend."""


class Verdict(NamedTuple):
    """One gate's "no" to one candidate."""

    gate: str
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Least:
    """What every candidate of a route has: a gate that this would pass has nothing to refuse."""

    context_tokens: int = 0
    apis: frozenset[Api] = frozenset()


_NOTHING = Least()


@value
class Ask:
    """What the gates judge a model against."""

    request: Request
    signals: Signals
    ruling: Ruling
    route: str
    quality_floor: float = 0.0
    refuse_unknown_price: bool = False
    least: Least = _NOTHING
    slas: Slas | None = None  #: the route's and the task class's; `None`: there are none


@dataclass(frozen=True, slots=True)
class Gate:
    """A named gate. `refuse` returns the reason as a sentence, or `None` to let the model pass.

    `applies` says, once a request, whether the gate has anything to say of it; most requests need no tools, no images and so on.
    """

    name: str
    kind: Kind
    refuse: Callable[[Ask, Model], str | None]
    applies: Callable[[Ask], bool] | None = None
    ruled: bool = False
    """It judges by what rules and policies require and forbid, and sees nothing else of `ask`: asked once for each such combination."""


@dataclass(frozen=True, slots=True)
class StandingGate:
    """A gate that depends on the model alone, judged when a snapshot is made."""

    name: str
    kind: Kind
    refuse: Callable[[Model], str | None]


@dataclass(frozen=True, slots=True)
class EstimateGate:
    """A gate that needs the estimate, judged after the others."""

    name: str
    kind: Kind
    refuse: Callable[[Ask, Model, Estimate], str | None]
    applies: Callable[[Ask], bool] | None = None
    shortfall: Callable[[Ask, Model, Estimate], float] | None = None
    """By how much it is missed, from 0 to 1: then `on_none` says what happens where every candidate misses it. `None`: never set aside."""


@dataclass(frozen=True, slots=True)
class Gates:
    """All gates, by the moment at which they can judge."""

    standing: tuple[StandingGate, ...] = ()
    request: tuple[Gate, ...] = ()
    estimate: tuple[EstimateGate, ...] = ()
