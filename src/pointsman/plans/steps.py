"""The words plans are written in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pointsman.core.clearance import Clearance


@dataclass(frozen=True, slots=True)
class Call:
    """Ask one model. Carries the clearance without which nothing goes out."""

    clearance: Clearance

    @property
    def model(self) -> str:
        """The model to ask."""
        return self.clearance.model


@dataclass(frozen=True, slots=True)
class Reached:
    """What came back from a call, as far as a plan needs to know.

    `ok`: the first content is there and may be delivered. Otherwise `try_another` says whether a different model may help.
    """

    model: str
    ok: bool
    try_another: bool = False


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give the client this call's answer. From here on no other model is asked."""

    reached: Reached


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the client an error; the failures are in the order of the calls."""

    failures: tuple[Reached, ...]


Steps = Generator[Call, Reached, Deliver | Fail]
"""A running plan: yields calls, is sent what came back, returns what to do with it."""
