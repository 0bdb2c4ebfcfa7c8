"""`decide`: the one function behind live traffic, dry runs, replay and shadow.

It works on columns (a list a quantity) and leaves the rest to `Findings`: whole candidates are made when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType

from pointsman.core.budget import Pressure, frugal, thrifty
from pointsman.core.candidate import Findings
from pointsman.core.clearance import _seal
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask, EstimateGate, Verdict
from pointsman.core.latency import Slas, missed
from pointsman.core.planning import kind_of, plan_of
from pointsman.core.request import Request
from pointsman.core.ruling import rule
from pointsman.core.score import Estimate, Estimates, Scores, score
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Field, Pool, Refused, Route, Snapshot, TaskPolicy, add_refused
from pointsman.core.unmet import NOTHING, answer_unmet, on_none

_NO_TASK_POLICY = TaskPolicy()
_NO_HELPERS: frozenset[str] = frozenset()
_NOBODY: Mapping[int, str] = MappingProxyType({})


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
        quality_floor=max(route.quality_floor, task.quality_floor, ruling.quality_floor),
        refuse_unknown_price=route.unknown_price == "refuse",
        least=pool.least,
        slas=None if route.sla is None and task.sla is None else snapshot.slas(route, task, kind_of(ruling.plan, route)),
    )
    field, refused = _judge(ask, pool)
    field, helpers = _apart(field, route.helpers)
    estimates = snapshot.estimator(ask, field.models)
    field, estimates, floored = _judge_estimates(ask, field, estimates, snapshot.gates.estimate, refused)
    if not field.models and (resort := _last_resort(pool, refused)).models:
        estimates = snapshot.estimator(ask, resort.models)
        field, estimates, more = _judge_estimates(ask, resort, estimates, snapshot.gates.estimate, refused)
        floored |= more
    pressure = signals.budget
    if pressure is not None and pressure.does in ("downgrade", "cheapest"):
        weights = frugal(weights)
        field, estimates = _thrifty(pressure, field, estimates, refused, floored)
    unmet = NOTHING
    if floored and not field.models:
        answer = on_none(route.on_none, task.on_none)
        unmet = answer_unmet(answer, ask, pool.models, pool.refused, snapshot.gates.estimate, refused, floored)
        refused = {name: why for name, why in refused.items() if name not in unmet.set_aside}
        field, estimates = Field.of(unmet.models), Estimates.of([floored[model.id] for model in unmet.models])
    late = _NOBODY if ask.slas is None else _late(ask, ask.slas, field, estimates)
    budget_ms = _tightest(route.latency_budget_ms, task.latency_budget_ms)
    scores = score(estimates, field.security, weights, route.form, route.bounds, budget_ms, late)
    places = list(range(len(field.names))) if unmet.models else _rank(field.names, estimates, scores, pool.fallbacks, ruling.prefer)
    order = [field.names[at] for at in places]
    passed = helpers.union(order)
    findings = Findings(field.names, estimates, scores, places, refused, floored, unmet.set_aside, late)
    plan = plan_of(order, passed, ask, route, snapshot, findings.estimate)
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
        plan=plan if unmet is NOTHING else unmet.marked(plan),
        clearances=_seal(request.id, passed, snapshot.id),
        findings=findings,
    ).untold()


def _judge(ask: Ask, pool: Pool) -> tuple[Field, Refused]:
    """Survivors, and why the others are none."""
    field, known = pool.judged(ask.ruling.requirements, ask.ruling.prohibitions)
    refused = add_refused(pool.asked, ask, pool.models, dict(known))
    if len(refused) == len(known):
        return field, refused
    return pool.without(refused), refused


def _apart(field: Field, helpers: frozenset[str]) -> tuple[Field, frozenset[str]]:
    """Those that may answer, and the names of those that passed but only look at others' answers."""
    if not helpers:
        return field, _NO_HELPERS
    answering = Field.of([model for model in field.models if model.id not in helpers])
    return answering, helpers.intersection(field.names)


def _last_resort(pool: Pool, refused: Refused) -> Field:
    """With everything legal out of service, it is tried all the same: refusing without a call would be no better than a failed one."""
    answering = [model for model in pool.models if model.id not in pool.route.helpers]
    legal = [model for model in answering if all(verdict.gate == "health" for verdict in refused.get(model.id, ()))]
    for model in legal:
        del refused[model.id]
    return Field.of(legal)


def _judge_estimates(
    ask: Ask, field: Field, estimates: Estimates, gates: Sequence[EstimateGate], refused: Refused
) -> tuple[Field, Estimates, dict[str, Estimate]]:
    """The gates that need an estimate: whom they refuse is added to `refused`, and its estimate is kept."""
    active = [gate for gate in gates if (applies := gate.applies) is None or applies(ask)]
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


def _thrifty(
    pressure: Pressure,
    field: Field,
    estimates: Estimates,
    refused: Refused,
    floored: dict[str, Estimate],
) -> tuple[Field, Estimates]:
    """Those who are cheap enough for budgets of which little is left; the others are added to `refused`."""
    kept = thrifty(estimates.cost_picousd, pressure.does)
    for at in set(range(len(field.models))).difference(kept):
        name = field.names[at]
        refused[name] = (Verdict("budget", "budget", f"too dear for now: {pressure.budget} asks for `{pressure.does}`"),)
        floored[name] = estimates.row(at)
    return Field.of([field.models[at] for at in kept]), estimates.among(kept)


def _late(ask: Ask, slas: Slas, field: Field, estimates: Estimates) -> Mapping[int, str]:
    """Places of the candidates that an SLA penalises, and why."""
    found: dict[int, str] = {}
    for sla in slas.of("penalise"):
        for at, model in enumerate(field.models):
            if (why := missed(sla, slas.latencies, model, ask.ruling.task, estimates.row(at))) is not None:
                found.setdefault(at, why)
    return found


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


def _tightest(one_ms: float | None, other_ms: float | None) -> float | None:
    if one_ms is None or other_ms is None:
        return other_ms if one_ms is None else one_ms
    return min(one_ms, other_ms)
