"""What rules and policies say of a request, worked out before any model is looked at.

A condition that fails to evaluate counts as holding for everything that restricts (policies, and a rule's labels, requirements and
exclusions) and as not holding for everything else; the failure is kept in `Ruling.errors`. A policy may say that it fails open; for
words that are to be read before the decision it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pointsman.core.labels import KNOWN, close
from pointsman.core.request import Request
from pointsman.core.rule import Condition, Effects, Facts, Fail, Policy, Requirement, Rule, Ruling
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Match, Route, Snapshot
from pointsman.errors import ConditionError

FIELDS: Mapping[str, frozenset[str]] = {
    "request": frozenset({"model", "stream", "choices", "messages", "images", "tools", "response_format", "max_output_tokens"}),
    "signals": frozenset(
        {"task", "task_source", "intent", "domain", "difficulty", "keywords", "needs_tools", "needs_json", "needs_vision"}
    ),
    "tokens": frozenset({"input", "output"}),
    "key": frozenset({"id", "org", "role", "team"}),
}
"""What the records among the facts may hold. Only `metadata` is the client's to fill."""


def facts(request: Request, signals: Signals, labels: tuple[str, ...], task: str) -> Facts:
    """What conditions may read. No prompt text: a decision must be repeatable from its record."""
    tokens, needs, caller = signals.tokens, signals.needs, request.caller
    about = {
        "model": request.model,
        "stream": request.stream,
        "choices": request.choices,
        "messages": request.messages,
        "images": request.images,
        "tools": list(request.tools),
        "response_format": request.response_format,
    }
    if request.max_output_tokens is not None:
        about["max_output_tokens"] = request.max_output_tokens
    if request.reads_for:
        return _facts_before(request, signals, labels, about)
    return {
        "request": about,
        "signals": {
            "task": signals.task,
            "task_source": signals.task_source,
            "intent": signals.intent,
            "domain": signals.domain,
            "difficulty": signals.difficulty,
            "keywords": list(signals.keywords),
            "needs_tools": needs.tools,
            "needs_json": needs.json_mode or needs.json_schema,
            "needs_vision": needs.vision,
        },
        "labels": list(labels),
        "tokens": {"input": tokens.input, "output": tokens.output},
        "task": task,
        "key": {"id": caller.key, "org": caller.org, "team": caller.team, "role": caller.role},
        "metadata": dict(request.metadata),
    }


def _facts_before(request: Request, signals: Signals, labels: tuple[str, ...], about: dict[str, object]) -> Facts:
    """What is known before a request was read: all that its words and its client tell, nothing that reading would tell, or its own size.

    A condition that reads anything else fails, and so counts as the stricter answer.
    """
    caller = request.caller
    told = {name: said for name in ("task", "domain", "difficulty") if (said := getattr(request, name)) is not None}
    return {
        "request": {name: said for name, said in about.items() if name not in ("stream", "response_format")},
        "signals": {**told, "keywords": list(signals.keywords)},
        "labels": list(labels),
        "key": {"id": caller.key, "org": caller.org, "team": caller.team, "role": caller.role},
        "metadata": dict(request.metadata),
    }


def rule(request: Request, signals: Signals, snapshot: Snapshot, route: Route) -> Ruling:
    """Apply the rules for every route, the route's own, then every policy."""
    known = KNOWN | snapshot.labels if snapshot.labels else KNOWN
    given = (*request.caller.labels, *route.labels, *request.labels, *signals.labels)
    labels, task = close(given, known) if given else (), signals.task
    known_facts: Facts | None = None
    effects: list[tuple[Rule, Effects]] = []
    errors: list[str] = []
    if snapshot.rules or route.rules:
        known_facts = facts(request, signals, labels, task)
        effects = _matching(snapshot.rules, "all", known_facts, errors) + _matching(route.rules, route.match, known_facts, errors)
        if effects:
            labels = close((*given, *(label for _, e in effects for label in e.labels)), known)
            task = next((e.task for _, e in effects if e.task is not None), task)
            known_facts = None
    policies: list[Policy] = []
    if snapshot.policies:
        known_facts = known_facts or facts(request, signals, labels, task)
        caller = request.caller
        # `fail: open` is about what clients leave out. Before a request was read conditions fail for what nobody can know yet.
        always: Fail | None = "closed" if request.reads_for else None
        policies = [
            p
            for p in snapshot.policies
            if (p.scope is None or p.scope.covers(route.name, caller))
            and _holds(p.when, known_facts, f"policy `{p.name}`", errors, always or p.fail)
        ]
    if not effects:
        required, forbidden = _requirements((), policies), ((f"policy `{p.name}`", p.forbid) for p in policies if p.forbid is not None)
        return Ruling(task, labels, (), tuple([p.name for p in policies]), tuple(errors), tuple(required), tuple(forbidden))
    return Ruling(
        task=task,
        labels=labels,
        matched=tuple(r.name for r, _ in effects),
        policies=tuple(p.name for p in policies),
        errors=tuple(errors),
        requirements=tuple(_requirements(effects, policies)),
        prohibitions=tuple((f"policy `{p.name}`", p.forbid) for p in policies if p.forbid is not None),
        exclude=tuple((model, r.name) for r, e in effects for model in e.exclude),
        prefer=next((e.prefer for _, e in effects if e.prefer), ()),
        plan=next((e.plan for _, e in effects if e.plan is not None), None),
        weights=next((e.weights for _, e in effects if e.weights is not None), None),
        quality_floor=0.0 if request.reads_for else max((e.quality_floor for _, e in effects), default=0.0),
    )


def _requirements(effects: Iterable[tuple[Rule, Effects]], policies: Iterable[Policy]) -> Iterable[tuple[str, Requirement]]:
    for matched, effect in effects:
        if effect.require is not None:
            yield f"rule `{matched.name}`", effect.require
    for policy in policies:
        if policy.require is not None:
            yield f"policy `{policy.name}`", policy.require


def _matching(rules: tuple[Rule, ...], match: Match, known_facts: Facts, errors: list[str]) -> list[tuple[Rule, Effects]]:
    """The rules that take effect; of a rule whose condition failed, only what restricts."""
    matching: list[tuple[Rule, Effects]] = []
    for candidate in rules:
        failures = len(errors)
        if not _holds(candidate.when, known_facts, f"rule `{candidate.name}`", errors):
            continue
        if len(errors) > failures:
            matching.append((candidate, _restrictions(candidate.effects)))
            continue
        matching.append((candidate, candidate.effects))
        if match == "first":
            break
    return matching


def _restrictions(effects: Effects) -> Effects:
    return Effects(labels=effects.labels, require=effects.require, exclude=effects.exclude, quality_floor=effects.quality_floor)


def _holds(when: Condition | None, known_facts: Facts, owner: str, errors: list[str], fail: Fail = "closed") -> bool:
    """Whether a condition holds; one that fails is kept in `errors`, and counts as holding unless its owner said otherwise."""
    if when is None:
        return True
    try:
        return when(known_facts)
    except ConditionError as error:
        errors.append(f"{owner}: {error}")
        return fail == "closed"
