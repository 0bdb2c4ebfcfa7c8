"""From a decision's plan to a running one."""

from __future__ import annotations

from pointsman.core.decision import Decision
from pointsman.plans.fallback import fallback
from pointsman.plans.steps import Steps


def start(decision: Decision) -> Steps:
    """The generator that carries the decision out. A decision without a plan cannot be started."""
    if decision.plan is None:
        raise ValueError("no candidate survived: there is nothing to start")
    return fallback(decision.clear(model) for model in decision.plan.models)
