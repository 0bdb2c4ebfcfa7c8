"""Which models a request could reach, worked out without traffic.

The answer is an upper bound: only what holds for *every* such request removes a model: standing verdicts, the key's own allowance, and
policies whose scope is sure to cover the request and whose condition is missing, or reads nothing but the labels and holds whatever labels
are added. What may or may not apply removes nothing.

Clients may declare any word as a label. So of conditions only those can be tried out which ask whether a label is this or that known one:
one that looks into names, or counts labels, could be turned off by a word that nobody thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

from pointsman.core.gate import Ask
from pointsman.core.labels import KNOWN, LEVELS, close
from pointsman.core.request import Caller, Request
from pointsman.core.rule import Fail, Policy, PolicyScope, Requirement, Ruling
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot
from pointsman.errors import ConditionError
from pointsman.policy.cel import CelCondition
from pointsman.policy.gates import GATES

_MOST_LABELS = 15  # so many have some 10,000 sets, each of which is tried; beyond them conditions are judged by their form
_TEXT = re.compile(r"'([^'\\\n]*)'|\"([^\"\\\n]*)\"")
_MACRO = re.compile(r"\b(?:exists|all)\s*\(")
_ODD = re.compile(r"[\d<>+\\'\"]|\b(?!(?:in|exists|all)\b)\w+\s*\(")  # counts, orders, functions, and text that is not read here
# Conditions that hold still with more labels: whether some label is one of these, joined by `&&` and `||`.
_SOME = re.compile(r"@ in labels|labels\.exists\((\w+),\s*(?:\1 in \[@(?:,\s*@)*\]|\1\s*==\s*@(?:\s*\|\|\s*\1\s*==\s*@)*)\)")


def reach(snapshot: Snapshot, route: Route, labels: tuple[str, ...] = (), caller: Caller | None = None) -> tuple[str, ...]:
    """Models that a request of this route, carrying at least these labels, could be sent to, sorted. `caller` `None`: whoever asks.

    The model that reads requests is among them: it gets the words of whatever is asked.
    """
    known = KNOWN | snapshot.labels
    effective = close((*labels, *route.labels, *(caller.labels if caller else ())), known)
    certain = [policy for policy in snapshot.policies if _surely_covers(policy.scope, route, caller) and _certain(policy, effective, known)]
    ruling = Ruling(
        task="general",
        labels=effective,
        requirements=tuple(_owned(policy, policy.require) for policy in certain if policy.require is not None),
        prohibitions=tuple(_owned(policy, policy.forbid) for policy in certain if policy.forbid is not None),
    )
    reading = () if snapshot.reads is None else (snapshot.reads.model,)
    names = dict.fromkeys((*route.candidates, *reading))
    standing = [snapshot.models[name] for name in names if not any(v.gate == "enabled" for v in snapshot.standing[name])]
    request = Request("reach", route.name, caller=caller or Caller())
    ask = Ask(request, Signals(), ruling, route.name, refuse_unknown_price=route.unknown_price == "refuse")
    gates = [gate for gate in GATES.request if gate.kind == "policy" and (gate.applies is None or gate.applies(ask))]
    return tuple(sorted(model.id for model in standing if all(gate.refuse(ask, model) is None for gate in gates)))


def reach_by_name(snapshot: Snapshot, labels: tuple[str, ...] = (), caller: Caller | None = None) -> tuple[str, ...]:
    """Models that a request which names its model could be sent to, whichever it names."""
    names = (name for name in snapshot.models if name not in snapshot.routes)
    return tuple(sorted(found for name in names for found in reach(snapshot, Route(name, (name,)), labels, caller)))


def broken_by(snapshot: Snapshot, model: str, owner: str, only: Requirement | None, never: Requirement | None) -> str | None:
    """What a model has or lacks, where it is to have `only` these attributes, or `never` those; `None` where it fits."""
    ruling = Ruling(
        "general", (), requirements=() if only is None else ((owner, only),), prohibitions=() if never is None else ((owner, never),)
    )
    ask = Ask(Request("promise", model), Signals(), ruling, model)
    gates = [gate for gate in GATES.request if gate.kind == "policy" and gate.applies is not None and gate.applies(ask)]
    return next((reason for gate in gates if (reason := gate.refuse(ask, snapshot.models[model])) is not None), None)


def counts(snapshot: Snapshot, policy: Policy) -> bool:
    """Whether a proof can rest on a policy: with every label there is, it is sure to apply to whom it is for."""
    known = KNOWN | snapshot.labels
    return _certain(policy, tuple(sorted(known)), known)


class Hole(NamedTuple):
    """A policy that more labels turn off: what is stricter would be free to go where what is less strict may not."""

    policy: str
    holds: tuple[str, ...]  #: with these labels it applies
    off: tuple[str, ...]  #: with these, which include them, it does not
    added: str  #: the label that makes the difference


def holes(snapshot: Snapshot) -> Iterator[Hole]:
    """For each policy that reads only labels and has a hole, one."""
    known = KNOWN | snapshot.labels
    all_sets = _label_sets(known) if len(known) <= _MOST_LABELS else _smallest_label_sets(known)
    sets = sorted(all_sets, key=lambda labels: (len(labels), sorted(labels)))
    for policy in snapshot.policies:
        if (when := policy.when) is not None and isinstance(when, CelCondition) and when.labels_only:
            found = _turned_off(when, policy.fail, sets, known)
            hole = next((Hole(policy.name, tuple(sorted(a)), tuple(sorted(b)), added) for a, b, added in found), None)
            if hole is not None:
                yield hole


def _turned_off(
    when: CelCondition, fail: Fail, sets: list[frozenset[str]], known: frozenset[str]
) -> Iterator[tuple[frozenset[str], frozenset[str], str]]:
    for labels in sets:
        if _holds(when, labels, fail):
            for label in sorted(known - labels):
                more = frozenset(close((*labels, label), known))
                if not _holds(when, more, fail):
                    yield labels, more, label


def _surely_covers(scope: PolicyScope | None, route: Route, caller: Caller | None) -> bool:
    """Whether every such request is meant. What is not said of the caller may be anything, and fits no list."""
    if scope is None:
        return True
    named = Caller("") if caller is None else caller
    said = {"orgs": named.org, "teams": named.team, "keys": named.key}
    return scope.covers(route.name, named) and all(value or getattr(scope, field) is None for field, value in said.items())


def _owned(policy: Policy, requirement: Requirement) -> tuple[str, Requirement]:
    return f"policy `{policy.name}`", requirement


def _certain(policy: Policy, labels: tuple[str, ...], known: frozenset[str]) -> bool:
    """Whether the policy applies to every request with at least these labels."""
    when = policy.when
    if when is None:
        return True
    if not (isinstance(when, CelCondition) and when.labels_only):
        return False
    words = {word for found in _TEXT.findall(when.source) for word in found if word}
    code = _TEXT.sub("@", when.source)
    if len(known) > _MOST_LABELS:
        return not re.sub(r"true|[@()&|\s]", "", _SOME.sub("@", code)) and _holds(when, frozenset(labels), policy.fail)
    if _ODD.search(code) or not words <= known:
        return False
    # So many labels that nobody defined, and one more, cannot be told from each other by so many `exists` and `all`.
    strange = [known.union(f"?{number}" for number in range(count)) for count in range(1, len(_MACRO.findall(code)) + 2)]
    return all(_holds(when, more.union(labels), policy.fail) for more in (*_label_sets(known), *strange))


@lru_cache(maxsize=200_000)
def _holds(when: CelCondition, labels: frozenset[str], fail: Fail) -> bool:
    try:
        return when({"labels": sorted(labels)})
    except ConditionError:
        return fail == "closed"  # as in a decision


@lru_cache(maxsize=8)
def _label_sets(known: frozenset[str]) -> tuple[frozenset[str], ...]:
    """Every set of known labels that a request can come to carry, closed."""
    kinds = sorted(known - set(LEVELS))
    levels = [frozenset(LEVELS[:at]) for at in range(len(LEVELS) + 1)]
    chosen = [frozenset(some) for size in range(len(kinds) + 1) for some in combinations(kinds, size)]
    return tuple(level | some for level in levels for some in chosen)


def _smallest_label_sets(known: frozenset[str]) -> list[frozenset[str]]:
    """Of too many to try them all: those that come of two labels."""
    return [frozenset(), *(frozenset(close(two, known)) for two in combinations_with_replacement(sorted(known), 2))]
