"""From a decision's plan to a running one."""

from __future__ import annotations

from pointsman.core.decision import Decision
from pointsman.core.plan import Execution
from pointsman.plans.fallback import fallback
from pointsman.plans.hedge import hedge
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Call, Steps


def start(decision: Decision, execution: Execution) -> Steps:
    """The generator that carries the decision out. A decision without a plan cannot be started."""
    plan = decision.plan
    if plan is None:
        raise ValueError("no candidate survived: there is nothing to start")

    def ask(model: str, others: bool) -> Call:
        clearance = decision.clear(model)
        return Call(clearance, execution.checks, execution.first_token_s) if others else Call(clearance)

    run = hedge if plan.kind == "hedge" else fallback
    return run(plan, ask, Patience(execution, decision.seed))
