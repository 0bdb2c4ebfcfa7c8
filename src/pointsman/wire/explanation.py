"""A decision as people and programs read it: every candidate, every reason, every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pointsman.core.candidate import Candidate
from pointsman.core.codec import to_builtins
from pointsman.core.decide import untried_of
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask
from pointsman.core.latency import Of, Reading, Sla, reading
from pointsman.core.model import Model
from pointsman.core.outcome import Outcome
from pointsman.core.plan import LOOKING, Plan
from pointsman.core.planning import kind_of, p95_of
from pointsman.core.prices import usd
from pointsman.core.score import Estimate, Score
from pointsman.core.snapshot import Route, Snapshot, TaskPolicy
from pointsman.core.unmet import on_none


def explanation(decision: Decision, snapshot: Snapshot, outcomes: Sequence[Outcome] = ()) -> dict[str, Any]:
    """The JSON object behind `/v1/explain`, `/v1/decisions/{id}` and `pointsman explain`. Money in USD, as exact decimal text."""
    request, signals, ruling = decision.request, decision.signals, decision.ruling
    return {
        "id": request.id,
        "object": "decision",
        "route": decision.route,
        "model": decision.chosen,
        "plan": _plan(decision, snapshot),
        "reason": reason(decision, snapshot),
        "snapshot": decision.snapshot,
        "seed": decision.seed,
        "propensity": decision.propensity,
        "request": {**to_builtins(request), "content": None},
        "signals": {**to_builtins(signals), "input_tokens": signals.tokens.input, "output_tokens": signals.tokens.output},
        "learned": to_builtins(snapshot.learned),
        "task": ruling.task,
        "labels": list(ruling.labels),
        "rules": list(ruling.matched),
        "policies": list(ruling.policies),
        "errors": list(ruling.errors),
        "flags": [] if decision.plan is None else list(decision.plan.flags),
        "service_level": _service_level(decision, snapshot),
        "form": decision.form,
        "weights": to_builtins(decision.weights),
        "candidates": [_candidate(candidate, decision, snapshot) for candidate in decision.candidates],
        "calls": [_call(outcome) for outcome in outcomes],
    }


def reason(decision: Decision, snapshot: Snapshot) -> str:
    """Why it came out so, in one sentence.

    Names the runner-up and the terms that decided.
    """
    survivors = [c for c in decision.candidates if not c.verdicts]
    refused = len(decision.candidates) - len(survivors)
    among = f"{refused} of {len(decision.candidates)} candidates refused by gates"
    if not survivors:
        person = "; a person is asked" if decision.plan is not None else ""
        return f"every candidate was refused: {among}{person}"
    first, plan = survivors[0], decision.plan
    if plan is not None and plan.models and plan.models[0] != first.model:
        order = "tiers" if plan.kind in ("cascade", "escalate") else "members"
        return f"`{plan.models[0]}` is the first of the plan's {order}, whatever ranks first: that is `{first.model}` ({among})"
    if first.set_aside:
        short = ", ".join(verdict.reason for verdict in first.set_aside)
        return f"no candidate keeps what is asked; `{first.model}` misses it least: {short}{f' ({among})' if refused else ''}"
    if len(survivors) == 1:
        return f"`{first.model}` is the only candidate left ({among})"
    second = survivors[1]
    assert first.score is not None
    assert second.score is not None
    route = snapshot.route_of(decision.request, decision.route)
    if route is not None and first.model in route.models and second.model not in route.models:
        return f"`{first.model}` is the best of the route's models; `{second.model}` is there as a fallback only ({among})"
    if first.model in decision.ruling.prefer and second.model not in decision.ruling.prefer:
        return f"`{first.model}` is preferred by a rule ({among})"
    untried = [c for c in survivors if c.model in _untried(survivors, decision, route)]
    if first in untried and not decision.ruling.prefer:
        share = round(100 * decision.propensity * len(untried), 6)
        drawn = f"`{first.model}` was drawn by lot (`learned.explore`: {share:g} %), since nothing was learned of it"
        return f"{drawn}; otherwise `{second.model}` at {second.score.total:.3f} ({among})"
    last = _last(first.score, () if first in untried else untried, second)
    if second in untried and first not in untried:
        return f"`{first.model}` scores {first.score.total:.3f}{last} ({among})"
    ahead = f"`{first.model}` scores {first.score.total:.3f}, ahead of `{second.model}` at {second.score.total:.3f}"
    if first.score.total == second.score.total:
        return f"{ahead} on the tie-break: quality, then cost, then name{last} ({among})"
    ours, theirs = (_weighted(points, decision) for points in (first.score, second.score))
    gains = sorted(((ours[term] - theirs[term], term) for term in _TERMS), reverse=True)
    return f"{ahead}: {', '.join(f'{term} +{gain:.3f}' for gain, term in gains if gain > 0)}{last} ({among})"


def _untried(survivors: Sequence[Candidate], decision: Decision, route: Route | None) -> Sequence[str]:
    """The survivors that were set back, or drawn by lot, because nothing was learned of them."""
    if not decision.signals.predicted:
        return ()
    fallbacks = frozenset() if route is None else frozenset(route.candidates).difference(route.models)
    return untried_of(decision.signals, [each.model for each in survivors], fallbacks)


def _last(first: Score, untried: Sequence[Candidate], second: Candidate) -> str:
    """Of whom it must be said why they are asked last: those that score more than the first, and the second, whatever it scores."""
    named = [c for c in untried if c.score is not None and (c.score.total > first.total or c is second)]
    if not named:
        return ""
    names = " and ".join(f"`{c.model}`{'' if c.score is None else f' at {c.score.total:.3f}'}" for c in named)
    return f"; {names} {'is' if len(named) == 1 else 'are'} asked last: nothing was learned of {'it' if len(named) == 1 else 'them'}"


_NO_SLA = Sla(float("inf"))
_TIMED: tuple[Of, ...] = ("whole", "first_token")
_TERMS = ("quality", "cost", "latency", "security", "energy")


def _plan(decision: Decision, snapshot: Snapshot) -> dict[str, Any] | None:
    """Who is asked, whether a person has to approve what they answer, and how long all of it takes."""
    if decision.plan is None:
        return None
    route = _route(decision, snapshot)
    whole, first = _took(decision.plan, decision, snapshot)
    return {
        **to_builtins(decision.plan),
        "approval": route.execution.review.approval,
        "p95_ms": whole[0],
        "p95_source": whole[1],
        "first_token_p95_ms": first[0],
        "first_token_p95_source": first[1],
    }


Source = Literal["measured", "partly measured", "prior"]
"""Where a time comes from, of which there may be several in one."""

_UNTIMED: tuple[None, None] = (None, None)


def _took(plan: Plan, decision: Decision, snapshot: Snapshot) -> Sequence[tuple[float, Source] | tuple[None, None]]:
    """The whole answer and the first token, as the first SLA reckons them, where there is one.

    One is measured of some calls and the other of others, or of none: where they contradict each other what is measured holds for both.
    """
    route = _route(decision, snapshot)
    ask = Ask(decision.request, decision.signals, decision.ruling, route.name)
    took = p95_of(plan, _first_sla(decision, snapshot), ask, route, snapshot, decision.estimate)
    if took is None:
        return _UNTIMED, _UNTIMED
    # A plan that looks at answers gives no token before some of them are whole.
    whole = round(took.whole_ms, 3), _source(("whole",), plan, decision, snapshot)
    first = round(took.first_token_ms, 3), _source(_TIMED if plan.kind in LOOKING else ("first_token",), plan, decision, snapshot)
    if first[0] < whole[0]:
        return whole, first
    return (whole, whole) if first[0] == whole[0] or first[1] == "prior" else (first, first)


def _source(timed: Sequence[Of], plan: Plan, decision: Decision, snapshot: Snapshot) -> Source:
    asked = (*plan.models, *plan.helpers) if plan.kind in LOOKING else plan.models[:1]
    known = [(of, snapshot.models[name], decision.estimate(name)) for name in asked for of in timed]
    measured = [bool(found.samples) for each in known if (found := _timed(*each, decision, snapshot))]
    return "prior" if not any(measured) else "measured" if all(measured) else "partly measured"


def _timed(of: Of, model: Model, estimate: Estimate | None, decision: Decision, snapshot: Snapshot) -> Reading | None:
    """What is measured of a model, or else expected, as the first SLA counts."""
    sla = replace(_first_sla(decision, snapshot), of=of)
    return None if estimate is None else reading(sla, snapshot.latencies, model, decision.ruling.task, estimate)


def _first_sla(decision: Decision, snapshot: Snapshot) -> Sla:
    task = snapshot.tasks.get(decision.ruling.task, TaskPolicy())
    return next(iter(snapshot.slas(_route(decision, snapshot), task).wanted), _NO_SLA)


def _service_level(decision: Decision, snapshot: Snapshot) -> dict[str, Any]:
    """What candidates must keep, and what happens where none does."""
    route, task = _route(decision, snapshot), snapshot.tasks.get(decision.ruling.task, TaskPolicy())
    return {
        "quality_floor": max(route.quality_floor, task.quality_floor, decision.ruling.quality_floor),
        "sla": [to_builtins(sla) for sla in snapshot.slas(route, task, kind_of(decision.ruling.plan, route)).wanted],
        "on_none": on_none(route.on_none, task.on_none),
    }


def _route(decision: Decision, snapshot: Snapshot) -> Route:
    return snapshot.route_of(decision.request, decision.route) or Route(decision.route, ())


def _latency(sla: Sla, model: Model, estimate: Estimate, decision: Decision, snapshot: Snapshot) -> dict[str, Any]:
    """What one SLA was compared with."""
    found = reading(sla, snapshot.latencies, model, decision.ruling.task, estimate)
    return {
        "of": sla.of,
        "p95_ms": round(found.p95_ms, 3),
        "limit_ms": sla.p95_ms,
        "source": "measured" if found.samples else "prior",
        "samples": found.samples,
        "task": found.task,
        "kept": found.p95_ms <= sla.p95_ms,
    }


def _candidate(candidate: Candidate, decision: Decision, snapshot: Snapshot) -> dict[str, Any]:
    model = snapshot.models[candidate.model]
    task = snapshot.tasks.get(decision.ruling.task, TaskPolicy())
    estimate, points, price, prior = candidate.estimate, candidate.score, model.price, model.prior(decision.ruling.task)
    route = _route(decision, snapshot)
    told = next((one for one in decision.signals.predicted if one.model == model.id), None)
    wanted = () if estimate is None else snapshot.slas(route, task, kind_of(decision.ruling.plan, route)).wanted
    return {
        "model": candidate.model,
        "eligible": candidate.eligible,
        "verdicts": to_builtins(candidate.verdicts),
        "set_aside": to_builtins(candidate.set_aside),
        "late": candidate.late,
        "sla": [] if estimate is None else [_latency(sla, model, estimate, decision, snapshot) for sla in wanted],
        "estimate": None
        if estimate is None
        else {
            **{name: value for name, value in to_builtins(estimate).items() if name != "cost_picousd"},
            "cost_usd": None if estimate.cost_picousd is None else usd(estimate.cost_picousd),
        },
        "terms": None if points is None else {term: getattr(points, term) for term in _TERMS},
        "weighted": None if points is None else _weighted(points, decision),
        "total": None if points is None else points.total,
        "price": None if price is None else _price(to_builtins(price)),
        "quality_source": "learned" if told is not None else prior.source,
        "measured": [
            {"of": of, "p95_ms": round(found.p95_ms, 3), "samples": found.samples}
            for of in _TIMED
            if (found := _timed(of, model, estimate, decision, snapshot)) is not None and found.samples
        ],
        "output_tokens": None if told is None else told.output_tokens,
        "prior": to_builtins(prior),
        "latency_source": model.speed.source,
        "perimeter": model.perimeter,
        "region": model.region,
    }


def _weighted(points: Score, decision: Decision) -> dict[str, float]:
    """What each term adds to the total, in the form of that total: the subtractive one takes costs away and has no security."""
    weights = decision.weights
    added = {term: getattr(points, term) * getattr(weights, term) for term in _TERMS}
    if decision.form == "subtractive":
        added |= {term: added[term] - getattr(weights, term) for term in ("cost", "latency", "energy")} | {"security": 0.0}
    return {term: round(value, 6) for term, value in added.items()}


def _price(price: Mapping[str, Any]) -> dict[str, Any]:
    per_token = ("input", "output", "cached_input", "reasoning")
    named = {f"{name}_usd_per_mtok": usd(price[name] * 10**6) for name in per_token if price[name] is not None}
    if price["per_second"] is not None:
        named["usd_per_second"] = usd(price["per_second"])
    return {**named, "source": price["source"], "as_of": price["as_of"]}


def _call(outcome: Outcome) -> dict[str, Any]:
    said = {name: value for name, value in to_builtins(outcome).items() if name not in {"decision", "cost_picousd"}}
    return {**said, "cost_usd": None if outcome.cost_picousd is None else usd(outcome.cost_picousd)}
