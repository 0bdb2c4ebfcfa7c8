"""The configuration file, field by field.

These classes are the one description: validation, the published JSON Schema and `docs/configuration.md` are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from msgspec import Meta

from pointsman.config.kinds import Amount, Count, Name, Seconds, Share, says
from pointsman.config.plans import CascadeConfig, CheckConfig, EnsembleConfig, HedgeConfig, RetryConfig, ReviewConfig, ReviewsConfig
from pointsman.core.apis import Api
from pointsman.core.latency import MOST_SAMPLES, Breach, Of
from pointsman.core.rule import PlanKind
from pointsman.core.unmet import OnNone
from pointsman.errors import Fault

_ON_NONE: Final = "where every candidate misses floor or SLA: `refuse`; `human`, a person is asked; `least_bad`, answered with a flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceConfig:
    """What a model costs. Prices not given are looked up in the catalogue; none at all means unknown, never free."""

    input: Annotated[Amount | None, says("USD per million input tokens")] = None
    output: Annotated[Amount | None, says("USD per million output tokens, reasoning included unless `reasoning` is given")] = None
    cached_input: Annotated[Amount | None, says("USD per million input tokens read from the provider's cache; default: as `input`")] = None
    reasoning: Annotated[Amount | None, says("USD per million reasoning tokens; default: as `output`")] = None
    gpu_second: Annotated[Amount | None, says("USD per second of the call, for hardware you own or rent")] = None
    source: Annotated[str, says("where the price was read; kept on every decision's record")] = "configuration"
    as_of: Annotated[str, says("the day it was read, as YYYY-MM-DD")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilitiesConfig:
    """What a model can do beyond plain text. A request that needs more is never sent to it."""

    tools: Annotated[bool, says("calls tools")] = True
    json_mode: Annotated[bool, says("keeps to `response_format: json_object`")] = True
    json_schema: Annotated[bool, says("keeps to `response_format: json_schema`")] = True
    vision: Annotated[bool, says("reads images")] = False
    parallel_tools: Annotated[bool, says("calls several tools at once")] = True
    strict_tools: Annotated[bool, says("keeps to the schema of a tool that is offered with `strict: true`")] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedConfig:
    """Latency priors, used until there are measurements."""

    ttft_ms: Annotated[Amount, says("time to the first token, median, short prompt")] = 500.0
    ms_per_input_ktok: Annotated[Amount, says("added to the first token per 1,000 input tokens")] = 0.0
    ms_per_output_token: Annotated[Amount, says("time per output token")] = 15.0
    round_trip_ms: Annotated[Amount, says("network round trip")] = 50.0
    p95_over_p50: Annotated[float, Meta(ge=1), says("95th percentile over median")] = 2.0
    source: Annotated[str, says("`measured …`, `stated` or `default`")] = "stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyConfig:
    """Energy per 1,000 tokens."""

    wh_per_input_ktok: Annotated[Amount, says("watt-hours per 1,000 input tokens")] = 0.0
    wh_per_output_ktok: Annotated[Amount, says("watt-hours per 1,000 output tokens")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorConfig:
    """Expected quality on one task class."""

    mean: Annotated[Share, says("expected quality, 0 to 1")]
    evidence: Annotated[int, Meta(ge=0), says("graded answers behind it; 0 marks a guess")] = 0
    source: Annotated[str, says("where it comes from")] = "stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Limits of a provider's account, kept before the provider has to: a call over one goes to the next model, as long as there is one."""

    requests_per_minute: Annotated[Count | None, says("calls a minute")] = None
    tokens_per_minute: Annotated[Count | None, says("tokens a minute, input and output together")] = None
    concurrent: Annotated[Count | None, says("calls in progress at once")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One model of the pool."""

    id: Annotated[Name, says("the name routes, policies and clients use")]
    provider: Annotated[Name, says("`local`, `openai-compatible`, or a known provider such as `openai` or `anthropic`")]
    model: Annotated[str, says("what the provider calls it; default: the id")] = ""
    base_url: Annotated[str, says("URL up to and including `/v1`; known providers have one")] = ""
    api_key: Annotated[str, says("the provider's key, as ${NAME} from the environment")] = field(default="", repr=False)
    auth: Annotated[Literal["key", "aws", "google"], says("how calls prove who calls; see docs/apis.md")] = "key"
    refuses: Annotated[tuple[str, ...] | None, says("fields that it answers with an error; unset: known by its name")] = None
    weights: Annotated[str, says("`local` only: name of the packaged weights, or a path to a GGUF file")] = ""
    tries: Annotated[int, Meta(ge=1, le=4), says("`local` only: prompt forms tried, of which the surest answer is kept")] = 1
    perimeter: Annotated[Name, says("where data goes: `on_prem`, `vpc`, `external`, or a word of your own")] = "external"
    region: Annotated[str, says("where it is processed, such as `eu`; empty: not stated, refused by every region requirement")] = ""
    approved: Annotated[bool, says("approved for production; policies can require it")] = False
    disabled: Annotated[str, says("why it is switched off; empty: in use")] = ""
    tags: Annotated[tuple[str, ...], says("certifications and terms, such as `soc2` or `no_training`")] = ()
    capabilities: Annotated[CapabilitiesConfig, says("what it can do beyond plain text")] = CapabilitiesConfig()
    context_tokens: Annotated[Count | None, says("context window, input and output together; default: the catalogue's, else 8192")] = None
    tokenizer: Annotated[str, says("`o200k`, `cl100k`, `smollm2` or `chars`; default: by the model's name")] = ""
    price: Annotated[PriceConfig, says("what it costs")] = PriceConfig()
    speed: Annotated[SpeedConfig, says("latency priors")] = SpeedConfig(source="default")
    energy: Annotated[EnergyConfig | None, says("energy per token; without it the energy term is 0")] = None
    security: Annotated[Share | None, says("the score's security term; default: 1 on_prem, 0.7 vpc, 0.4 elsewhere")] = None
    quality: Annotated[dict[str, Share | PriorConfig], says("quality priors by task class; `general` stands for the rest")] = field(
        default_factory=dict
    )
    apis: Annotated[
        tuple[Api, ...], says("APIs it speaks: a client's own is preferred, else the first; default: the provider's, `[chat]` elsewhere")
    ] = ()
    timeout_s: Annotated[Seconds, says("longest time for one call, whole")] = 600.0
    first_token_timeout_s: Annotated[Seconds, says("longest time until a stream says something")] = 120.0
    idle_timeout_s: Annotated[Seconds, says("longest silence of a stream that has begun; any byte breaks it")] = 60.0
    limits: Annotated[LimitsConfig, says("limits of the account")] = LimitsConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbidConfig:
    """Attributes of which a model may have none."""

    perimeter: Annotated[tuple[str, ...] | None, says("refused perimeters")] = None
    region: Annotated[tuple[str, ...] | None, says("refused regions")] = None
    provider: Annotated[tuple[str, ...] | None, says("refused providers")] = None
    model: Annotated[tuple[str, ...] | None, says("refused models")] = None
    tags: Annotated[tuple[str, ...] | None, says("refused tags")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireConfig:
    """Attributes a model must have: every field given, with one of its values."""

    perimeter: Annotated[tuple[str, ...] | None, says("accepted perimeters")] = None
    region: Annotated[tuple[str, ...] | None, says("accepted regions")] = None
    provider: Annotated[tuple[str, ...] | None, says("accepted providers")] = None
    model: Annotated[tuple[str, ...] | None, says("accepted models")] = None
    approved: Annotated[Literal[True] | None, says("`true`: approved models only")] = None
    tags: Annotated[tuple[str, ...] | None, says("tags that must all be present")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeConfig:
    """Whose requests, on which routes. What is given must all fit."""

    routes: Annotated[tuple[str, ...] | None, says("routes, and models asked for by name; default: all")] = None
    orgs: Annotated[tuple[str, ...] | None, says("orgs of the caller's key; default: all")] = None
    teams: Annotated[tuple[str, ...] | None, says("teams of the caller's key; default: all")] = None
    keys: Annotated[tuple[str, ...] | None, says("ids of keys; default: all")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """A hard rule for every call made for a request."""

    name: Annotated[Name, says("shown in every refusal")]
    when: Annotated[str, says("CEL condition; empty: always. If it cannot be evaluated the policy applies")] = ""
    require: Annotated[RequireConfig | None, says("what models must have")] = None
    forbid: Annotated[ForbidConfig | None, says("what models must not have")] = None
    scope: Annotated[ScopeConfig | None, says("whose requests it is for; default: everybody's, on every route")] = None
    fail: Annotated[
        Literal["closed", "open"],
        says("what a condition that cannot be evaluated counts as: `closed`, as holding; `open`, as not holding, which `check` points out"),
    ] = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseConfig:
    """What the policies together are to achieve. It is proved before a configuration comes into force, and refuses nothing by itself."""

    name: Annotated[Name, says("shown where it is broken")]
    labels: Annotated[tuple[str, ...], says("for requests that carry at least these; default: for all")] = ()
    scope: Annotated[ScopeConfig | None, says("whose requests it is about; default: everybody's, on every route")] = None
    only: Annotated[RequireConfig | None, says("what every model must have that such a request could reach")] = None
    never: Annotated[ForbidConfig | None, says("what none of them may have")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTestConfig:
    """A request, and where it may go. `only`, `never` and `refused` are proved for every such request, `reaches` is tried with one."""

    name: Annotated[Name, says("shown where it fails")]
    route: Annotated[str, says("route or model that is asked for; empty: each of them")] = ""
    labels: Annotated[tuple[str, ...], says("labels that it carries, at least")] = ()
    key: Annotated[str, says("id of the caller's key; empty: any")] = ""
    team: Annotated[str, says("team of the caller's key; empty: any")] = ""
    org: Annotated[str, says("org of the caller's key; empty: any")] = ""
    only: Annotated[RequireConfig | None, says("what every model must have that it could reach")] = None
    never: Annotated[ForbidConfig | None, says("what none of them may have")] = None
    reaches: Annotated[tuple[str, ...], says("models that must be open to it")] = ()
    refused: Annotated[bool, says("no model may be open to it")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTests:
    """A file of policy tests, for `pointsman check --tests`."""

    version: Annotated[Literal[1], says("version of this format")]
    tests: Annotated[tuple[PolicyTestConfig, ...], says("the tests")]


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
class LimitConfig:
    """A limit on what is spent. See docs/budgets.md."""

    usd: Annotated[Amount | None, says("the limit in USD; this or `tokens`")] = None
    tokens: Annotated[Count | None, says("the limit in tokens, read and written")] = None
    per: Annotated[Literal["hour", "day", "week", "month", "never"], says("when it begins anew")] = "month"
    rolling: Annotated[bool, says("any stretch of that length, in place of the calendar's")] = False
    zone: Annotated[str, says("time zone of days, weeks and months")] = "UTC"
    low: Annotated[Share, says("share of the limit from which `when_low` is done")] = 0.8
    when_low: Annotated[Literal["nothing", "warn", "downgrade", "cheapest"], says("what is done when little is left")] = "warn"
    when_spent: Annotated[
        Literal["warn", "downgrade", "cheapest", "refuse"],
        says("what is done when nothing is left; `refuse`: a hard budget, which is never overspent"),
    ] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig(LimitConfig):
    """A budget, for everything or for one org, team, key, route or task class; `*`: each of them has one of its own."""

    name: Annotated[Name, says("shown where it refuses")]
    org: Annotated[str | None, says("an org, or `*`")] = None
    team: Annotated[str | None, says("a team, or `*`; a team of another org than `default` as `org/team`")] = None
    key: Annotated[str | None, says("the id of a key, or `*`")] = None
    route: Annotated[str | None, says("a route, or `*`")] = None
    task: Annotated[str | None, says("a task class, or `*`")] = None


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
        says("checks of whole answers: one at 0 makes an answer unfit, as long as another model is left; see docs/checks.md"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserConfig:
    """A kind of sensitive data of your own. See docs/sensitivity.md."""

    name: Annotated[Name, says("shown in every finding")]
    kind: Annotated[Name, says("the label that it raises: a known one, or a word of your own")]
    pattern: Annotated[str, Meta(min_length=1), says("regular expression in the syntax of RE2; its first group, if any, is the value")]
    confidence: Annotated[Share, says("how sure a match is that passes the check, with a word of `context` near it")] = 0.8
    check: Annotated[str | None, says("what a match must pass besides: `luhn`, `iban`, `stdnum:es.dni`, …")] = None
    context: Annotated[tuple[str, ...], says("words one of which stands near")] = ()
    alone: Annotated[Share, says("how sure a match is without such a word, where there is `context`")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskConfig:
    """What is replaced by placeholders on the way to a model, and put back in its answer. Labels stay as they are."""

    kinds: Annotated[tuple[str, ...], says("labels of the values; empty: nothing is replaced")] = ()
    perimeters: Annotated[tuple[str, ...], says("perimeters of the models that must not see them")] = ("external",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityConfig:
    """Finding sensitive data in what requests say. See docs/sensitivity.md."""

    detect: Annotated[
        Literal["auto", "on", "off"],
        says("`auto`: where a condition, a promise or `mask` asks for a label that can be found; `pointsman check` says whether it is on"),
    ] = "auto"
    least_confidence: Annotated[Share, says("findings below it are none")] = 0.5
    most_chars: Annotated[Count, says("a longer text is not searched, and counts as carrying every label")] = 1_000_000
    most_misses: Annotated[Count, says("candidates that turn out to be none; with more the search ends, and every label counts")] = 20_000
    unreadable: Annotated[
        Literal["ignore", "unsearched"],
        says("pictures, sound, PDF and other files that are no text: they count as every label, or as if they were not there"),
    ] = "unsearched"
    recognisers: Annotated[tuple[RecogniserConfig, ...], says("recognisers of your own")] = ()
    off: Annotated[tuple[str, ...], says("names of recognisers that ship, and are not to be used")] = ()
    mask: Annotated[MaskConfig, says("what is replaced by placeholders on the way to a model")] = MaskConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiersConfig:
    """Files that `pointsman train classifier` wrote. See docs/signals.md."""

    task: Annotated[str, says("sets the task class where the client declares none and no intent does")] = ""
    domain: Annotated[str, says("sets `signals.domain`")] = ""
    difficulty: Annotated[str, says("sets `signals.difficulty`")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedConfig:
    """What was learned from outcomes: estimates of quality in place of the models' priors, and how likely answers are right."""

    bundle: Annotated[str, says("file that `pointsman train quality` wrote; see docs/estimators.md")] = ""
    confidence: Annotated[str, says("file that `pointsman train confidence` wrote; see docs/confidence.md")] = ""
    models: Annotated[dict[str, Name], says("models of the pool: what the files call each; default: by its id")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where decisions are kept."""

    path: Annotated[str, says("the SQLite file")] = ".pointsman/pointsman.db"
    durability: Annotated[
        Literal["crash", "power", "async"], says("what a record survives before a call goes out; see docs/durability.md")
    ] = "crash"
    content: Annotated[bool, says("also keep what was asked, sealed; see docs/audit.md. Without it a digest stands for it")] = False
    idempotency_ttl_s: Annotated[float, Meta(ge=0), says("how long answers to requests with an `Idempotency-Key` are kept; 0: never")] = (
        86_400.0
    )
    responses_ttl_s: Annotated[
        float, Meta(ge=0), says("how long a response can be gone on from by `previous_response_id`, in memory; 0: never")
    ] = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What proves the log: signed checkpoints, and the end of contents that were kept. See docs/audit.md."""

    key: Annotated[str, says("the private key that signs, as `pointsman audit keygen` makes it; empty: the gateway signs nothing")] = ""
    checkpoints: Annotated[str, says("the file of signed checkpoints, one a line; default: `<store.path>-checkpoints`")] = ""
    checkpoint_every: Annotated[Count, says("records between checkpoints, at least; the rest is signed when the gateway stops")] = 1_000
    interval_s: Annotated[Seconds, says("how often to look whether so many have come")] = 5.0
    content_keys: Annotated[str, says("the keys that contents are sealed with; default: `<store.path>-content-keys`")] = ""
    retain_content_days: Annotated[Count | None, says("contents of earlier days are erased for good; default: none is")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The gateway's own limits."""

    host: Annotated[str, says("address to bind; beyond loopback a strong key is demanded")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), says("port to bind; 0: any free one")] = 8080
    max_body_bytes: Annotated[Count, says("largest request body")] = 20_000_000
    max_json_depth: Annotated[Count, says("deepest nesting of a request body")] = 64
    body_timeout_s: Annotated[float, Meta(gt=0), says("time a client has to send its body")] = 30.0
    max_concurrent: Annotated[Count, says("requests in progress at once; more get 429")] = 1_000
    send_timeout_s: Annotated[Seconds, says("a client that takes nothing for so long has left")] = 60.0
    keep_alive_s: Annotated[Seconds, says("a stream that waits for its first word gets a comment as often as this")] = 15.0
    drain_s: Annotated[float, Meta(ge=0), says("after SIGTERM, time for requests in progress")] = 30.0
    workers: Annotated[int, Meta(ge=1, le=256), says("processes; each has its own local models and its own view of upstreams' health")] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a model is taken out of service for a while. The last legal model is tried all the same."""

    failures: Annotated[Count, says("failures in a row")] = 5
    window: Annotated[Count, says("latest calls looked at")] = 10
    share: Annotated[Annotated[float, Meta(gt=0, le=1)], says("share of failures among them")] = 0.5
    cooldown_s: Annotated[Seconds, says("time out of service; then one call probes, and each further failure doubles the time")] = 10.0
    longest_cooldown_s: Annotated[Seconds, says("longest time out of service")] = 300.0
    slow_factor: Annotated[Annotated[float, Meta(gt=1)], says("a model whose first token takes so many times its usual is out, too")] = 4.0
    latency_window_s: Annotated[Seconds, says("how long a call counts for what an `sla` measures")] = 3600.0
    retry_share: Annotated[Share, says("retries of a model, as a share of its calls in the last minute")] = 0.1
    retry_floor: Annotated[int, Meta(ge=0), says("retries a minute that are allowed in any case")] = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration file."""

    version: Annotated[Literal[1], says("version of this format")]
    models: Annotated[tuple[ModelConfig, ...], says("the pool")]
    routes: Annotated[dict[str, RouteConfig], says("named policies that clients put into `model`")]
    policies: Annotated[tuple[PolicyConfig, ...], says("hard rules for every route and every call")] = ()
    promises: Annotated[tuple[PromiseConfig, ...], says("what the policies are to achieve: proved before anything comes into force")] = ()
    rules: Annotated[
        tuple[RuleConfig, ...], says("rules for every request, before its route's own; also where a client names a model")
    ] = ()
    tasks: Annotated[dict[str, TaskConfig], says("task classes: what good enough and fast enough mean")] = field(default_factory=dict)
    keywords: Annotated[
        dict[str, tuple[str, ...]], says("word lists; `signals.keywords` holds the names of those that occur in the text")
    ] = field(default_factory=dict)
    intents: Annotated[
        dict[Name, tuple[str, ...]], says("kinds of requests, by a few examples each; `signals.intent` is the one that was recognised")
    ] = field(default_factory=dict)
    intents_keep: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        says("share of the requests of an intent that is to be recognised; more means more mistaken for one"),
    ] = 0.95
    classifiers: Annotated[ClassifiersConfig, says("trained classifiers of task, domain and difficulty")] = ClassifiersConfig()
    learned: Annotated[LearnedConfig | None, says("what was learned from outcomes")] = None
    checks: Annotated[dict[Name, CheckConfig], says("checks of answers of your own, beside those of docs/checks.md")] = field(
        default_factory=dict
    )
    labels: Annotated[
        tuple[str, ...],
        says("data labels of your own, beside public, internal, confidential, restricted, pii, phi, financial, secret, credential"),
    ] = ()
    sensitivity: Annotated[SensitivityConfig, says("finding sensitive data in what requests say")] = SensitivityConfig()
    budgets: Annotated[tuple[BudgetConfig, ...], says("limits on what is spent")] = ()
    health: Annotated[HealthConfig, says("when a model is taken out of service for a while")] = HealthConfig()
    reviews: Annotated[ReviewsConfig, says("requests and answers that wait for people")] = ReviewsConfig()
    store: Annotated[StoreConfig, says("where decisions are kept")] = StoreConfig()
    audit: Annotated[AuditConfig, says("what proves the log: signed checkpoints, and the end of contents")] = AuditConfig()
    server: Annotated[ServerConfig, says("the gateway's own limits")] = ServerConfig()
