"""A decision's plan as text: who is asked, in which order, who helps, and how long all of it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def plan_lines(plan: Mapping[str, Any] | None) -> Iterator[str]:
    """The lines of an explanation that are about its plan, which is told where it is more than one model."""
    if plan is None:
        return
    if len(plan["models"]) > 1 or any(plan[word] for word in ("spares", "resort", "helpers", "human", "approval")):
        yield f"plan      {_asked(plan)}"
    if plan["p95_ms"] is not None:
        whole, first = (f"{plan[f'{of}p95_ms']:,.0f} ms ({plan[f'{of}p95_source']})" for of in ("", "first_token_"))
        yield f"time      p95 {whole}, of the first token {first}"


def _asked(plan: Mapping[str, Any]) -> str:
    then = [f"then {', '.join(plan['spares'])}"] if plan["spares"] else []
    resort = [f"last of all {', '.join(plan['resort'])}, out of service now"] if plan["resort"] else []
    helped = [f"helped by {', '.join(plan['helpers'])}"] if plan["helpers"] else []
    person = ["then a person"] if plan["human"] and plan["models"] else []
    approved = ["a person approves what is answered"] if plan["approval"] else []
    whom = f"of {', '.join(plan['models'])}" if plan["models"] else "by a person"
    return "; ".join((f"{plan['kind']} {whom}", *helped, *then, *resort, *person, *approved))
