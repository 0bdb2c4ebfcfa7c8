"""Ask a second model when the first is slow, and take whichever begins first.

J. Dean, L. A. Barroso, "The Tail at Scale", 2013. Both calls are paid for as far as they come.
"""

from __future__ import annotations

from pointsman.core.plan import Plan
from pointsman.plans.fallback import Ask, fallback
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Deliver, First, Steps


def hedge(plan: Plan, ask: Ask, patience: Patience) -> Steps:
    """When none of the hedged models answers, the rest is a fallback chain."""
    execution = patience.execution
    hedged = plan.models[: execution.hedge_models]
    more = len(hedged) < len(plan.models)
    calls = tuple(ask(model, plan.human or model != plan.models[-1], more) for model in hedged)
    reached = yield First(calls, execution.hedge_after_s)
    assert isinstance(reached, tuple)
    for found in reached:
        if found.ok:
            return Deliver(found)
    return (yield from fallback(plan, ask, patience, list(reached)))
