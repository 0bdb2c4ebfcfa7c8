"""Ask each model in turn until one answers; a single call is a chain of one."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.clearance import Clearance
from pointsman.plans.steps import Call, Deliver, Fail, Reached, Steps


def fallback(clearances: Iterable[Clearance]) -> Steps:
    """Stops early where another model cannot help: a malformed request fails everywhere alike."""
    failures: list[Reached] = []
    for clearance in clearances:
        reached = yield Call(clearance)
        if reached.ok:
            return Deliver(reached)
        failures.append(reached)
        if not reached.try_another:
            break
    return Fail(tuple(failures))
