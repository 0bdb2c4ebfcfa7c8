"""What `pointsman check` says of plans: calls that run out before somebody is asked, a confidence without what it was learned with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pointsman.config.schema import Config
from pointsman.core.plan import Kind
from pointsman.core.snapshot import Route, Snapshot

_QUESTIONS = 2  # of a verifier or a judge, for each answer or pair
_NO_PRIORS = (
    "learned.confidence: stands without `learned.bundle`: it was learned, and thresholds were set, with what a bundle expects of each"
    " answer beside it, and now gets what the configuration states: name the bundle of the same outcomes"
)


class _Run(NamedTuple):
    """A plan in which everybody answers and nobody's answer does."""

    asked: tuple[str, ...]  #: those for whom a call is left
    left_out: tuple[str, ...]
    enough: int  #: calls with which nobody would be


def plan_remarks(config: Config, snapshot: Snapshot) -> tuple[str, ...]:
    """A sentence for each route whose `most_calls` is used up before its last model is asked, and for confidence without its bundle."""
    learned = config.learned
    priors = (_NO_PRIORS,) if learned is not None and learned.confidence and not learned.bundle else ()
    return (*priors, *(said for route in snapshot.routes.values() for said in dict.fromkeys(_out_of_calls(route, snapshot))))


def _out_of_calls(route: Route, snapshot: Snapshot) -> Iterator[str]:
    most, attempts = route.execution.most_calls, route.execution.retry.attempts
    for kind in dict.fromkeys((route.plan, *(rule.effects.plan for rule in (*route.rules, *snapshot.rules)))):
        run = _run(route, kind or ("fallback" if route.fallback else "single"))
        if most == 1 or len(run.asked) + len(run.left_out) < 2:
            continue  # with one call nobody else is meant to be asked, and `load` says so where a plan would
        if run.left_out:
            whom = ", ".join(f"`{name}`" for name in run.left_out)
            yield (
                f"routes.{route.name}.most_calls: is {most}: where no answer does none is left for {whom}:"
                f" give {run.enough} or more, and more for retries"
            )
        elif attempts >= most:
            yield (
                f"routes.{route.name}.retry.attempts: is {attempts}: where the first model keeps failing none of {most} calls is left for"
                f" `{run.asked[1]}`: give fewer, or more `most_calls`"
            )


def _run(route: Route, kind: Kind) -> _Run:
    cascade, ensemble, most = route.execution.cascade, route.execution.ensemble, route.execution.most_calls
    if kind == "single":
        return _Run((), (), 1)
    if kind == "ensemble":
        members = ensemble.members or route.models[: ensemble.size]
        ballots = len(members) * ensemble.samples
        compared = ballots - 1 if ensemble.vote == "judge" else 0
        used = ballots + _QUESTIONS * max(0, min(compared, (most - ballots) // _QUESTIONS))
        return _in_turn(members, _besides(route.fallback, members), used, most, ballots + _QUESTIONS * compared)
    if kind in ("escalate", "cascade"):
        named = cascade.tiers or route.models
        tiers = named[:2] if kind == "escalate" else named
        return _verified(tiers, _besides(route.fallback, tiers), most, verified=cascade.accept.verifier is not None)
    chain = route.fallback or route.models
    outside = [name for name in route.models if name not in chain]
    return _in_turn((), (*outside[:1], *chain), 0, most, 0)


def _in_turn(before: tuple[str, ...], then: tuple[str, ...], used: int, most: int, needed: int) -> _Run:
    room = max(0, most - used)
    return _Run((*before, *then[:room]), then[room:], needed + len(then))


def _verified(tiers: tuple[str, ...], then: tuple[str, ...], most: int, *, verified: bool) -> _Run:
    """One after the other; the verifier is asked where a call is left for the next: see `core.plan_time`."""
    everybody, at, used = (*tiers, *then), 0, 0
    while at < len(everybody) and used < most:
        at, used = at + 1, used + 1
        used += _QUESTIONS if verified and most - used > _QUESTIONS else 0
    return _Run(everybody[:at], everybody[at:], len(everybody) + (_QUESTIONS * (len(everybody) - 1) if verified else 0))


def _besides(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)
