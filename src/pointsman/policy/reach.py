"""Which models a request could reach, worked out without traffic.

The answer is an upper bound: only what holds for *every* request of a route with at least these labels removes a model: standing
verdicts, policies without a condition, policies whose condition reads nothing but the labels and holds whatever labels are added. What may
or may not apply removes nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import combinations

from pointsman.core.gate import Ask
from pointsman.core.labels import KNOWN, LEVELS, close
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement, Ruling
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot
from pointsman.errors import ConditionError
from pointsman.policy.cel import CelCondition
from pointsman.policy.gates import GATES

_MOST_LABELS = 15  # so many have some 10,000 sets, each of which is tried; beyond them conditions are judged by their form
_NOT_MONOTONE = re.compile(r"[!<>?]|labels\s*\[|==\s*\[|labels\s*==|==\s*labels|\b(size|all|exists_one|filter|map)\b")


def reach(snapshot: Snapshot, route: Route, labels: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Models that a request of this route, carrying at least these labels, could be sent to, sorted."""
    known = KNOWN | snapshot.labels
    effective = close((*labels, *route.labels), known)
    certain = [policy for policy in snapshot.policies if _certain(policy, effective, known)]
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


def _certain(policy: Policy, labels: tuple[str, ...], known: frozenset[str]) -> bool:
    """Whether the policy applies to every request with at least these labels."""
    if policy.when is None:
        return True
    if not (isinstance(policy.when, CelCondition) and policy.when.labels_only):
        return False
    if len(known) > _MOST_LABELS:
        return not _NOT_MONOTONE.search(policy.when.source) and _holds(policy.when, frozenset(labels))
    return all(_holds(policy.when, more.union(labels)) for more in _label_sets(known))


@lru_cache(maxsize=200_000)
def _holds(when: CelCondition, labels: frozenset[str]) -> bool:
    try:
        return when({"labels": sorted(labels)})
    except ConditionError:
        return True  # as in a decision


@lru_cache(maxsize=8)
def _label_sets(known: frozenset[str]) -> tuple[frozenset[str], ...]:
    """Every set of labels that a request can come to carry, closed; the last one stands for a label that nobody defined."""
    kinds = sorted(known - set(LEVELS))
    levels = [frozenset(LEVELS[:at]) for at in range(len(LEVELS) + 1)]
    chosen = [frozenset(some) for size in range(len(kinds) + 1) for some in combinations(kinds, size)]
    return (*(level | some for level in levels for some in chosen), known | {"?"})
