"""Routes, their rules and task classes, as the configuration file says them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from msgspec import Meta

from pointsman.config.budgets import LimitConfig
from pointsman.config.kinds import Amount, Count, Seconds, Share, says
from pointsman.config.plans import CascadeConfig, EnsembleConfig, HedgeConfig, RetryConfig, ReviewConfig
from pointsman.config.policies import RequireConfig
from pointsman.core.latency import MOST_SAMPLES, Breach, Of
from pointsman.core.rule import PlanKind
from pointsman.core.unmet import OnNone
from pointsman.errors import Fault

_ON_NONE: Final = "where every candidate misses floor or SLA: `refuse`; `human`, a person is asked; `least_bad`, answered with a flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsConfig:
    """Weights of the score's terms; brought to a sum of 1, with a warning if they had another."""

    quality: Annotated[Amount, says("expected quality")] = 0.0
    cost: Annotated[Amount, says("low cost")] = 0.0
    latency: Annotated[Amount, says("low latency")] = 0.0
    security: Annotated[Amount, says("the model's security term")] = 0.0
    energy: Annotated[Amount, says("low energy")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """A rule: when the condition holds, the rest takes effect."""

    when: Annotated[str, says("CEL condition over request, signals, labels, tokens, task, key, metadata")]
    name: Annotated[str, says("shown in the decision; default: `rule N`")] = ""
    task: Annotated[str | None, says("sets the task class")] = None
    labels: Annotated[tuple[str, ...], says("adds data labels")] = ()
    require: Annotated[RequireConfig | None, says("what models must have")] = None
    exclude: Annotated[tuple[str, ...], says("models that must not be used")] = ()
    prefer: Annotated[tuple[str, ...], says("models ranked before all others, as far as they pass the gates")] = ()
    plan: Annotated[PlanKind | None, says("how the choice is carried out; see docs/plans.md")] = None
    weights: Annotated[WeightsConfig | None, says("weights for this request")] = None
    dial: Annotated[Share | None, says("0 cost … 1 quality, in place of weights")] = None
    quality_floor: Annotated[Share, says("expected quality, at its lower bound, under which a model is refused")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsConfig:
    """Fixed bounds (best, worst) for the score's terms, so that an irrelevant candidate cannot change the order of others."""

    cost_usd: Annotated[tuple[Amount, Amount], says("cost of a request")]
    latency_ms: Annotated[tuple[Amount, Amount], says("median total latency")]
    energy_wh: Annotated[tuple[Amount, Amount], says("energy of a request")] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaConfig:
    """How long calls may take at the 95th percentile. See docs/gates.md."""

    p95_ms: Annotated[Annotated[float, Meta(gt=0)], says("longest time that is allowed")]
    breach: Annotated[Breach, says("a model over it: `exclude`, refused; `penalise`, its latency term is 0")] = "exclude"
    min_samples: Annotated[
        int, Meta(ge=1, le=MOST_SAMPLES), says("measured calls of a model, under which its `speed` is believed instead")
    ] = 30
    of: Annotated[Of, says("`whole`: calls that are not streamed; `first_token`: streams, until their first content")] = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """A named policy that clients put into `model`."""

    models: Annotated[tuple[str, ...], says("candidates; empty: every model of the pool")] = ()
    dial: Annotated[Share | None, says("0 cost … 1 quality: the one-number form, in place of weights")] = None
    weights: Annotated[WeightsConfig | None, says("weights of the score; default: quality .30, cost .30, latency .25, security .15")] = None
    form: Annotated[
        Literal["additive", "subtractive"], says("which published form totals are shown in; both rank alike when security is equal")
    ] = "additive"
    bounds: Annotated[BoundsConfig | None, says("fixed bounds for the terms; default: the surviving pool's own")] = None
    rules: Annotated[tuple[RuleConfig, ...], says("conditions and their effects")] = ()
    match: Annotated[
        Literal["first", "all"],
        says("`all`: every matching rule takes effect, earlier ones win where they collide; `first`: only the first"),
    ] = "all"
    labels: Annotated[tuple[str, ...], says("labels every request of this route carries")] = ()
    quality_floor: Annotated[Share, says("expected quality, at its lower bound, under which a model is refused")] = 0.0
    latency_budget_ms: Annotated[Annotated[float, Meta(gt=0)] | None, says("median total latency over which the latency term is 0")] = None
    sla: Annotated[SlaConfig | None, says("how long calls may take at the 95th percentile")] = None
    on_none: Annotated[OnNone | None, says(_ON_NONE + "; default: `refuse`")] = None
    unknown_price: Annotated[Literal["worst", "refuse"], says("`worst`: cost term 0; `refuse`: not used at all")] = "worst"
    plan: Annotated[
        PlanKind | None, says("how the choice is carried out; default: `fallback` when a chain is given, else `single`; see docs/plans.md")
    ] = None
    fallback: Annotated[
        tuple[str, ...],
        says("models tried in turn after the chosen one fails, as far as they pass the gates; `human` at the end: a person is asked"),
    ] = ()
    fallback_on: Annotated[
        dict[Fault, tuple[str, ...]],
        says("chains for single classes of failure, in place of `fallback`; see docs/execution.md"),
    ] = field(default_factory=dict)
    retry: Annotated[RetryConfig, says("when and how often one model is asked again")] = RetryConfig()
    hedge: Annotated[HedgeConfig, says("for `plan: hedge`")] = HedgeConfig()
    cascade: Annotated[CascadeConfig, says("for `plan: escalate` and `plan: cascade`")] = CascadeConfig()
    ensemble: Annotated[EnsembleConfig, says("for `plan: ensemble`")] = EnsembleConfig()
    review: Annotated[ReviewConfig, says("what is done with people")] = ReviewConfig()
    budget: Annotated[LimitConfig | None, says("what all requests of this route may cost together")] = None
    max_output_tokens: Annotated[
        Count, says("where a budget, or a key's limit of tokens, pays for a call and the client sets no limit: the longest answer")
    ] = 4_096
    most_calls: Annotated[Count, says("calls for one request, retries and fallbacks together")] = 8
    deadline_s: Annotated[Seconds, says("longest time until an answer begins (a stream) or is whole, all calls together")] = 600.0
    first_token_s: Annotated[
        Seconds | None, says("a stream that has not begun by then is given up, as long as another model is left to ask")
    ] = None
    checks: Annotated[
        tuple[str, ...],
        says("of whole answers, `empty` of streams, too: one at 0 makes an answer unfit while another model is left; see docs/checks.md"),
    ] = ("empty", "schema", "tool_calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """What good enough and fast enough mean for a task class, on every route."""

    quality_floor: Annotated[Share, says("expected quality, at its lower bound, under which a model is refused")] = 0.0
    latency_budget_ms: Annotated[Annotated[float, Meta(gt=0)] | None, says("median total latency over which the latency term is 0")] = None
    sla: Annotated[SlaConfig | None, says("how long calls may take at the 95th percentile")] = None
    on_none: Annotated[OnNone | None, says(_ON_NONE + "; the stricter of the route's and this one")] = None
    weights: Annotated[WeightsConfig | None, says("weights for this task class, in place of the route's")] = None
    output_tokens: Annotated[Count | None, says("answer length to expect where the request does not limit it")] = None
