"""Budgets: who pays for a request, how much is used, and what that means for its decision. Amounts are whole picodollars, or tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from pointsman.core.budget_window import Window
from pointsman.core.prices import usd
from pointsman.core.score import Weights

Unit = Literal["usd", "tokens"]
Scope = Literal["all", "org", "team", "key", "route", "task", "workflow", "run"]
Does = Literal["nothing", "warn", "downgrade", "cheapest", "refuse"]
"""What a threshold does, from the mildest: tell the operator; weigh cost more and drop dear models; only the cheapest legal one; 429."""

LARGEST: Final = 2**62  #: picodollars (4.6 million USD) or tokens: what a store can add up exactly
OWN_ORG: Final = "default"  #: whose teams go by their bare names, those of others as `org/team`
_EVER: Final = Window()
_UNITS: Final = get_args(Unit)
_STRICTNESS: Final = {does: at for at, does in enumerate(get_args(Does))}


class Spend(NamedTuple):
    """What a call costs, or could cost at most. `None`: the price is unknown, which is not free."""

    picousd: int | None
    tokens: int

    def of(self, unit: Unit) -> int | None:
        """The amount that budgets of this unit count."""
        return self.picousd if unit == "usd" else self.tokens


class Threshold(NamedTuple):
    """From this share of the limit on, this is done."""

    share: float
    does: Does


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit. `subject` names the one that it is for; without a name everyone of that scope has one of his own.

    `hard`: never overspent, calls that might are refused. Else it only counts, and does what its thresholds say.
    Raises ValueError for limits and thresholds that are none.
    """

    name: str
    limit: int
    unit: Unit = "usd"
    scope: Scope = "all"
    subject: str | None = None
    window: Window = _EVER
    hard: bool = True
    thresholds: tuple[Threshold, ...] = ()
    label: str = field(init=False, compare=False, repr=False)  #: derived: the window's name
    place: int = field(init=False, compare=False, repr=False)  #: derived: of the subject among `Subjects`

    def __post_init__(self) -> None:
        if type(self.limit) is not int or not 0 <= self.limit <= LARGEST:
            raise ValueError(f"budget `{self.name}`: the limit must lie between 0 and {self.said(LARGEST)}, got {self.limit}")
        if self.unit not in _UNITS:
            raise ValueError(f"budget `{self.name}`: `{self.unit}` cannot be counted: use usd or tokens")
        if self.scope not in Subjects._fields or (self.scope == "all" and self.subject is not None):
            raise ValueError(f"budget `{self.name}`: scope `{self.scope}` has no subject `{self.subject}`")
        for share, does in self.thresholds:
            if not 0 <= share <= 1 or does not in _STRICTNESS:
                raise ValueError(f"budget `{self.name}`: at a share of {share} nothing can `{does}`")
        object.__setattr__(self, "label", str(self.window))
        object.__setattr__(self, "place", Subjects._fields.index(self.scope))

    def said(self, amount: int) -> str:
        """An amount in words.

        >>> Budget("b", 10).said(3_750_000_000), Budget("b", 10, unit="tokens").said(1500)
        ('0.00375 USD', '1,500 tokens')
        """
        return f"{amount:,} tokens" if self.unit == "tokens" else f"{usd(amount)} USD"

    def does(self, used: int) -> Does:
        """The strictest threshold that so much has reached; of a limit of zero, all of them."""
        reached = (does for share, does in self.thresholds if used >= share * self.limit)
        return max(reached, key=_STRICTNESS.__getitem__, default="nothing")


class Subjects(NamedTuple):
    """Whom a request belongs to. What is empty has no budget of its scope."""

    all: str = "all"
    org: str = ""
    team: str = ""
    key: str = ""
    route: str = ""
    task: str = ""
    workflow: str = ""
    run: str = ""


def team_subject(org: str, team: str) -> str:
    """What a team is called as a subject.

    >>> team_subject("acme", "red"), team_subject("default", "red"), team_subject("acme", "")
    ('acme/red', 'red', '')
    """
    return team if not team or org in ("", OWN_ORG) else f"{org}/{team}"


class Account(NamedTuple):
    """What a store knows a budget of one subject by. Another window is another account; another limit is not."""

    budget: str
    window: str
    subject: str


class Payer(NamedTuple):
    """A budget, and the account of it that a request is booked on."""

    budget: Budget
    account: Account

    @property
    def name(self) -> str:
        """As a person calls it."""
        scope = self.budget.scope
        return f"budget `{self.budget.name}`" + ("" if scope == "all" else f" of {scope} `{self.account.subject}`")


def payers(budgets: Iterable[Budget], subjects: Subjects) -> tuple[Payer, ...]:
    """Every account that a request of these subjects is booked on.

    >>> each = Budget("each key", 5, scope="key")
    >>> [payer.name for payer in payers([each, Budget("red", 9, scope="team", subject="red")], Subjects(key="k1", team="blue"))]
    ['budget `each key` of key `k1`']
    """
    return tuple(
        Payer(budget, Account(budget.name, budget.label, subject))
        for budget in budgets
        if (subject := subjects[budget.place]) and (budget.subject is None or budget.subject == subject)
    )


class Standing(NamedTuple):
    """How an account stands, as far as one worker knows."""

    payer: Payer
    used: int  #: spent, and held for calls that run


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the budgets of a request ask of its decision: part of its signals, and recorded with them.

    What is left is the least over its hard budgets; `None`: there are none in that unit.
    """

    does: Does = "nothing"
    budget: str = ""  #: which one is the strictest
    left_picousd: int | None = None
    left_tokens: int | None = None


def pressure(standings: Sequence[Standing]) -> Pressure:
    """The strictest of what these budgets ask."""
    does: Does = "nothing"
    named = ""
    left: dict[Unit, int] = {}
    for payer, used in standings:
        budget = payer.budget
        if _STRICTNESS[asked := budget.does(used)] > _STRICTNESS[does]:
            does, named = asked, payer.name
        if budget.hard:
            rest = max(0, budget.limit - used)
            left[budget.unit] = min(rest, left.get(budget.unit, rest))
    return Pressure(does, named, left.get("usd"), left.get("tokens"))


def frugal(weights: Weights) -> Weights:
    """The weights under `downgrade` and `cheapest`: half of what the other terms have goes to cost.

    >>> frugal(Weights(quality=0.6, cost=0.2, latency=0.2, security=0))
    Weights(quality=0.3, cost=0.6, latency=0.1, security=0.0, energy=0.0)
    """
    halves = (weights.quality, weights.latency, weights.security, weights.energy)
    quality, latency, security, energy = (round(weight / 2, 9) for weight in halves)
    return Weights(quality, round((weights.total + weights.cost) / 2, 9), latency, security, energy)


def thrifty(costs: Sequence[int | None], does: Does) -> list[int]:
    """Places of the candidates that are left: under `downgrade` none dearer than the median, under `cheapest` the cheapest alone.

    Unknown counts as dear, unless every cost is unknown.

    >>> thrifty([9, 1, 5, None], "downgrade"), thrifty([9, 1, 5, None], "cheapest"), thrifty([9, 1, 5, None], "warn")
    ([1, 2], [1], [0, 1, 2, 3])
    """
    known = sorted(cost for cost in costs if cost is not None)
    if does not in ("downgrade", "cheapest") or not known:
        return list(range(len(costs)))
    most = known[0] if does == "cheapest" else known[(len(known) - 1) // 2]
    return [at for at, cost in enumerate(costs) if cost is not None and cost <= most]


def too_dear(asked: Pressure, bound: Spend) -> str | None:
    """Why a call that could cost so much cannot be afforded: the sentence of a gate.

    >>> too_dear(Pressure(left_picousd=10**10), Spend(25 * 10**9, 100))
    'could cost 0.025 USD, 0.01 USD is left'
    """
    if asked.left_picousd is not None:
        if bound.picousd is None:
            return "its price is unknown, which a hard budget cannot cover"
        if bound.picousd > asked.left_picousd:
            return f"could cost {usd(bound.picousd)} USD, {usd(asked.left_picousd)} USD is left"
    if asked.left_tokens is not None and bound.tokens > asked.left_tokens:
        return f"could take {bound.tokens:,} tokens, {asked.left_tokens:,} are left"
    return None
