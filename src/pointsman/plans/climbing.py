"""Asking one model after the other until an answer does: the tiers of a cascade, and what a chain has beyond a plan's own models."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from pointsman.core.fault import FINAL
from pointsman.plans.fallback import after
from pointsman.plans.looking import Looking, Seen, unseen, weighed
from pointsman.plans.retry import retry
from pointsman.plans.steps import Deliver, Reached, Sent, Step
from pointsman.plans.together import at_once
from pointsman.plans.verifying import verified

Further = Callable[[tuple[str, ...]], tuple[str, ...]]
"""From the models that are left to whom to ask next, and after that; nobody where an answer does or nothing is worth its price."""


def climb(
    run: Looking, models: tuple[str, ...], threshold: float | None, further: Further, abreast: int = 1
) -> Generator[Step, Sent, Deliver | Reached | None]:
    """Ask in turn, look at each answer, and go on as `further` says. Nothing is delivered unseen but the answer of the last, as a stream.

    `abreast`: how many are asked at once, to begin with.
    `Deliver` where it was; `Reached`: the failed call after which nobody was left; `None`: it ended as `further` or the run's limits say.
    """
    left, tried, failed = models, list(dict.fromkeys(reached.model for reached in run.made)), None
    if abreast > 1:
        tried += models[:abreast]
        left, failed = yield from _abreast(run, models, abreast, threshold, further)
    while left and run.room > 0:
        model, left = left[0], left[1:]
        tried.append(model)
        whole = bool(left) or not _streamed(run, model)
        reached = yield from _asked(run, model, others=bool(left), whole=whole)
        failed = None
        if not reached.ok:
            left = after(run.plan, reached.fault, left, tried)
            # Without any answer so far the whole chain is asked afterwards, whatever it costs.
            if run.seen and (left or reached.fault not in FINAL):
                left = further(left)
            failed = None if left else reached
        elif not whole:
            return unseen(reached, tuple(weighed(seen, seen.fate, seen.why) for seen in run.seen), "nobody is left to ask")
        else:
            yield from _look(run, reached, threshold, spare=1 if left else 0)
            left = further(left)
    return failed


def _abreast(
    run: Looking, models: tuple[str, ...], count: int, threshold: float | None, further: Further
) -> Generator[Step, Sent, tuple[tuple[str, ...], Reached | None]]:
    """Ask the first so many at once: who is left then, and the failed call after which nobody was."""
    now, left, failed = models[:count], models[count:], None
    ended = yield from at_once(run, [replace(run.ask(model, True, True), whole=True) for model in now])
    for _, reached in sorted(ended.items()):
        if reached.answer is None:
            left, failed = after(run.plan, reached.fault, left, now), reached
        else:
            run.seen.append(replace(run.judged(reached.answer, reached), threshold=threshold))
    _say(run.seen)
    if failed is None or (run.seen and (left or failed.fault not in FINAL)):
        left = further(left)
    return left, None if left else failed


def _say(seen: list[Seen]) -> None:
    """Those who were asked at once, and whether they agree."""
    if len(seen) < 2:
        return
    told = {one.heard.comes_to for one in seen}
    said = "it cannot be said whether they agree" if "" in told else "they agree" if len(told) == 1 else "they differ"
    names = [one.reached.model for one in seen]
    for at, one in enumerate(seen):
        others = ", ".join(f"`{name}`" for place, name in enumerate(names) if place != at)
        seen[at] = replace(one, why=f"asked at once with {others}: {said}")


def _asked(run: Looking, model: str, *, others: bool, whole: bool) -> Generator[Step, Sent, Reached]:
    models = others or (bool(run.plan.spares) and not run.seen)
    others = models or run.plan.human
    call = run.ask(model, others, models)
    if run.seen:
        # An answer that is there is better than one that fails the route's checks.
        others, call = True, replace(call, checks=run.execution.checks)
    return (yield from retry(replace(call, whole=whole), run.patience, run.made, others=others))


def _look(run: Looking, reached: Reached, threshold: float | None, spare: int) -> Generator[Step, Sent, None]:
    """Judge the answer; with the verifier where its word can still change what follows: not after two that were asked at once."""
    assert reached.answer is not None
    settled = run.turn is not None
    run.made.append(reached)
    seen = run.judged(reached.answer, reached)
    spare = spare or (1 if run.beyond else 0)
    if not settled and (spare or run.plan.human):
        seen = yield from verified(run, seen, spare=spare)
    run.seen.append(replace(seen, threshold=threshold))


def _streamed(run: Looking, model: str) -> bool:
    """Whether the answer of the model that is last of those left goes to the client as it comes: nobody could answer after it."""
    last = not run.plan.human and set(run.beyond) <= {model}
    return run.execution.cascade.stream_first or (run.decision.request.stream and last)
