"""Asking a further model about answers: whether one is right, and which of two is better."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks import comparison, verifier
from pointsman.plans.checks.asked import asked_of
from pointsman.plans.looking import Looking, Seen
from pointsman.plans.steps import All, Call, Reached, Sent, Step, Variation

UNDECIDED = 0.2
"""How far from the threshold a confidence may lie for a verifier's word to be worth its price: further away it would rarely change it."""


def verified(run: Looking, seen: Seen, spare: int) -> Generator[Step, Sent, Seen]:
    """The answer judged again with the verifier's grade, where there is a verifier and the confidence lies near the threshold.

    `spare`: calls to leave for what comes after.
    """
    accept = run.execution.cascade.accept
    if accept.verifier is None or seen.barred or abs(seen.judged.confidence - accept.confidence) > UNDECIDED:
        return seen
    asked = asked_of(run.decision.request)
    questions = [verifier.question(asked, seen.answer, swapped) for swapped in (False, True)]
    said = yield from _put(run, accept.verifier, questions, spare)
    grade = Grade("verifier", None, said) if isinstance(said, str) else verifier.verified(tuple(map(verifier.verdict, said)))
    return run.judged(seen.answer, seen.reached, grade)


def preferred(run: Looking, judge: str, answers: Sequence[Answer]) -> Generator[Step, Sent, tuple[int, str]]:
    """Index of the answer that the judge prefers, and why it is that one. It is asked in both orders, of each against the best so far.

    The answers come in the order of their votes: where it prefers none, or cannot be asked any more, the earlier one stands.
    """
    best, why = 0, f"the majority's: `{judge}` prefers no other"
    asked = asked_of(run.decision.request)
    for at in range(1, len(answers)):
        one, other = answers[best], answers[at]
        questions = [comparison.compare_question(asked, one, other), comparison.compare_question(asked, other, one)]
        said = yield from _put(run, judge, questions)
        if isinstance(said, str):
            return best, f"{why}; {said}"
        straight, swapped = map(comparison.preference, said)
        liking = comparison.preferred(straight, swapped)
        if straight is not None and swapped is not None and liking is not None and liking < 0.5:
            best, why = at, f"`{judge}` prefers it"
    return best, why


def _put(run: Looking, model: str, each: Sequence[str], spare: int = 0) -> Generator[Step, Sent, tuple[str, ...] | str]:
    """The replies to several questions at once; or why there are none."""
    if model not in run.plan.helpers:
        return f"`{model}` did not pass the gates, or there is no time for it"
    if run.room < len(each) + spare:
        return f"no call is left for `{model}`"
    clearance = run.decision.clear(model)
    reached = yield All(tuple(Call(clearance, whole=True, variation=Variation(question=question)) for question in each))
    assert isinstance(reached, tuple)
    run.made.extend(reached)
    return _replies(reached)


def _replies(reached: Sequence[Reached]) -> tuple[str, ...] | str:
    failed = next((found for found in reached if not found.ok), None)
    if failed is not None:
        return f"the call of `{failed.model}` failed: {failed.fault}"
    return tuple("" if found.answer is None else found.answer.text for found in reached)
