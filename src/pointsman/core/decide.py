"""`decide`: the one function behind live traffic, dry runs, replay and shadow.

It works on columns (a list a quantity) and leaves the rest to `Findings`: whole candidates are made when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from pointsman.core.candidate import Findings
from pointsman.core.clearance import _seal
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask, EstimateGate, Gate, Verdict
from pointsman.core.plan import Chains, Plan
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.ruling import rule
from pointsman.core.score import Estimate, Estimates, Scores, score
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Field, Pool, Route, Snapshot, TaskPolicy

_NO_TASK_POLICY = TaskPolicy()


def decide(request: Request, signals: Signals, snapshot: Snapshot, route: Route, seed: int) -> Decision:
    """Choose a model for a request under a route.

    Pure: no clock, network, environment or randomness but `seed`. Every candidate of the route is in the result, the refused with every
    reason. With no survivor `plan` is `None`; nothing is ever chosen by default.
    """
    ruling = rule(request, signals, snapshot, route)
    task = snapshot.tasks.get(ruling.task, _NO_TASK_POLICY)
    weights = ruling.weights or task.weights or route.weights
    pool = snapshot.pool(route)
    ask = Ask(
        request=request,
        signals=signals,
        ruling=ruling,
        route=route.name,
        quality_floor=max(route.quality_floor, task.quality_floor),
        refuse_unknown_price=route.unknown_price == "refuse",
        least=pool.least,
    )
    field, refused = _judge(ask, pool, snapshot.gates.request)
    estimates = snapshot.estimator(ask, field.models)
    field, estimates, floored = _judge_estimates(ask, field, estimates, snapshot.gates.estimate, refused)
    if not field.models and (resort := _last_resort(pool, refused)).models:
        estimates = snapshot.estimator(ask, resort.models)
        field, estimates, more = _judge_estimates(ask, resort, estimates, snapshot.gates.estimate, refused)
        floored |= more
    budget_ms = _tightest(route.latency_budget_ms, task.latency_budget_ms)
    scores = score(estimates, field.security, weights, route.form, route.bounds, budget_ms)
    places = _rank(field.names, estimates, scores, pool.fallbacks, ruling.prefer)
    order = [field.names[at] for at in places]
    passed = frozenset(order)
    return Decision(
        request=request,
        signals=signals,
        snapshot=snapshot.id,
        route=route.name,
        seed=seed,
        ruling=ruling,
        weights=weights,
        form=route.form,
        candidates=(),
        plan=_plan(order, passed, route, ruling, snapshot),
        clearances=_seal(request.id, passed, snapshot.id),
        findings=Findings(field.names, estimates, scores, places, refused, floored),
    ).untold()


def _judge(ask: Ask, pool: Pool, gates: Sequence[Gate]) -> tuple[Field, dict[str, tuple[Verdict, ...]]]:
    """Survivors, and why the others are none: every gate is asked about every model, and all reasons are kept, not the first."""
    refused = dict(pool.refused)
    for gate in gates:
        if gate.applies is None or gate.applies(ask):
            for model in pool.models:
                if (reason := gate.refuse(ask, model)) is not None:
                    refused[model.id] = (*refused.get(model.id, ()), Verdict(gate.name, gate.kind, reason))
    if len(refused) == len(pool.refused) and pool.sound.models:
        return pool.sound, refused
    return Field.of([model for model in pool.models if model.id not in refused]), refused


def _last_resort(pool: Pool, refused: dict[str, tuple[Verdict, ...]]) -> Field:
    """With everything legal out of service, it is tried all the same: refusing without a call would be no better than a failed one."""
    legal = [model for model in pool.models if all(verdict.gate == "health" for verdict in refused.get(model.id, ()))]
    for model in legal:
        del refused[model.id]
    return Field.of(legal)


def _judge_estimates(
    ask: Ask, field: Field, estimates: Estimates, gates: Sequence[EstimateGate], refused: dict[str, tuple[Verdict, ...]]
) -> tuple[Field, Estimates, dict[str, Estimate]]:
    """The gates that need an estimate: whom they refuse is added to `refused`, and its estimate is kept."""
    active = [gate for gate in gates if gate.applies is None or gate.applies(ask)]
    floored: dict[str, Estimate] = {}
    if not active:
        return field, estimates, floored
    kept: list[int] = []
    for at, model in enumerate(field.models):
        estimate = estimates.row(at)
        verdicts = [Verdict(gate.name, gate.kind, reason) for gate in active if (reason := gate.refuse(ask, model, estimate)) is not None]
        if verdicts:
            refused[model.id], floored[model.id] = tuple(verdicts), estimate
        else:
            kept.append(at)
    if not floored:
        return field, estimates, floored
    return Field.of([field.models[at] for at in kept]), estimates.among(kept), floored


def _rank(names: Sequence[str], estimates: Estimates, scores: Scores, fallbacks: Set[str], prefer: Sequence[str]) -> list[int]:
    """Places, best first: the route's models before those that are only fallbacks, preferred ones before others, then by total.

    Ties go to quality, then to the lower cost, then to the name.
    """
    total, quality = scores.total, scores.quality
    if not fallbacks and not prefer and len(set(total)) == len(total):
        return sorted(range(len(names)), key=total.__getitem__, reverse=True)
    costs = [float("inf") if cost is None else cost for cost in estimates.cost_picousd]
    keys = [
        (name in fallbacks, name not in prefer, -points, -good, cost, name)
        for name, points, good, cost in zip(names, total, quality, costs, strict=True)
    ]
    return sorted(range(len(names)), key=keys.__getitem__)


def _plan(order: Sequence[str], passed: Set[str], route: Route, ruling: Ruling, snapshot: Snapshot) -> Plan | None:
    if not order:
        return None
    said = ruling.plan or route.plan
    kind = said or ("fallback" if route.fallback or route.fallback_on or route.human else "single")
    if kind == "single":
        return Plan("single", (order[0],), human=route.human)
    first = order[0]
    rest = route.fallback or (order if said else ())
    models = (first, *(name for name in rest if name in passed and name != first))
    chains = tuple((fault, tuple(name for name in chain if name in passed)) for fault, chain in route.fallback_on)
    return Plan(kind, models, chains + _larger(models, chains, snapshot), route.human)


def _larger(models: tuple[str, ...], chains: Chains, snapshot: Snapshot) -> Chains:
    """Where nothing else is said, a request that is too long for the first model goes on to those with a larger context."""
    if any(fault == "context_length" for fault, _ in chains):
        return ()
    context = snapshot.models[models[0]].context_tokens
    larger = tuple(name for name in models if snapshot.models[name].context_tokens > context)
    return (("context_length", larger),) if larger else ()


def _tightest(*budgets_ms: float | None) -> float | None:
    return min((budget for budget in budgets_ms if budget is not None), default=None)
