"""What a classifier makes of a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """A class, or none, and how sure that is."""

    label: str | None  #: `None`: it abstains
    confidence: float  #: calibrated probability of `best`, 0 to 1
    best: str  #: the most probable class, also where it abstains
    margin: float  #: how far beyond the point where it abstains; below 0 where it does
    runner_up: str | None = None  #: the next one
    why: str = ""  #: the example that is nearest, where there are examples
