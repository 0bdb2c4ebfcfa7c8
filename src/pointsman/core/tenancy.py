"""Tenancy: org > team > key. What each may do, who stands above whom, and what a key may do when all three are put together.

A permission is the intersection of the three, a label floor their union. Nobody can give away more than he has: `excess` says what that
would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pointsman.core.labels import close


class Scope(NamedTuple):
    """A part of the tenancy: all of it, an org, or a team of an org.

    >>> Scope("acme").covers(Scope("acme", "ml")), Scope("acme", "ml").covers(Scope("acme"))
    (True, False)
    """

    org: str = ""
    team: str = ""

    def covers(self, other: Scope) -> bool:
        """Whether the other is this or lies within it."""
        return self.org in ("", other.org) and self.team in ("", other.team)

    def __str__(self) -> str:
        if not self.org:
            return "the gateway"
        return f"org `{self.org}`" if not self.team else f"team `{self.team}` of org `{self.org}`"


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a key, a team or an org may do. `None`: not restricted here."""

    routes: tuple[str, ...] | None = None  #: routes, and models by their own name, that `model` may say
    models: tuple[str, ...] | None = None  #: models that requests may reach
    labels: tuple[str, ...] = ()  #: every request carries at least these
    allowed_labels: tuple[str, ...] | None = None  #: a request that carries any other is refused
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


_LISTS = ("routes", "models", "allowed_labels")
_RATES = ("requests_per_minute", "tokens_per_minute")
RIGHTS = ("routes", "models", "labels", "allowed_labels", *_RATES)
"""Names of the fields of `Rights`."""


def excess(wanted: Rights, given: Rights) -> str | None:
    """What `wanted` has beyond `given`, as the name of a field; `None` if nothing.

    >>> excess(Rights(routes=("a",)), Rights()), excess(Rights(), Rights(routes=("a",)))
    (None, 'routes')
    """
    for name in _LISTS:
        allowed, asked = getattr(given, name), getattr(wanted, name)
        if name == "allowed_labels":
            allowed, asked = _closed(allowed), _closed(asked)
        if allowed is not None and (asked is None or not set(asked) <= set(allowed)):
            return name
    if not set(close(given.labels)) <= set(close(wanted.labels)):
        return "labels"
    for name in _RATES:
        most, asked = getattr(given, name), getattr(wanted, name)
        if most is not None and (asked is None or asked > most):
            return name
    return None


def together(parts: Sequence[Rights]) -> Rights:
    """What is left when all of them hold; rates, which each counts for itself, are the lowest.

    >>> together([Rights(routes=("a", "b"), labels=("pii",)), Rights(routes=("b", "c"), labels=("internal",))])
    Rights(routes=('b',), models=None, labels=('pii', 'internal'), allowed_labels=None, requests_per_minute=None, tokens_per_minute=None)
    """
    lowest = {name: min(found, default=None) for name in _RATES for found in [_stated(parts, name)]}
    return Rights(
        routes=_common([part.routes for part in parts]),
        models=_common([part.models for part in parts]),
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        allowed_labels=_common([_closed(part.allowed_labels) for part in parts]),
        **lowest,
    )


def _stated(parts: Sequence[Rights], name: str) -> list[int]:
    return [value for part in parts if (value := getattr(part, name)) is not None]


def _common(lists: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    stated = [names for names in lists if names is not None]
    if not stated:
        return None
    first, *others = stated
    return tuple(name for name in first if all(name in other for other in others))


def _closed(labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """With `confidential`, everything below it is allowed as well. A label that nobody defined allows itself alone."""
    if labels is None:
        return None
    implied = [found for label in labels for found in close((label,), frozenset({label}))]
    return tuple(dict.fromkeys((*labels, *implied)))


@dataclass(frozen=True, slots=True)
class Org(Rights):
    """A customer, a company, a department: nobody of one sees anything of another. Times are nanoseconds since the epoch."""

    id: str
    created_at_ns: int
    name: str = ""
    created_by: str = ""
    closed_at_ns: int | None = None  #: from then on no key of it opens anything
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """Where it stands."""
        return Scope(self.id)

    def closed(self, now_ns: int) -> Org:
        """The same from then on; again changes nothing."""
        return self if self.closed_at_ns is not None else replace(self, closed_at_ns=now_ns)


@dataclass(frozen=True, slots=True)
class Team(Rights):
    """A part of an org. Its id is unique within the org."""

    org: str
    id: str
    created_at_ns: int
    name: str = ""
    created_by: str = ""
    closed_at_ns: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """Where it stands."""
        return Scope(self.org, self.id)

    def closed(self, now_ns: int) -> Team:
        """The same from then on; again changes nothing."""
        return self if self.closed_at_ns is not None else replace(self, closed_at_ns=now_ns)
