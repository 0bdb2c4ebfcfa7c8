"""What `pointsman check` says of levels of service that nobody is expected to keep before anything was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pointsman.core.decision import Decision
from pointsman.core.request import Caller
from pointsman.core.snapshot import Route
from pointsman.gateway import Inquiry, World, decide_request


def sla_remarks(world: World) -> tuple[str, ...]:
    """A sentence for each route, and task class on it, where a short request would be refused by an SLA alone, and for good.

    Whom an SLA refuses gets no calls, so nothing is ever measured that could show it wrong.
    """
    return tuple(said for route in world.snapshot.routes.values() for said in _of_route(route, world))


def _of_route(route: Route, world: World) -> Iterator[str]:
    for task in dict.fromkeys(("", *(name for name, policy in world.snapshot.tasks.items() if policy.sla is not None))):
        policy = world.snapshot.tasks.get(task)
        if route.sla is None and (policy is None or policy.sla is None):
            continue
        place = f"routes.{route.name}.sla" if policy is None else f"tasks.{task}.sla"
        if found := _refused(_asked(route.name, task, world)):
            yield (
                f"{place}: keeps out every model of route `{route.name}` that may answer: {found}: whom it refuses gets no calls that"
                " could be measured: state `speed` of the models, or write `breach: penalise`"
            )


def _asked(route: str, task: str, world: World) -> Decision:
    body = {"model": route, "messages": [{"role": "user", "content": "hello"}]}
    return decide_request(Inquiry(json.dumps(body).encode(), Caller(), {"x-pointsman-task": task} if task else {}), world)


def _refused(decision: Decision) -> str:
    """Why those are refused whom nothing but an SLA refuses; empty where somebody may answer, or there are none."""
    if any(not one.verdicts for one in decision.candidates):
        return ""
    alone = {one.model: one.verdicts[0].reason for one in decision.candidates if {verdict.gate for verdict in one.verdicts} == {"sla"}}
    return "; ".join(f"`{name}`: {why}" for name, why in alone.items())
