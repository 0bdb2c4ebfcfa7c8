"""From a decision's plan to a running one."""

from __future__ import annotations

from pointsman.core.answer import Judge
from pointsman.core.decision import Decision
from pointsman.core.plan import LOOKING, Execution
from pointsman.plans.cascade import cascade
from pointsman.plans.ensemble import ensemble
from pointsman.plans.fallback import fallback
from pointsman.plans.hedge import hedge
from pointsman.plans.looking import Ahead
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Call, Steps


def start(decision: Decision, execution: Execution, judge: Judge | None = None, outlook: Ahead | None = None) -> Steps:
    """The generator that carries the decision out. A decision without a plan cannot be started, nor can one that looks without a judge."""
    plan = decision.plan
    if plan is None:
        raise ValueError("no candidate survived: there is nothing to start")

    def ask(model: str, others: bool, models: bool) -> Call:
        clearance = decision.clear(model)
        return Call(clearance, execution.checks, execution.first_token_s, hurried=models) if others else Call(clearance)

    patience = Patience(execution, decision.seed)
    if plan.kind not in LOOKING:
        run = hedge if plan.kind == "hedge" else fallback
        return run(plan, ask, patience)
    if judge is None:
        raise ValueError(f"`{plan.kind}` looks at answers: it needs a judge")
    if plan.kind == "ensemble":
        return ensemble(decision, execution, ask, judge, patience)
    return cascade(decision, execution, ask, judge, patience, outlook)
