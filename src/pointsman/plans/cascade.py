"""Ask a cheap model, look at its answer, and go on to a dearer one where it does not do: `escalate` with two tiers, `cascade` with any.

With `Cascade.worth_usd` it is cascade routing: after each answer the further call that gains most over its price is made, if any does.
Dekoninck, Baader, Vechev 2024, "A Unified Approach to Routing and Cascading for LLMs" (arXiv 2410.10347).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from pointsman.core.answer import Judge
from pointsman.core.decision import Decision
from pointsman.core.plan import Execution
from pointsman.core.prices import PICO
from pointsman.core.worth import Further, moved, next_call
from pointsman.plans.fallback import Ask, after
from pointsman.plans.looking import Looking, Seen, unseen, weighed
from pointsman.plans.retry import Patience, retry
from pointsman.plans.steps import Deliver, Fail, Reached, Sent, Step, Steps
from pointsman.plans.verifying import verified

_NOT_WORTH = "no further call is worth its price"


def cascade(decision: Decision, execution: Execution, ask: Ask, judge: Judge, patience: Patience) -> Steps:
    """Deliver the first answer that does; else a person is asked, or the answer most likely to be right is delivered.

    Where no tier answers, the plan's spares are asked in turn. Nothing reaches the client before it has been looked at but the answer of
    the last tier, which may be streamed where nobody else could answer after it.
    """
    run = Looking(decision, execution, ask, judge, patience)
    left: tuple[str, ...] = run.plan.models
    tried: list[str] = []
    stopped = ""
    while left and run.room > 0:
        model, left = left[0], left[1:]
        tried.append(model)
        whole = bool(left) or not _streamed(run)
        reached = yield from _asked(run, model, others=bool(left), whole=whole)
        if not reached.ok:
            left = after(run.plan, reached.fault, left, tried)
            stopped = "" if left else f"the call of `{model}` failed: {reached.fault}"
        elif not whole:
            return unseen(reached, tuple(weighed(seen, "escalated", _threshold(run)) for seen in run.seen), "nobody is left to ask")
        else:
            yield from _look(run, reached, left)
            further = _further(run, left)
            stopped = _NOT_WORTH if left and not further and execution.cascade.worth_usd is not None else ""
            left = further
    return _ended(run, stopped) if run.seen else (yield from run.spares())


def _asked(run: Looking, model: str, *, others: bool, whole: bool) -> Generator[Step, Sent, Reached]:
    others = others or run.plan.human or (bool(run.plan.spares) and not run.seen)
    call = run.ask(model, others)
    if run.seen:
        # An answer that is there is better than one that fails the route's checks.
        others, call = True, replace(call, checks=run.execution.checks)
    return (yield from retry(replace(call, whole=whole), run.patience, run.made, others=others))


def _look(run: Looking, reached: Reached, left: tuple[str, ...]) -> Generator[Step, Sent, None]:
    """Judge the answer; with the verifier where its word can still change what follows."""
    assert reached.answer is not None
    run.made.append(reached)
    seen = run.judged(reached.answer, reached)
    if left or run.plan.human:
        seen = yield from verified(run, seen, spare=1 if left else 0)
    run.seen.append(seen)


def _further(run: Looking, left: tuple[str, ...]) -> tuple[str, ...]:
    """Whom to ask next, and whom after that; nobody where the best answer so far does."""
    worth_usd, best = run.execution.cascade.worth_usd, _best(run)
    if worth_usd is None:
        return () if _does(run, best) else left
    further = [expected for model in left if (expected := _expected(run, model, best)) is not None]
    at = next_call(0.0 if best.barred else best.judged.confidence, further, worth_usd)
    if at is None:
        return ()
    return further[at].model, *(model for model in left if model != further[at].model)


def _expected(run: Looking, model: str, best: Seen) -> Further | None:
    """What asking it promises; `None` where nobody knows what it costs, since that is not to be had for nothing.

    A question that turned out hard is harder for the next model, too, as far as it is known how hard it turned out.
    """
    estimate, asked = run.decision.estimate(model), run.decision.estimate(best.reached.model)
    if estimate is None or estimate.cost_picousd is None:
        return None
    quality = estimate.quality
    if best.judged.learned and asked is not None:
        quality = moved(quality, asked.quality, best.judged.confidence)
    return Further(model, quality, estimate.cost_picousd / PICO)


def _streamed(run: Looking) -> bool:
    """Whether the last tier's answer goes to the client as it comes."""
    return run.execution.cascade.stream_first or (run.decision.request.stream and not run.plan.human)


def _threshold(run: Looking) -> float | None:
    cascade = run.execution.cascade
    return cascade.accept.confidence if cascade.worth_usd is None or run.plan.human else None


def _best(run: Looking) -> Seen:
    return max(run.seen, key=lambda seen: seen.rank)


def _does(run: Looking, seen: Seen) -> bool:
    threshold = _threshold(run)
    return not seen.barred and (threshold is None or seen.judged.confidence >= threshold)


def _ended(run: Looking, stopped: str) -> Deliver | Fail:
    best = _best(run)
    return run.ended(best, "escalated", _threshold(run), does=_does(run, best), why=stopped)
