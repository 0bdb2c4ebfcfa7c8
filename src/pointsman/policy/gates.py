"""The gates: one function each, which returns the reason of its "no" as a sentence, or nothing.

To add one: write the function, add one line to `GATES`, and give it a heading in `docs/gates.md`. `docs/add-a-gate.md` walks through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pointsman.core.apis import missing, spoken
from pointsman.core.budget import Spend, too_dear
from pointsman.core.gate import Ask, EstimateGate, Gate, Gates, StandingGate
from pointsman.core.labels import close
from pointsman.core.latency import missed, shortfall
from pointsman.core.model import Model
from pointsman.core.score import Estimate
from pointsman.core.signals import Tokens


def enabled(model: Model) -> str | None:
    """Refuse a model that is switched off.

    >>> enabled(Model("m", disabled="contract ended"))
    'switched off: contract ended'
    """
    return None if model.disabled is None else f"switched off: {model.disabled}"


def approved(ask: Ask, model: Model) -> str | None:
    """Refuse a model without approval where a policy asks for it."""
    if model.approved:
        return None
    owners = [owner for owner, require in ask.ruling.requirements if require.approved]
    return f"not approved, which {_and(owners)} requires" if owners else None


def provider(ask: Ask, model: Model) -> str | None:
    """Refuse a provider that a policy does not allow."""
    return _attribute(ask, "provider", model.provider)


def named(ask: Ask, model: Model) -> str | None:
    """Refuse a model that a policy does not allow by name."""
    return _attribute(ask, "model", model.id)


def perimeter(ask: Ask, model: Model) -> str | None:
    """Refuse a model outside the perimeter that a policy requires."""
    return _attribute(ask, "perimeter", model.perimeter)


def region(ask: Ask, model: Model) -> str | None:
    """Refuse a model outside the regions that a policy requires; a model that states no region is in none."""
    return _attribute(ask, "region", model.region)


def tags(ask: Ask, model: Model) -> str | None:
    """Refuse a model that lacks a required tag (a certification, a retention term) or has a forbidden one."""
    for owner, require in ask.ruling.requirements:
        if missing := sorted(set(require.tags or ()) - set(model.tags)):
            return f"lacks {_and(missing)}, which {owner} requires"
    for owner, forbid in ask.ruling.prohibitions:
        if present := sorted(set(forbid.tags or ()) & set(model.tags)):
            return f"has {_and(present)}, which {owner} forbids"
    return None


def key(ask: Ask, model: Model) -> str | None:
    """Refuse what the caller's key may not use: the route, or the model."""
    caller = ask.request.caller
    if caller.routes is not None and ask.route not in caller.routes:
        return f"key `{caller.key}` may not use `{ask.route}`"
    if caller.models is not None and model.id not in caller.models:
        return f"key `{caller.key}` may not use `{model.id}`"
    return None


def labels(ask: Ask, model: Model) -> str | None:
    """Refuse every model to a request that carries a label which its key may not send."""
    caller = ask.request.caller
    if caller.allowed_labels is None:
        return None
    allowed = {implied for label in caller.allowed_labels for implied in close((label,), frozenset({label}))}
    beyond = sorted(set(ask.ruling.labels) - allowed)
    return f"carries {_and(beyond)}, which key `{caller.key}` may not send" if beyond else None


def excluded(ask: Ask, model: Model) -> str | None:
    """Refuse a model that a matching rule excludes."""
    for name, owner in ask.ruling.exclude:
        if name == model.id:
            return f"excluded by rule `{owner}`"
    return None


def api(ask: Ask, model: Model) -> str | None:
    """Refuse a model that is asked in an API which has no words for what the request asks."""
    request = ask.request
    if request.api in model.apis or spoken(model.apis, request.api, request.features) is not None:
        return None
    lost = sorted({name.removeprefix("native:") for other in model.apis for name in missing(other, request.api, request.features)})
    speaks = f"speaks {_and(model.apis)}"
    return f"{speaks}, which cannot say {_and(lost)}" if lost else f"{speaks}, request is in {request.api}"


def fields(ask: Ask, model: Model) -> str | None:
    """Refuse a model that refuses a field of the request which must not be left out."""
    refused = sorted(set(ask.request.features) & set(model.refuses.always))
    return f"refuses {_and(refused)}" if refused else None


def context(ask: Ask, model: Model) -> str | None:
    """Refuse a model whose context window is too small for the input and the output: the client's limit, else what is expected."""
    tokens = ask.signals.tokens
    count, room = tokens.input_for(model.tokenizer), tokens.output if tokens.room is None else tokens.room
    if (needed := count.tokens + room) > model.context_tokens:
        about = "" if count.exact else "about "
        return f"needs {about}{needed:,} tokens ({count.tokens:,} in, {room:,} out), context is {model.context_tokens:,}"
    return None


def tools(ask: Ask, model: Model) -> str | None:
    """Refuse a model that cannot call tools when tools are offered."""
    return None if model.capabilities.tools else f"cannot call tools, request offers {len(ask.request.tools)}"


def parallel_tools(ask: Ask, model: Model) -> str | None:
    """Refuse a model that cannot call several tools at once when that is asked for."""
    return None if model.capabilities.parallel_tools else "cannot call several tools at once, request asks for it"


def strict_tools(ask: Ask, model: Model) -> str | None:
    """Refuse a model that does not keep to a tool's schema when one is offered with `strict`."""
    return None if model.capabilities.strict_tools else "does not keep to the schemas of tools, request offers a strict one"


def json_output(ask: Ask, model: Model) -> str | None:
    """Refuse a model that cannot keep to the asked JSON mode or schema."""
    wanted = ask.request.response_format
    able = model.capabilities.json_schema if wanted == "json_schema" else model.capabilities.json_mode
    return None if able else f"cannot keep to response_format `{wanted}`"


def vision(ask: Ask, model: Model) -> str | None:
    """Refuse a model that cannot see when the request has images."""
    return None if model.capabilities.vision else f"cannot read images, request has {ask.request.images}"


def known_price(ask: Ask, model: Model) -> str | None:
    """Refuse a model of unknown price on a route that says `unknown_price: refuse`."""
    return "price is unknown, route says `unknown_price: refuse`" if model.price is None else None


def premium_share(ask: Ask, model: Model) -> str | None:
    """Refuse a premium model once as large a share of the latest requests went to such models as a cap allows."""
    for share in ask.signals.premium:
        if model.id in share.models and (reason := share.refusal) is not None:
            return reason
    return None


def quality_floor(ask: Ask, model: Model, estimate: Estimate) -> str | None:
    """Refuse a model whose expected quality, at its lower bound, is under the floor."""
    low, floor, task = estimate.quality_low, ask.quality_floor, ask.ruling.task
    if low >= floor:
        return None
    graded = f"{estimate.evidence:,}" if estimate.evidence else "no"
    answers = "answer" if estimate.evidence == 1 else "answers"
    digits = next((digits for digits in range(2, 6) if f"{low:.{digits}f}" != f"{floor:.{digits}f}"), 6)
    return f"quality for `{task}` is {low:.{digits}f} at its lower bound ({graded} graded {answers}), floor is {floor:.{digits}f}"


def quality_short(ask: Ask, model: Model, estimate: Estimate) -> float:
    """By how much of the floor a model misses it."""
    return max(0.0, 1 - estimate.quality_low / ask.quality_floor)


def sla(ask: Ask, model: Model, estimate: Estimate) -> str | None:
    """Refuse a model that takes longer at the 95th percentile than an SLA with `breach: exclude` allows."""
    assert ask.slas is not None
    for wanted in ask.slas.of("exclude"):
        if (sentence := missed(wanted, ask.slas.latencies, model, ask.ruling.task, estimate)) is not None:
            return sentence
    return None


def sla_short(ask: Ask, model: Model, estimate: Estimate) -> float:
    """By how much of the time taken a model is over its SLA."""
    assert ask.slas is not None
    latencies, task = ask.slas.latencies, ask.ruling.task
    return max((shortfall(wanted, latencies, model, task, estimate) for wanted in ask.slas.of("exclude")), default=0.0)


def budget(ask: Ask, model: Model, estimate: Estimate) -> str | None:
    """Refuse a model that would probably cost more than a budget has left; every model once a budget that refuses is used up."""
    pressure, tokens = ask.signals.budget, ask.signals.tokens
    if pressure is None:
        return None
    if pressure.does == "refuse":
        return f"{pressure.budget} is used up"
    return too_dear(pressure, Spend(estimate.cost_picousd, estimate.input_tokens + tokens.output * ask.request.choices))


def _counted(ask: Ask) -> bool:
    pressure = ask.signals.budget
    return pressure is not None and (pressure.does, pressure.left_picousd, pressure.left_tokens) != ("nothing", None, None)


def _needed(tokens: Tokens) -> int:
    """Tokens of the request by the tokenizer that counts the most, and of the room for its answer."""
    return tokens.input + (tokens.output if tokens.room is None else tokens.room)


def _attribute(ask: Ask, field: str, value: str) -> str | None:
    """Check one attribute against every requirement and prohibition that mentions it."""
    for owner, require in ask.ruling.requirements:
        if (allowed := getattr(require, field)) is not None and value not in allowed:
            return f"{field} is {_said(value)}, {owner} requires {' or '.join(map(_said, allowed))}"
    owners = [owner for owner, forbid in ask.ruling.prohibitions if value in (getattr(forbid, field) or ())]
    return f"{field} is {_said(value)}, which {_and(owners)} forbids" if owners else None


def _said(value: str) -> str:
    return f"`{value}`" if value else "not stated"


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)


def _mentions(field: str) -> Callable[[Ask], bool]:
    def applies(ask: Ask) -> bool:
        ruling = ask.ruling
        if not ruling.requirements and not ruling.prohibitions:
            return False
        return any(getattr(requirement, field) is not None for _, requirement in (*ruling.requirements, *ruling.prohibitions))

    return applies


GATES = Gates(
    standing=(StandingGate("enabled", "health", enabled),),
    request=(
        Gate("approval", "policy", approved, _mentions("approved"), ruled=True),
        Gate("provider", "policy", provider, _mentions("provider"), ruled=True),
        Gate("model", "policy", named, _mentions("model"), ruled=True),
        Gate("perimeter", "policy", perimeter, _mentions("perimeter"), ruled=True),
        Gate("region", "policy", region, _mentions("region"), ruled=True),
        Gate("tags", "policy", tags, _mentions("tags"), ruled=True),
        Gate("key", "policy", key, lambda ask: (ask.request.caller.routes, ask.request.caller.models) != (None, None)),
        Gate("labels", "policy", labels, lambda ask: ask.request.caller.allowed_labels is not None),
        Gate("excluded", "policy", excluded, lambda ask: bool(ask.ruling.exclude)),
        Gate("api", "capability", api, lambda ask: ask.request.api not in ask.least.apis),
        Gate("fields", "capability", fields, lambda ask: bool(ask.request.features)),
        Gate("context", "capability", context, lambda ask: _needed(ask.signals.tokens) > ask.least.context_tokens),
        Gate("tools", "capability", tools, lambda ask: ask.signals.needs.tools),
        Gate("parallel_tools", "capability", parallel_tools, lambda ask: ask.signals.needs.parallel_tools),
        Gate("strict_tools", "capability", strict_tools, lambda ask: ask.signals.needs.strict_tools),
        Gate("json", "capability", json_output, lambda ask: ask.request.response_format != "text"),
        Gate("vision", "capability", vision, lambda ask: ask.signals.needs.vision),
        Gate("price", "policy", known_price, lambda ask: ask.refuse_unknown_price),
        Gate("premium_share", "budget", premium_share, lambda ask: bool(ask.signals.premium)),
    ),
    estimate=(
        EstimateGate("budget", "budget", budget, _counted),
        EstimateGate("quality_floor", "policy", quality_floor, lambda ask: ask.quality_floor > 0, quality_short),
        EstimateGate("sla", "health", sla, lambda ask: ask.slas is not None and bool(ask.slas.of("exclude")), sla_short),
    ),
)
"""Every gate of the product, in the order in which their reasons are listed."""
