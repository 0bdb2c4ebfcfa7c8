"""Asking several models at once: the members of an ensemble, and a pair that a cascade begins with."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from pointsman.plans.looking import Looking
from pointsman.plans.steps import All, Call, Reached, Sent, Step, Wait, Waited


def at_once(run: Looking, calls: Sequence[Call]) -> Generator[Step, Sent, dict[int, Reached]]:
    """What the last call reached of each that was made, by its place; those asked again, where that may help, come last."""
    ended: dict[int, Reached] = {}
    places, count = list(range(len(calls))), 0
    while places := places[: run.room]:
        count += 1
        reached = yield All(tuple(calls[at] for at in places))
        assert isinstance(reached, tuple)
        run.made.extend(reached)
        for at, each in zip(places, reached, strict=True):
            ended.pop(at, None)
            ended[at] = each
        places = yield from _again(run, count, {at: ended[at] for at in places if not ended[at].ok})
    return ended


def _again(run: Looking, count: int, failed: Mapping[int, Reached]) -> Generator[Step, Sent, list[int]]:
    """Those to ask again, after the longest of their waits."""
    others = len(run.plan.models) > 1
    waits = [(run.patience.wait_s(count, reached, others=others), at) for at, reached in failed.items() if run.room > 0]
    again: list[int] = []
    waited_s = 0.0
    for wait_s, at in sorted(((wait_s, at) for wait_s, at in waits if wait_s is not None), key=lambda one: one[0]):
        waited = yield Wait(failed[at].model, wait_s - waited_s)
        assert isinstance(waited, Waited)
        if waited.granted:
            again.append(at)
            waited_s = wait_s
    return again
