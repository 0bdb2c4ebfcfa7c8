"""Ask each model in turn until one answers; a single call is a chain of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pointsman.core.fault import FINAL, NOT_CALLED, Fault
from pointsman.core.plan import Plan
from pointsman.plans.retry import Patience, retry
from pointsman.plans.steps import Call, Deliver, Fail, Reached, Steps

Ask = Callable[[str, bool, bool], Call]
"""The call of a model; whether anybody is left to ask, a person included; whether a model is."""


def fallback(plan: Plan, ask: Ask, patience: Patience, failures: list[Reached] | None = None) -> Steps:
    """Stops early where another model cannot help, and takes another way where the plan has one for the class of failure.

    `failures` are what has been before. If in the end none could be called, the first that is merely out of service is called all the same.
    """
    failures = [] if failures is None else failures
    seen = [failure.model for failure in failures]
    left = tuple(model for model in plan.models if model not in seen)
    for failure in sorted(failures, key=lambda failure: failure.fault in FINAL):  # what another cannot mend has the last word
        left = after(plan, failure.fault, left, seen)
    while left and not patience.spent(failures):
        model, left = left[0], left[1:]
        seen.append(model)
        others = bool(left) or plan.human
        reached = yield from retry(ask(model, others, bool(left)), patience, failures, others=others)
        if reached.ok:
            return Deliver(reached)
        left = after(plan, reached.fault, left, seen)
    if all(failure.fault in NOT_CALLED for failure in failures):
        # What has reached a limit of ours says when it can be asked again, and is not asked before.
        unwell = (failure.model for failure in failures if failure.fault == "unavailable" and failure.retry_after_s is None)
        for model in dict.fromkeys((*unwell, *plan.resort)):
            reached = yield from retry(replace(ask(model, plan.human, False), forced=True), patience, failures, others=False)
            if reached.ok:
                return Deliver(reached)
            if reached.fault not in NOT_CALLED:
                break
    return Fail(tuple(failures), human=plan.human and all(failure.fault != "malformed" for failure in failures))


def after(plan: Plan, fault: Fault | None, left: tuple[str, ...], seen: Sequence[str]) -> tuple[str, ...]:
    chain = None if fault is None else plan.chain(fault)
    if chain is not None:
        return tuple(model for model in chain if model not in seen)
    return () if fault in FINAL else left
