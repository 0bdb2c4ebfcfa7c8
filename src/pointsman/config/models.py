"""The models of the pool, as the configuration file describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from pointsman.config.kinds import Amount, Count, Name, Seconds, Share, says
from pointsman.core.apis import Api


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
    base_url: Annotated[str, says("URL up to and including `/v1`, of `bedrock` the host alone; known providers have one")] = ""
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
    idle_timeout_s: Annotated[Seconds, says("longest silence of a stream that has begun, or of a body; any byte breaks it")] = 60.0
    limits: Annotated[LimitsConfig, says("limits of the account")] = LimitsConfig()
