"""Several answers, of which one is given: what most say, weighed or not, or what a further model prefers.

As few are asked as can decide: a quorum first, and then only as many as could still change the outcome. Best of n is the same with one
member and several forms of the question.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from pointsman.core.answer import Judge
from pointsman.core.decision import Decision
from pointsman.core.fault import FINAL
from pointsman.core.plan import Execution
from pointsman.core.votes import Party, Voice, needed, parties, share
from pointsman.plans.checks.agreement import agreement
from pointsman.plans.checks.normal import final
from pointsman.plans.climbing import climb
from pointsman.plans.fallback import Ask
from pointsman.plans.looking import Looking, Seen
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Call, Deliver, Reached, Sent, Step, Steps, Variation
from pointsman.plans.together import at_once
from pointsman.plans.verifying import preferred


@dataclass(frozen=True, slots=True)
class _Ballot:
    """A call that may be made."""

    model: str
    form: str  #: said after everything else; empty: as the client asked
    voice: Voice


_Cast = tuple[_Ballot, Seen]


def ensemble(decision: Decision, execution: Execution, ask: Ask, judge: Judge, patience: Patience) -> Steps:
    """Deliver the answer that wins the vote. Below the share that is wanted the chain's stronger models are asked, then a person.

    Where no member answers, the plan's spares are asked in turn.
    """
    run = Looking(decision, execution, ask, judge, patience)
    left = _ballots(run)
    found: list[_Cast] = []
    while (count := min(_needed(run, found, left), run.room)) > 0:
        now, left = left[:count], left[count:]
        for ballot, reached in (yield from _all(run, now)):
            assert reached.answer is not None
            found.append((ballot, run.judged(reached.answer, reached)))
        silent = {ballot.model for ballot in now}.difference(ballot.model for ballot, _ in found)
        left = tuple(ballot for ballot in left if ballot.model not in silent)
    if not found:
        return (yield from run.spares())
    short = run.why_no_more() if _needed(run, found, left) else ""
    return (yield from _vote(run, sorted(found, key=lambda one: one[0].voice.place), short))


def _ballots(run: Looking) -> tuple[_Ballot, ...]:
    """Every member as the client asked, then every member in the next form, and so on."""
    settings, found = run.execution.ensemble, list[_Ballot]()
    for sample in range(settings.samples):
        form = settings.forms[sample - 1] if 0 < sample <= len(settings.forms) else ""
        for model in run.plan.models:
            estimate = run.decision.estimate(model)
            quality = 0.0 if estimate is None else estimate.quality
            found.append(_Ballot(model, form, Voice.expected(len(found), quality, weighed=settings.vote == "weighted")))
    return tuple(found)


def _needed(run: Looking, found: Sequence[_Cast], left: Sequence[_Ballot]) -> int:
    """How many more to ask at once. A judge may prefer any answer: for it all are asked, and calls left for it."""
    settings = run.execution.ensemble
    if settings.vote == "judge":
        return 0 if found else min(len(left), max(run.room - 2, 1))
    voices = [_voice(one) for one in found if not one[1].barred]
    return needed(voices, [ballot.voice for ballot in left], settings.agree)


def _all(run: Looking, ballots: tuple[_Ballot, ...]) -> Generator[Step, Sent, list[tuple[_Ballot, Reached]]]:
    """Ask all at once: those that answered."""
    ended = yield from at_once(run, [_call(run, ballot) for ballot in ballots])
    return [(ballots[at], reached) for at, reached in ended.items() if reached.ok]


def _call(run: Looking, ballot: _Ballot) -> Call:
    variation = Variation(instruction=ballot.form) if ballot.form else None
    return replace(run.ask(ballot.model, True, True), whole=True, variation=variation)


def _vote(run: Looking, found: Sequence[_Cast], why: str) -> Steps:
    """Count, and deliver the winner's answer, if possible one to the question as the client put it. `why` the vote is not complete."""
    fit = [one for one in found if not one[1].barred] or found
    voices = [_voice(one) for one in fit]
    ranked = parties(voices)
    speakers = [_speaker(party, fit) for party in ranked]
    settings, at = run.execution.ensemble, 0
    if settings.vote == "judge" and settings.judge is not None and len(ranked) > 1:
        at, why = yield from preferred(run, settings.judge, [seen.answer for seen in speakers])
    said, won = {place: party for party in ranked for place in party.places}, ranked[at].places
    run.seen += [_counted(run, seen, said.get(ballot.voice.place), fit, won) for ballot, seen in found]
    best = next(seen for seen in run.seen if seen.reached is speakers[at].reached)
    alike = [seen for (ballot, _), seen in zip(found, run.seen, strict=True) if ballot.voice.place in won]
    part = share(ranked[at], voices)
    if part < settings.agree:
        why = f"it has {part:.0%} of the votes, {settings.agree:.0%} are wanted" + (f", and {why}" if why else "")
    elif not best.barred:
        return run.ended(best, does=True, why=why, alike=alike)
    return (yield from _onward(run, best, why, alike))


def _onward(run: Looking, winner: Seen, why: str, alike: Sequence[Seen]) -> Steps:
    """The winner does not do: what the route's chain has beyond the members is asked in turn, then a person. `why` it does not."""
    at, voted = run.seen.index(winner), len(run.seen)
    run.seen[at] = winner = replace(winner, why=why)
    models = () if any(failure.fault in FINAL for failure in run.failures) else run.beyond
    threshold = run.execution.cascade.accept.confidence

    def further(left: tuple[str, ...]) -> tuple[str, ...]:
        return () if len(run.seen) > voted and run.seen[-1].does else left or run.beyond

    ended = yield from climb(run, models, threshold, further)
    if isinstance(ended, Deliver):
        return ended
    best = max(run.seen[voted:], key=lambda seen: (seen.does, seen.rank), default=None)
    if best is None or (not best.does and winner.rank >= best.rank):
        return run.ended(winner, does=False, why=why, alike=(winner, *alike))
    same = final(best.answer)
    alike = [seen for seen in run.seen[:voted] if same and final(seen.answer) == same and not seen.barred]
    failed = "" if ended is None else f"the call of `{ended.model}` failed: {ended.fault}"
    return run.ended(best, does=best.does, why=failed, alike=alike)


def _voice(cast: _Cast) -> Voice:
    """What an answer comes to; what that is cannot always be said, and then it stands alone."""
    ballot, seen = cast
    return replace(ballot.voice, says=final(seen.answer) or f"\0{ballot.voice.place}")


def _speaker(party: Party, cast: Sequence[_Cast]) -> Seen:
    """Whose answer is given: the client's own form before another, then the better expected model, then who was asked first."""
    own = [(ballot, seen) for ballot, seen in cast if ballot.voice.place in party.places]
    return min(own, key=lambda one: (bool(one[0].form), -one[0].voice.quality, one[0].voice.place))[1]


def _counted(run: Looking, seen: Seen, party: Party | None, fit: Sequence[_Cast], won: frozenset[int]) -> Seen:
    """The answer judged again, now that it is known how many say the same; those that a check bars have no vote."""
    if party is None:
        return replace(seen, fate="outvoted")
    others = [other.answer for _, other in fit if other is not seen]
    counted = run.judged(seen.answer, seen.reached, agreement(seen.answer, others))
    return replace(counted, votes=len(party.voices), fate="escalated" if party.places == won else "outvoted")
