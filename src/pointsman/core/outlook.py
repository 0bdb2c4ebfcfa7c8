"""What several answers to one question tell together: which is best, how sure one may be of it, and what further models would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pointsman.core.answer import Grade


@dataclass(frozen=True, slots=True)
class Heard:
    """One of the answers so far."""

    model: str
    prior: float  #: quality that was expected of the model
    confidence: float  #: how likely the answer is right by itself
    text: str
    comes_to: str = ""  #: equal where answers say the same; empty: it cannot be said what it comes to
    grades: tuple[Grade, ...] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """What asking a further model promises; the figures of `worth.Further`."""

    quality: float
    settles: float = 1.0
    sure: float | None = None
    unsure: float = 0.0


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is thought of answers together."""

    best: int  #: index of the answer to deliver
    confidence: float  #: how likely that one is right
    further: tuple[Prospect, ...] = ()  #: of each further model


Outlook = Callable[[Sequence[Heard], Sequence[tuple[str, float]], str], Prospects]
"""From the answers so far, further models with the quality expected of each, and the question."""
