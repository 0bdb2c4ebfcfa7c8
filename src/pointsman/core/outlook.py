"""What was learned of answers: whom to ask first, what several tell together, how sure one may be, and what further models would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pointsman.core.answer import Grade
from pointsman.core.worth import Further


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


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from the answers of those who were asked first."""

    best: int  #: index of the answer to deliver
    confidence: float  #: how likely that one is right
    further: str = ""  #: whom to ask next; empty: nobody is worth the price


@dataclass(frozen=True, slots=True)
class Opening:
    """Whom to ask first."""

    asked: tuple[str, ...]  #: one model, or several at once
    then: Callable[[Sequence[Heard]], Turn | None] | None = None  #: what follows; `None`, or gives it: what `Outlook.together` says


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was learned, as plans ask for it."""

    together: Callable[[Sequence[Heard], Sequence[tuple[str, float]], str], Prospects]
    """From the answers so far, further models with the quality expected of each, and the question."""

    opening: Callable[[str, Sequence[Further], float, int], Opening | None]
    """From the task, the models that may be asked, what a right answer is worth in USD, and how many calls may be made.

    `None`: nothing was learned of that.
    """
