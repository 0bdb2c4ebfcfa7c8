"""Asking the same thing in several forms, and keeping the answer the model was surest of.

A small model's answer depends on how it is asked more than on what is asked. `FORMS` are the four of eleven that, measured on questions
of their own (`benchmarks/local_arms.py` reports others), did best together under `score`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pointsman.upstream.local.answer import Answer, Token
from pointsman.upstream.local.request import Asked, Turned

CUT_OFF_PENALTY: Final = 0.3  # nats per token: an answer that did not come to its end says less about its quality


@dataclass(frozen=True, slots=True)
class Form:
    """A way to put a request."""

    name: str
    instruction: str = ""  #: added to the system message; if there is none, it becomes one
    instead: str = ""  #: the system message where there is none; the model's own advertises its maker
    twice: bool = False  #: whether the last question is asked twice over

    def __call__(self, messages: Sequence[Turned]) -> tuple[Turned, ...]:
        """The conversation in this form.

        >>> Form("brief", instruction="Be brief.")([Turned("user", "Why?")])
        (Turned(role='system', content='Be brief.'), Turned(role='user', content='Why?'))
        """
        turns = list(messages)
        if turns[0].role != "system":
            if system := self.instruction or self.instead:
                turns.insert(0, Turned("system", system))
        elif self.instruction:
            turns[0] = replace(turns[0], content=f"{turns[0].content}\n{self.instruction}")
        if self.twice and turns[-1].role == "user":
            turns[-1] = replace(turns[-1], content=f"{turns[-1].content}\n\n{turns[-1].content}")
        return tuple(turns)


FORMS: Final = (
    Form("plain", instead="You are a helpful assistant."),
    Form("brief", instruction="Answer the question briefly and correctly."),
    Form("careful", instruction="You are a careful assistant. Give only the answer, in as few words as possible."),
    Form("twice", instead="You are a helpful assistant.", twice=True),
)
"""In the order they are tried."""


def forms_for(asked: Asked, tries: int) -> tuple[Form, ...]:
    """The forms in which to put a request, at most `tries`.

    A single try is the plain form, which changes nothing but to fill in a missing system message. Several answers (`n`) were asked for to
    be different, so each is taken as it comes. Where JSON is wanted no form may ask for few words.
    """
    if asked.choices > 1:
        tries = 1
    return tuple(form for form in FORMS[:tries] if not (asked.constrained and form.instruction))


def score(answer: Answer) -> float:
    """How sure the model was of its answer: higher is surer, 0 is certain.

    The mean over the answer's tokens of the log-probability before sampling (so that length does not count), less 0.3 if it was cut off
    by the token limit. Nothing at all is the worst answer.

    >>> yes = Token("yes", -0.25, []), Token(".", -0.75, [])
    >>> from pointsman.upstream.local.answer import Piece
    >>> score(Answer((Piece("yes.", yes, "stop"),))), score(Answer((Piece("yes.", yes, "length"),))), score(Answer(()))
    (-0.5, -0.8, -inf)
    """
    tokens = answer.tokens
    if not answer.text.strip() or not tokens:
        return -math.inf
    mean = sum(_logprob(token) for token in tokens) / len(tokens)
    return mean - (CUT_OFF_PENALTY if answer.finish == "length" else 0.0)


def settled(answers: Sequence[Answer]) -> bool:
    """Whether the newest answer is whole and says what an earlier one said: a further try would not add much."""
    *earlier, last = answers
    return last.finish == "stop" and any(_words(answer.text) == _words(last.text) for answer in earlier)


def surest(answers: Iterable[tuple[Form, Answer]]) -> tuple[Form, Answer]:
    """The answer with the highest score; the first of equals."""
    return max(answers, key=lambda tried: score(tried[1]))


def _logprob(token: Token) -> float:
    return -9999.0 if token.logprob is None else token.logprob


def _words(text: str) -> Sequence[str]:
    return re.findall(r"\w+", text.casefold())
