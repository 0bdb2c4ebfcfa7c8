"""Caps on premium models: of any so many requests in a row of one key, so many may go to them, whatever the requests say.

Routing reads words, and who writes them can choose them. This counts where requests went.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from pointsman.core.budget import team_subject
from pointsman.core.request import Caller
from pointsman.core.rule import PolicyScope

Per = Literal["key", "user", "team", "org"]
"""Whose requests count together."""

MOST_OVER: Final = 10_000  #: requests that one window may span: a bit each, for every key


def most_of(share: float, over: int) -> int:
    """How many of so many requests are no more than a share of them, as people reckon with decimals.

    >>> most_of(0.29, 100), most_of(0.4, 7), most_of(0.001, 200)
    (29, 2, 0)
    """
    return int(Decimal(str(share)) * over)


@dataclass(frozen=True, slots=True)
class PremiumCap:
    """Of any `over` routed requests in a row of one key, user, team or org, at most `most` go to any of `models`."""

    name: str
    models: tuple[str, ...]
    most: int
    over: int
    per: Per = "key"
    scope: PolicyScope | None = None  #: `None`: every route, whoever asks

    def subject(self, caller: Caller, user: str) -> str:
        """Who the request counts for, as a person calls it. Who has no team or org counts by the key.

        >>> cap = PremiumCap("dear", ("frontier",), 80, 200, per="team")
        >>> cap.subject(Caller("k1", team="red", org="acme"), ""), cap.subject(Caller("k1"), "")
        ('team `acme/red`', 'key `k1`')
        """
        if self.per == "user":
            return f"user `{user}`"
        if self.per == "team" and caller.team:
            return f"team `{team_subject(caller.org, caller.team)}`"
        return f"org `{caller.org}`" if self.per == "org" and caller.org else f"key `{caller.key}`"


@dataclass(frozen=True, slots=True)
class PremiumShare:
    """How a cap stands when a request comes: part of its signals, and recorded with them."""

    cap: str
    subject: str
    models: tuple[str, ...]  #: the premium ones
    used: int  #: of the `over` - 1 requests before this one, how many went to them, or still may
    most: int
    over: int

    @property
    def refusal(self) -> str | None:
        """Why this request may not go to them, as the sentence of a gate.

        >>> PremiumShare("dear", "key `k1`", ("frontier",), 80, 80, 200).refusal
        'cap `dear` lets 80 of 200 requests of key `k1` go to premium models, and 80 of the 199 before did or still may'
        """
        if self.used < self.most:
            return None
        return (
            f"cap `{self.cap}` lets {self.most:,} of {self.over:,} requests of {self.subject} go to premium models, "
            f"and {self.used:,} of the {self.over - 1:,} before did or still may"
        )


class Turns:
    """The last `over` requests of one subject, a bit each, the latest lowest: whether it went to a premium model, or still may."""

    __slots__ = ("_bits", "_over", "_seen")

    def __init__(self, over: int) -> None:
        self._over, self._bits, self._seen = over, 0, 0

    @property
    def used(self) -> int:
        """Of the `over` - 1 latest requests, how many went to premium models: with the next one they are `over`."""
        return self._bits.bit_count() - (self._bits >> (self._over - 1))

    def take(self, premium: bool) -> int:
        """Count a request; returns its number.

        >>> turns = Turns(3)
        >>> [(turns.take(premium), turns.used) for premium in (True, True, False, False)]
        [(1, 1), (2, 2), (3, 1), (4, 0)]
        """
        self._bits = (self._bits << 1 | premium) & ~(1 << self._over)
        self._seen += 1
        return self._seen

    def release(self, number: int) -> None:
        """The request of this number went to no premium model after all."""
        if (age := self._seen - number) < self._over:
            self._bits &= ~(1 << age)
