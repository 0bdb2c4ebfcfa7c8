"""How long a plan takes at the 95th percentile where no call fails.

What is asked in turn is added, of what is asked at once the slowest counts. The sum of percentiles is cautious: calls are seldom slow one
after the other. Not counted are the wait for a person, which is no time of models, and what a chain has beyond the plan's own models, which
is asked after failures or where no answer does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pointsman.core.plan import LOOKING, Execution, Plan
from pointsman.core.score import Estimate
from pointsman.core.votes import Voice, needed

_QUESTIONS = 2  # of a verifier or a judge, at once: one in each order


class Took(NamedTuple):
    """95th percentiles, of a call or of a plan."""

    first_token_ms: float
    whole_ms: float


CallTime = Callable[[str], Took]
Expected = Callable[[str], Estimate | None]
"""What is expected of a candidate that passed."""


def plan_p95(plan: Plan, execution: Execution, took: CallTime, expected: Expected) -> Took | None:
    """How long a plan takes until its first token, and until its answer is whole; `None` where no model is asked.

    A plan that looks at answers gives no token before one is accepted, but of a last tier with `stream_first`.

    >>> half_a_second = lambda model: Took(100.0, 500.0)
    >>> plan_p95(Plan("cascade", ("small", "large")), Execution(), half_a_second, lambda model: None)
    Took(first_token_ms=1000.0, whole_ms=1000.0)
    """
    if not plan.models:
        return None
    if plan.kind not in LOOKING:
        return took(plan.models[0])
    if plan.kind == "ensemble":
        whole_ms = _voting_ms(plan, execution, took, expected)
        return Took(whole_ms, whole_ms)
    return _in_turn(plan, execution, took, expected)


def _in_turn(plan: Plan, execution: Execution, took: CallTime, expected: Expected) -> Took:
    """Tier after tier, each answer with the verifier's word on it, as far as there are calls: what `plans.climbing` may come to."""
    cascade, room, waited_ms = execution.cascade, execution.most_calls, 0.0
    verifier = cascade.accept.verifier if cascade.accept.verifier in plan.helpers else None
    *tiers, last = plan.models[: max(1, room)]
    for tier in tiers:
        waited_ms, room = waited_ms + took(tier).whole_ms, room - 1
        if verifier is not None and room > _QUESTIONS:
            waited_ms, room = waited_ms + took(verifier).whole_ms, room - _QUESTIONS
    answered = took(last)
    if cascade.stream_first:
        return Took(waited_ms + answered.first_token_ms, waited_ms + answered.whole_ms)
    waited_ms += answered.whole_ms
    onward = _goes_on(plan, expected)
    if verifier is not None and (onward or plan.human) and room - 1 >= _QUESTIONS + onward:
        waited_ms += took(verifier).whole_ms
    return Took(waited_ms, waited_ms)


def _goes_on(plan: Plan, expected: Expected) -> bool:
    """Whether the chain has a model of which no less is expected than of any of the plan."""
    most = max(_quality(name, expected) for name in plan.models)
    return any(_quality(name, expected) >= most for name in plan.spares)


def _voting_ms(plan: Plan, execution: Execution, took: CallTime, expected: Expected) -> float:
    """A quorum at once, then at worst one voice after the other, or a judge's comparisons: what `plans.ensemble` may come to."""
    settings, room = execution.ensemble, execution.most_calls
    ballots = plan.models * settings.samples
    each_ms = [took(name).whole_ms for name in ballots]
    if settings.vote == "judge":
        asked = min(len(ballots), max(room - _QUESTIONS, 1))
        compared = min(asked - 1, (room - asked) // _QUESTIONS) if settings.judge in plan.helpers else 0
        judged_ms = 0.0 if settings.judge is None or compared < 1 else compared * took(settings.judge).whole_ms
        return max(each_ms[:asked]) + judged_ms
    weighed = settings.vote == "weighted"
    first = needed((), [Voice.expected(at, _quality(name, expected), weighed=weighed) for at, name in enumerate(ballots)], settings.agree)
    # One voice agrees with itself: without a check that bars its answer nobody is asked after it.
    later_ms = each_ms[first:room] if first > 1 or execution.cascade.accept.checks else []
    return max(each_ms[:first]) + sum(later_ms)


def _quality(name: str, expected: Expected) -> float:
    """0 of a model of which nothing is expected."""
    estimate = expected(name)
    return 0.0 if estimate is None else estimate.quality
