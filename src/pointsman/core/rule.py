"""Rules and policies as values: a condition, and what follows when it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pointsman.core.request import Caller
from pointsman.core.score import Weights
from pointsman.core.value import value

Facts = Mapping[str, object]
"""What a condition may read: `request`, `signals`, `labels`, `tokens`, `task`, `key`, `metadata`."""

PlanKind = Literal["single", "fallback", "hedge", "escalate", "cascade", "ensemble"]


class Condition(Protocol):
    """A compiled boolean expression over `Facts`."""

    @property
    def source(self) -> str:
        """The expression as the user wrote it."""

    def __call__(self, facts: Facts) -> bool:
        """Whether it holds. Raises `ConditionError` when it cannot be evaluated; callers then take the stricter answer."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """Attributes of models. `None`: not asked about.

    As `require`: every field given must hold, with one of its values (`tags`: all of them). As `forbid`: a model with any of the values is
    refused.
    """

    perimeter: tuple[str, ...] | None = None
    region: tuple[str, ...] | None = None
    provider: tuple[str, ...] | None = None
    model: tuple[str, ...] | None = None
    approved: bool | None = None  #: `True`: only approved models; no other value means anything
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """To whose requests a policy applies, and on which routes. `None`: to all; what is given must all fit."""

    routes: tuple[str, ...] | None = None
    orgs: tuple[str, ...] | None = None
    teams: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None

    def covers(self, route: str, caller: Caller) -> bool:
        """Whether requests of this caller on this route are among them.

        >>> PolicyScope(teams=("clinic",)).covers("auto", Caller("k", team="clinic"))
        True
        """
        return (
            (self.routes is None or route in self.routes)
            and (self.orgs is None or caller.org in self.orgs)
            and (self.teams is None or caller.team in self.teams)
            and (self.keys is None or caller.key in self.keys)
        )


Fail = Literal["closed", "open"]
"""What a condition that cannot be evaluated counts as: `closed`, as holding; `open`, as not holding."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A hard rule for every call: where `when` holds, `require` must, and nothing may match `forbid`."""

    name: str
    when: Condition | None = None  #: `None`: always
    require: Requirement | None = None
    forbid: Requirement | None = None
    scope: PolicyScope | None = None  #: `None`: every request
    fail: Fail = "closed"


@dataclass(frozen=True, slots=True)
class Effects:
    """What a rule does when it matches."""

    task: str | None = None
    labels: tuple[str, ...] = ()
    require: Requirement | None = None
    exclude: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    plan: PlanKind | None = None
    weights: Weights | None = None
    quality_floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route."""

    name: str
    when: Condition
    effects: Effects


@value
class Ruling:
    """What the rules and policies said of one request; all that the later stages need to know of them."""

    task: str
    labels: tuple[str, ...]  #: effective: key floor, route, declared, detected and rules together, closed
    matched: tuple[str, ...] = ()  #: names of the rules that matched
    policies: tuple[str, ...] = ()  #: names of the policies that apply
    errors: tuple[str, ...] = ()  #: conditions that failed; their restrictions were applied
    requirements: tuple[tuple[str, Requirement], ...] = ()  #: (policy or rule, what it requires)
    prohibitions: tuple[tuple[str, Requirement], ...] = ()  #: (policy, what it forbids)
    exclude: tuple[tuple[str, str], ...] = ()  #: (model, rule)
    prefer: tuple[str, ...] = ()
    plan: PlanKind | None = None
    weights: Weights | None = None
    quality_floor: float = 0.0  #: the highest that a matching rule gives
