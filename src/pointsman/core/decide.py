"""`decide`: the one function behind live traffic, dry runs, replay and shadow."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.candidate import Candidate
from pointsman.core.clearance import _seal
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask, Gates, Verdict
from pointsman.core.model import Model
from pointsman.core.plan import Plan
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.ruling import rule
from pointsman.core.score import Estimate, Score, score
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot, TaskPolicy

_NO_TASK_POLICY = TaskPolicy()


def decide(request: Request, signals: Signals, snapshot: Snapshot, route: Route, seed: int) -> Decision:
    """Choose a model for a request under a route.

    Pure: no clock, network, environment or randomness but `seed`. Every candidate of the route is in the result, the refused with every
    reason. With no survivor `plan` is `None`; nothing is ever chosen by default.
    """
    ruling = rule(request, signals, snapshot, route)
    task = snapshot.tasks.get(ruling.task, _NO_TASK_POLICY)
    weights = ruling.weights or task.weights or route.weights
    ask = Ask(
        request=request,
        signals=signals,
        ruling=ruling,
        route=route.name,
        quality_floor=max(route.quality_floor, task.quality_floor),
        refuse_unknown_price=route.unknown_price == "refuse",
    )
    models = [snapshot.models[name] for name in route.candidates]
    survivors, refused = _judge(ask, models, snapshot)
    estimates = snapshot.estimator(ask, survivors)
    survivors, estimates, floored = _judge_estimates(ask, survivors, estimates, snapshot.gates)
    scores = score(
        estimates,
        [model.security for model in survivors],
        weights,
        route.form,
        route.bounds,
        _tightest(route.latency_budget_ms, task.latency_budget_ms),
    )
    ranked = _rank(survivors, estimates, scores, route, ruling.prefer)
    order = tuple(candidate.model for candidate in ranked)
    return Decision(
        request=request,
        signals=signals,
        snapshot=snapshot.id,
        route=route.name,
        seed=seed,
        ruling=ruling,
        weights=weights,
        form=route.form,
        candidates=(*ranked, *sorted((*refused, *floored), key=_name)),
        plan=_plan(order, route, ruling),
        clearances=_seal(request.id, frozenset(order), snapshot.id),
    )


def _judge(ask: Ask, models: Sequence[Model], snapshot: Snapshot) -> tuple[list[Model], list[Candidate]]:
    """Ask every gate about every model; all reasons are kept, not the first."""
    gates = [gate for gate in snapshot.gates.request if gate.applies is None or gate.applies(ask)]
    standing = snapshot.standing
    survivors: list[Model] = []
    refused: list[Candidate] = []
    for model in models:
        verdicts = standing[model.id]
        for gate in gates:
            if (reason := gate.refuse(ask, model)) is not None:
                verdicts += (Verdict(gate.name, gate.kind, reason),)
        if verdicts:
            refused.append(Candidate(model.id, verdicts))
        else:
            survivors.append(model)
    return survivors, refused


def _judge_estimates(
    ask: Ask, models: list[Model], estimates: list[Estimate], gates: Gates
) -> tuple[list[Model], list[Estimate], list[Candidate]]:
    """The gates that need an estimate."""
    active = [gate for gate in gates.estimate if gate.applies is None or gate.applies(ask)]
    if not active:
        return models, estimates, []
    kept: list[tuple[Model, Estimate]] = []
    refused: list[Candidate] = []
    for model, estimate in zip(models, estimates, strict=True):
        verdicts = tuple(
            Verdict(gate.name, gate.kind, reason) for gate in active if (reason := gate.refuse(ask, model, estimate)) is not None
        )
        if verdicts:
            refused.append(Candidate(model.id, verdicts, estimate))
        else:
            kept.append((model, estimate))
    return [model for model, _ in kept], [estimate for _, estimate in kept], refused


def _rank(
    models: Sequence[Model], estimates: Sequence[Estimate], scores: Sequence[Score], route: Route, prefer: tuple[str, ...]
) -> list[Candidate]:
    """Best first: the route's models before those that are only fallbacks, preferred ones before others, then by total.

    Ties go to quality, then to the lower cost, then to the name.
    """
    first_choice = frozenset(route.models)
    keyed = sorted(
        (
            model.id not in first_choice,
            model.id not in prefer,
            -points.total,
            -estimate.quality,
            float("inf") if estimate.cost_picousd is None else estimate.cost_picousd,
            model.id,
            Candidate(model.id, (), estimate, points),
        )
        for model, estimate, points in zip(models, estimates, scores, strict=True)
    )
    return [key[-1] for key in keyed]


def _plan(order: tuple[str, ...], route: Route, ruling: Ruling) -> Plan | None:
    if not order:
        return None
    kind = ruling.plan or route.plan or ("fallback" if route.fallback else "single")
    if kind == "single":
        return Plan("single", order[:1])
    chain = route.fallback or order
    return Plan("fallback", (order[0], *(name for name in chain if name in order and name != order[0])))


def _tightest(*budgets_ms: float | None) -> float | None:
    return min((budget for budget in budgets_ms if budget is not None), default=None)


def _name(candidate: Candidate) -> str:
    return candidate.model
