"""How sure the model was of its words, by its tokens' probabilities."""

from __future__ import annotations

import math

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked

_MOST = 10_000  # tokens, from the beginning
_LOW = 0.1  # the quantile


def logprobs(answer: Answer, asked: Asked) -> Grade:
    """The geometric mean of two probabilities: of a token on the average (exp of the mean logarithm), and of one at the lowest tenth.

    The mean alone hides the few tokens at which an answer turns. Abstains where the provider does not tell them.

    >>> logprobs(Answer("7", logprobs=(-0.1,) * 10), Asked()).value
    0.905
    """
    told = sorted(min(each, 0.0) for each in answer.logprobs[:_MOST] if not math.isnan(each))
    if not told:
        return Grade("logprobs", None, "the provider does not tell them")
    mean, low = sum(told) / len(told), told[int(_LOW * len(told))]
    reason = f"{math.exp(mean):.2f} on the average, {math.exp(low):.2f} at the lowest tenth"
    return Grade("logprobs", round(math.exp((mean + low) / 2), 3), reason)
