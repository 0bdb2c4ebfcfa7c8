"""Which models a request could reach, worked out without traffic.

The answer is an upper bound: only what holds for *every* request of a route with these labels removes a model (standing verdicts, policies
without a condition, policies whose condition reads nothing but the labels). What may or may not apply removes nothing.
"""

from __future__ import annotations

from pointsman.core.gate import Ask
from pointsman.core.labels import KNOWN, close
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement, Ruling
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot
from pointsman.errors import ConditionError
from pointsman.policy.cel import CelCondition
from pointsman.policy.gates import GATES


def reach(snapshot: Snapshot, route: Route, labels: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Models that a request of this route, carrying these labels and no others, could be sent to, sorted."""
    effective = close((*labels, *route.labels), KNOWN | snapshot.labels)
    certain = [policy for policy in snapshot.policies if _certain(policy, effective)]
    ruling = Ruling(
        task="general",
        labels=effective,
        requirements=tuple(_owned(policy, policy.require) for policy in certain if policy.require is not None),
        prohibitions=tuple(_owned(policy, policy.forbid) for policy in certain if policy.forbid is not None),
    )
    ask = Ask(Request("reach", route.name), Signals(), ruling, route.name, refuse_unknown_price=route.unknown_price == "refuse")
    gates = [gate for gate in GATES.request if gate.kind == "policy" and (gate.applies is None or gate.applies(ask))]
    return tuple(
        sorted(
            name
            for name in route.candidates
            if not any(verdict.gate == "enabled" for verdict in snapshot.standing[name])
            and all(gate.refuse(ask, snapshot.models[name]) is None for gate in gates)
        )
    )


def _owned(policy: Policy, requirement: Requirement) -> tuple[str, Requirement]:
    return f"policy `{policy.name}`", requirement


def _certain(policy: Policy, labels: tuple[str, ...]) -> bool:
    """Whether the policy applies to every request with these labels."""
    if policy.when is None:
        return True
    if not (isinstance(policy.when, CelCondition) and policy.when.labels_only):
        return False
    try:
        return policy.when({"labels": list(labels)})
    except ConditionError:
        return True
