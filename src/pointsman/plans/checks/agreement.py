"""Whether other answers to the same question say the same."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.normal import final


def agreement(answer: Answer, others: Sequence[Answer]) -> Grade:
    """The share of other answers that come to the same. Abstains without others, and where it is not clear what the answer comes to.

    >>> agreement(Answer("The answer is 7."), (Answer("3 + 4 = 7"), Answer("8"))).value
    0.5
    """
    said = final(answer)
    told = [each for other in others if (each := final(other))]
    if not said or not told:
        return Grade("agreement", None, "there is nothing to compare")
    same = told.count(said)
    return Grade("agreement", same / len(told), f"{same} of {len(told)} other answers say the same")
