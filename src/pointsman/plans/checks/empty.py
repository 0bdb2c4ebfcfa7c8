"""Whether an answer says nothing."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import read

_SAYS = re.compile(r"\w")


def empty(answer: Answer, asked: Asked) -> Grade:
    """0: it says nothing, or marks only; 1: it says something, if only that it refuses. Never abstains.

    >>> empty(Answer(" ... "), Asked()).value, empty(Answer("7"), Asked()).value
    (0.0, 1.0)
    """
    if answer.empty:
        return Grade("empty", 0.0, "it is empty")
    if answer.refusal or answer.tool_calls or _SAYS.search(read(answer.text.strip())):
        return Grade("empty", 1.0)
    # A thumb is an answer, dots are none.
    return Grade("empty", 1.0) if any(ord(each) > 0x2190 for each in answer.text[:1_000]) else Grade("empty", 0.0, "it holds no word")
