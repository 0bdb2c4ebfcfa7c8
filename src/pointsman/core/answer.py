"""A whole answer as plans look at it, and what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from pointsman.core.request import ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """The first choice of a whole answer, values of the user's in their place."""

    text: str = ""
    refusal: str = ""  #: where the model says in so many words that it refuses
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    logprobs: tuple[float, ...] = ()  #: natural logarithms of its tokens' probabilities; empty: not told

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.text.strip() or self.refusal or self.tool_calls)


@dataclass(frozen=True, slots=True)
class Grade:
    """What one check says of one answer, without words of it."""

    check: str
    value: float | None  #: 0, unfit, to 1, nothing against it; `None`: it has no opinion
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is thought of one answer."""

    confidence: float  #: 0 to 1: how likely it is right
    grades: tuple[Grade, ...] = ()
    learned: bool = False  #: the confidence is a probability, learned from outcomes


Judge = Callable[[str, Answer, tuple[Grade, ...]], Judged]
"""From a model, its answer and grades that took other calls (`agreement`, `verifier`) to what is thought of the answer."""

Confident = Callable[[str, str, float, tuple[Grade, ...], str, str], float]
"""From a model, a task class, what was expected of it, grades, the question and the answer to how likely the answer is right."""


class AnswerFacts(TypedDict):
    """What a condition may read of an answer."""

    text: str
    length: int
    refusal: str
    finish_reason: str
    empty: bool
    json: Any
    tool_calls: list[dict[str, Any]]


class AskedFacts(TypedDict):
    """What it may read of what was asked."""

    question: str
    system: str
    tools: list[str]
    response_format: str
    choices: int


class Facts(TypedDict):
    """What a condition over an answer may read."""

    answer: AnswerFacts
    asked: AskedFacts


FACTS: Mapping[str, frozenset[str]] = {
    "answer": frozenset(AnswerFacts.__annotations__),
    "asked": frozenset(AskedFacts.__annotations__),
}
"""Their names."""


def unlearned(prior: float, grades: Iterable[Grade]) -> float:
    """How likely an answer is right before anything was learned: the lowest grade; without any, what was expected of the model.

    >>> unlearned(0.7, [Grade("refusal", 1.0), Grade("arithmetic", 0.4), Grade("schema", None)]), unlearned(0.7, [])
    (0.4, 0.7)
    """
    return min((grade.value for grade in grades if grade.value is not None), default=min(max(prior, 0.0), 1.0))


Fate = Literal["accepted", "settled", "escalated", "outvoted", "to_review"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """One step of a plan that looks at answers, as the record tells it."""

    call: int  #: number of the call
    model: str
    fate: Fate
    confidence: float | None = None  #: `None`: it was not judged
    threshold: float | None = None  #: the confidence that was asked for; `None`: none was
    grades: tuple[Grade, ...] = ()
    votes: int = 0  #: of an ensemble: answers that say the same, itself included
    why: str = ""
    barred: str = ""  #: a check at 0 that none may fail, of the plan's or the route's


@dataclass(frozen=True, slots=True)
class Course:
    """How a plan that looks at answers went; of kind `course` in the log, and there before the client gets anything."""

    decision: str
    delivered: int | None  #: number of the call whose answer the client gets; `None`: of none
    steps: tuple[Weighed, ...]
