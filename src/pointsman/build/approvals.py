"""Ways around a person's approval: a model asked for by its own name is a route of its own, without the terms of any other."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pointsman.build.asking import callers
from pointsman.config.schema import Config
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.policy.reach import reach, reach_by_name

_NAMED = 3  # keys, before the rest are counted


def approval_remarks(config: Config, snapshot: Snapshot) -> tuple[str, ...]:
    """A sentence for each route on which a person approves every answer, while keys may have its models answer by their own names."""
    routes = [name for name, route in snapshot.routes.items() if route.execution.review.approval]
    if not routes:
        return ()
    known, direct = callers(config, time.time_ns()), set(reach_by_name(snapshot))
    found = ((name, tuple(model for model in reach(snapshot, snapshot.routes[name]) if model in direct)) for name in routes)
    return tuple(_remark(name, models, who) for name, models in found if models and (who := _who(known, models)))


def _who(known: Iterable[Caller] | None, models: tuple[str, ...]) -> str:
    if known is None:
        return "any key whose `routes` say nothing"
    open_to = [f"`{one.key}`" for one in known if one.role == "caller" and _may(one, models)]
    more = f" and {len(open_to) - _NAMED} more" if len(open_to) > _NAMED else ""
    return f"key{'s' if len(open_to) > 1 else ''} {', '.join(open_to[:_NAMED])}{more}" if open_to else ""


def _may(caller: Caller, models: tuple[str, ...]) -> bool:
    return any((caller.routes is None or model in caller.routes) and (caller.models is None or model in caller.models) for model in models)


def _remark(route: str, models: tuple[str, ...], who: str) -> str:
    named = ", ".join(f"`{model}`" for model in models)
    return (
        f"routes.{route}.review.approval: {who} may ask {named} by name, and nobody approves those answers: "
        f"give each key its routes (`pointsman keys change ID --route {route}`), no model among them"
    )
