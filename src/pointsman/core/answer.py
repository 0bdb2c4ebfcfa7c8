"""A whole answer as plans look at it, and what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

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

FACTS: Mapping[str, frozenset[str]] = {
    "answer": frozenset({"text", "length", "refusal", "finish_reason", "empty", "json", "tool_calls"}),
    "asked": frozenset({"question", "system", "tools", "response_format", "choices"}),
}
"""What a condition over an answer may read."""

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


@dataclass(frozen=True, slots=True)
class Course:
    """How a plan that looks at answers went; of kind `course` in the log, and there before the client gets anything."""

    decision: str
    delivered: int | None  #: number of the call whose answer the client gets; `None`: of none
    steps: tuple[Weighed, ...]
