"""Which of two answers a further model prefers: what it is asked, and how its reply is read. A plan calls it once for each order."""

from __future__ import annotations

import re
from typing import Literal

from pointsman.core.answer import Answer
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.asking import WARNING, fenced, seal, shown, task

Preference = Literal["first", "second", "tie"]

_LINE = re.compile(r"^[\s*_`#>\"']{0,8}better[\s*_`\"']{0,6}[:=][\s*_`\"']{0,6}(first|second|tie)[\s*_`.\"']{0,8}$", re.IGNORECASE)
_MOST_LINES = 2
_TASK = (
    "Below are a task and two answers to it. Work out which answer is correct and serves the one who asked better. "
    "Length and tone are no merit, neither is the order."
)
_REPLY = (
    "Give your reasons in a few sentences. Then end with one line and nothing after it: "
    "`better: first`, `better: second`, or `better: tie` where both are as good."
)
_WORTH: dict[Preference | None, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


def compare_question(asked: Asked, one: Answer, other: Answer) -> str:
    """What a judge is asked of two answers. Ask it again with the two exchanged: see `preferred`."""
    what, first, second = task(asked), shown(one), shown(other)
    mark = seal(what, first, second)
    return "\n\n".join(
        (
            f"{_TASK} {WARNING}",
            f"The task:\n{fenced('task', what, mark)}",
            f"The first answer:\n{fenced('first', first, mark)}",
            f"The second answer:\n{fenced('second', second, mark)}",
            _REPLY,
        )
    )


def preference(text: str) -> Preference | None:
    """Which one a judge's reply prefers, by its last lines; `None` where it does not say, or says two things.

    >>> preference("The second forgets the units.\\nbetter: first"), preference("Both are fine.")
    ('first', None)
    """
    said = {
        found[1].lower()
        for line in [line for line in text[-4_000:].split("\n") if line.strip()][-_MOST_LINES:]
        if (found := _LINE.match(line))
    }
    return next((each for each in _WORTH if said == {each}), None)


def preferred(straight: Preference | None, swapped: Preference | None) -> float | None:
    """How far `one` is preferred, 0 to 1, by the replies to `(one, other)` and `(other, one)`; `None` where neither says anything.

    A judge that prefers whatever stands first comes to a tie.

    >>> preferred("first", "second"), preferred("first", "first"), preferred(None, "second"), preferred(None, None)
    (1.0, 0.5, 1.0, None)
    """
    told = [] if straight is None else [_WORTH[straight]]
    told += [] if swapped is None else [1 - _WORTH[swapped]]
    return sum(told) / len(told) if told else None
