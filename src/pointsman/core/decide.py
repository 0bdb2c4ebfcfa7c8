"""`decide`: the one function behind live traffic, dry runs, replay and shadow.

It works on columns (a list a quantity) and leaves the rest to `Findings`: whole candidates are made when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from types import MappingProxyType

from pointsman.core.budget import Pressure, frugal, thrifty
from pointsman.core.candidate import Findings
from pointsman.core.clearance import _seal
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask, EstimateGate, Verdict
from pointsman.core.latency import Slas, missed
from pointsman.core.model import Model
from pointsman.core.planning import kind_of, plan_of, ranks
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
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
    ruling, pool = rule(request, signals, snapshot, route), snapshot.pool(route)
    # What is wanted of answers says nothing of a model that only reads.
    task = _NO_TASK_POLICY if request.reads_for else snapshot.tasks.get(ruling.task, _NO_TASK_POLICY)
    weights = ruling.weights or task.weights or route.weights
    ask = _ask(request, signals, ruling, pool, task, snapshot)
    field, refused = _judge(ask, pool)
    field, helpers = _apart(field, route.helpers)
    estimates = snapshot.estimator(ask, field.models)
    field, estimates, floored = _judge_estimates(ask, field, estimates, snapshot.gates.estimate, refused)
    if not field.models and (resort := _last_resort(request, pool, refused)).models:
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
    scores = score(estimates, field.security, weights, route.form, route.bounds, _tightest(route, task), late)
    untried = () if unmet.models or not signals.predicted else untried_of(signals, field.names, pool.fallbacks)
    ranked = range(len(field.names)) if unmet.models else _rank(field.names, estimates, scores, pool.fallbacks, ruling.prefer, untried)
    # Never where a floor is to be kept, or a rule or the plan says whom to take.
    explore = 0.0 if ask.quality_floor or ruling.prefer or not ranks(ruling.plan, route) else snapshot.explore
    places, propensity = _explored(list(ranked), [field.names.index(name) for name in untried], explore, seed)
    order = list(map(field.names.__getitem__, places))
    passed = helpers.union(order)
    findings = Findings(field.names, estimates, scores, places, refused, floored, unmet.set_aside, late)
    plan = plan_of(order, passed, ask, route, snapshot, findings.estimate)
    if snapshot.health and plan is not None and unmet is NOTHING and (unwell := _resort(ask, pool, snapshot, estimates, refused, floored)):
        plan, passed = replace(plan, resort=unwell), passed.union(unwell)
    return Decision(
        request=request,
        signals=signals,
        snapshot=snapshot.id,
        route=route.name,
        seed=seed,
        propensity=propensity,
        ruling=ruling,
        weights=weights,
        form=route.form,
        candidates=(),
        plan=plan if unmet is NOTHING else unmet.marked(plan),
        clearances=_seal(request.id, passed, snapshot.id),
        findings=findings,
    ).untold()


def _ask(request: Request, signals: Signals, ruling: Ruling, pool: Pool, task: TaskPolicy, snapshot: Snapshot) -> Ask:
    route = pool.route
    return Ask(
        request,
        signals,
        ruling,
        route.name,
        max(route.quality_floor, task.quality_floor, ruling.quality_floor),
        route.unknown_price == "refuse",
        pool.least,
        None if route.sla is None and task.sla is None else snapshot.slas(route, task, kind_of(ruling.plan, route)),
    )


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


def _last_resort(request: Request, pool: Pool, refused: Refused) -> Field:
    """With everything legal out of service, it is tried all the same: refusing without a call would be no better than a failed one.

    What is only to be read can do without.
    """
    legal = [] if request.reads_for else _unwell(pool, refused)
    for model in legal:
        del refused[model.id]
    return Field.of(legal)


def _unwell(pool: Pool, refused: Refused) -> list[Model]:
    """Those that nothing but their health keeps out."""
    answering = [model for model in pool.models if model.id in refused and model.id not in pool.route.helpers]
    return [model for model in answering if all(verdict.gate == "health" for verdict in refused[model.id])]


def _resort(
    ask: Ask, pool: Pool, snapshot: Snapshot, survivors: Estimates, refused: Refused, floored: dict[str, Estimate]
) -> tuple[str, ...]:
    """Whom to call where no survivor can be: those that nothing but their health keeps out, in the route's order.

    They pass the gates that need an estimate, too, and are cheap enough beside the survivors; what was expected of them is in `floored`.
    """
    unwell = Field.of(_unwell(pool, refused))
    if not unwell.models:
        return ()
    estimates = snapshot.estimator(ask, unwell.models)
    unwell, estimates, _ = _judge_estimates(ask, unwell, estimates, snapshot.gates.estimate, {})
    if (pressure := ask.signals.budget) is not None:
        costs = [*survivors.cost_picousd, *estimates.cost_picousd]
        first = len(survivors.cost_picousd)
        kept = [at - first for at in thrifty(costs, pressure.does) if at >= first]
        unwell, estimates = Field.of([unwell.models[at] for at in kept]), estimates.among(kept)
    floored.update(zip(unwell.names, map(estimates.row, range(len(unwell.names))), strict=True))
    return tuple(unwell.names)


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


def untried_of(signals: Signals, names: Sequence[str], fallbacks: Set[str]) -> Sequence[str]:
    """Those of whom nothing was learned, where something was learned of others: what is stated of a model draws no traffic by itself.

    `names` are the survivors' in any order, and the result is in that order; `fallbacks` (models that only chains name) come last anyway.
    """
    learned = {one.model for one in signals.predicted}
    own = [name for name in names if name not in fallbacks]
    untried = [name for name in own if name not in learned]
    return untried if len(untried) < len(own) else ()


def _explored(places: list[int], untried: Sequence[int], share: float, seed: int) -> tuple[list[int], float]:
    """For a share of requests, one of the untried by lot goes first. With the probability of what is first now."""
    if not untried or not share:
        return places, 1.0
    drawn = seed / 2.0**53
    if drawn >= share:
        return places, 1.0 - share
    first = untried[min(int(drawn / share * len(untried)), len(untried) - 1)]
    return [first, *(at for at in places if at != first)], share / len(untried)


def _rank(
    names: Sequence[str],
    estimates: Estimates,
    scores: Scores,
    fallbacks: Set[str],
    prefer: Sequence[str],
    untried: Sequence[str],
) -> list[int]:
    """Places, best first: the route's models before those that are only fallbacks, preferred ones before others, untried ones last, then
    by total.

    Ties go to quality, then to the lower cost, then to the name.
    """
    total, quality = scores.total, scores.quality
    if not fallbacks and not prefer and not untried and len(set(total)) == len(total):
        return sorted(range(len(names)), key=total.__getitem__, reverse=True)
    costs = [float("inf") if cost is None else cost for cost in estimates.cost_picousd]
    keys = [
        (name in fallbacks, name not in prefer, name in untried, -points, -good, cost, name)
        for name, points, good, cost in zip(names, total, quality, costs, strict=True)
    ]
    return sorted(range(len(names)), key=keys.__getitem__)


def _tightest(route: Route, task: TaskPolicy) -> float | None:
    one_ms, other_ms = route.latency_budget_ms, task.latency_budget_ms
    if one_ms is None or other_ms is None:
        return other_ms if one_ms is None else one_ms
    return min(one_ms, other_ms)
