"""Ask a cheap model, look at its answer, and go on to a dearer one where it does not do: `escalate` with two tiers, `cascade` with any.

With `Cascade.worth_usd` it is cascade routing: after each answer the further call that gains most over its price is made, if any does. What
was learned of answers says as well whom to ask first: the first tier, a stronger one at once, or two abreast.
Dekoninck, Baader, Vechev 2024, "A Unified Approach to Routing and Cascading for LLMs" (arXiv 2410.10347).
"""

from __future__ import annotations

from dataclasses import replace

from pointsman.core.answer import Judge
from pointsman.core.decision import Decision
from pointsman.core.outlook import Opening
from pointsman.core.plan import Execution
from pointsman.core.prices import PICO
from pointsman.core.worth import Further, moved, next_call, undominated
from pointsman.plans.climbing import climb
from pointsman.plans.fallback import Ask
from pointsman.plans.looking import Ahead, Looking, Seen
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Deliver, Steps

_NOT_WORTH = "no further call is worth its price"


def cascade(decision: Decision, execution: Execution, ask: Ask, judge: Judge, patience: Patience, outlook: Ahead | None = None) -> Steps:
    """Deliver the first answer that does; else the chain's stronger models are asked, then a person, or the likeliest answer is delivered.

    Where no tier answers, the plan's spares are asked in turn. Nothing reaches the client before it has been looked at but the answer of
    the last tier, which may be streamed where nobody else could answer after it.
    """
    run = Looking(decision, execution, ask, judge, patience, outlook)
    run.opened = _opened(run)
    worth_usd, stopped = execution.cascade.worth_usd, ""

    def further(left: tuple[str, ...]) -> tuple[str, ...]:
        """Whom to ask next, and whom after that; nobody where the best answer so far does."""
        nonlocal stopped
        if worth_usd is None:
            return () if run.standing()[0].does else left or run.beyond
        best, onward = _worthwhile(run, left, worth_usd)
        onward = onward or (() if best.does else run.beyond)
        stopped = _NOT_WORTH if left and not onward else ""
        return onward

    first = () if run.opened is None else run.opened.asked
    models = (*first, *(model for model in run.plan.models if model not in first))
    ended = yield from climb(run, models, _threshold(run), further, len(first))
    if isinstance(ended, Deliver):
        return ended
    if not run.seen:
        return (yield from run.spares())
    best, _ = run.standing()
    why = stopped if ended is None else f"the call of `{ended.model}` failed: {ended.fault}"
    if best.why:  # who was asked at once, and what they came to
        why = f"{best.why}: {why}" if why else best.why if best.does else f"{best.why}: {run.why_no_more()}"
    return run.ended(best, does=best.does, why=why, alike=run.share(best))


def _opened(run: Looking) -> Opening | None:
    """How to begin where that was learned; `None`: with the first tier."""
    worth_usd = run.execution.cascade.worth_usd
    if worth_usd is None or run.outlook is None or run.plan.kind != "cascade":
        return None
    return run.outlook.opening(_priced(run, run.plan.models), worth_usd, run.room)


def _worthwhile(run: Looking, left: tuple[str, ...], worth_usd: float) -> tuple[Seen, tuple[str, ...]]:
    """The best answer so far, and the model that gains most over its price with the others after it; nobody where none does."""
    turn = run.turn
    if turn is not None:
        first = (turn.further,) if turn.further in left else ()
        return run.standing()[0], (*first, *(model for model in left if model not in first)) if first else ()
    priced = _priced(run, left)
    best, told = run.standing([(one.model, one.quality) for one in priced])
    further = [Further(one.model, at.quality, one.cost_usd, at.settles, at.sure, at.unsure) for one, at in zip(priced, told, strict=False)]
    # As evaluations do, which learned what is told.
    further = [further[at] for at in undominated([one.cost_usd for one in further], [one.quality for one in further])]
    further = further or [replace(one, quality=_moved(run, one.quality, best)) for one in priced]
    at = next_call(0.0 if best.barred else best.judged.confidence, further, worth_usd)
    return best, () if at is None else (further[at].model, *(model for model in left if model != further[at].model))


def _priced(run: Looking, models: tuple[str, ...]) -> list[Further]:
    """What was expected of models; not of those of which nobody knows what they cost, since that is not to be had for nothing."""
    known = [(model, each) for model in models if (each := run.decision.estimate(model)) is not None]
    return [Further(model, each.quality, each.cost_picousd / PICO) for model, each in known if each.cost_picousd is not None]


def _moved(run: Looking, quality: float, best: Seen) -> float:
    """A question that turned out hard is harder for the next model, too, as far as it is known how hard it turned out."""
    asked = run.decision.estimate(best.reached.model)
    return moved(quality, asked.quality, best.judged.confidence) if best.judged.learned and asked is not None else quality


def _threshold(run: Looking) -> float | None:
    cascade = run.execution.cascade
    return cascade.accept.confidence if cascade.worth_usd is None or run.plan.human else None
