"""A model: one entry of the pool, a named model at one endpoint. Where it is reached (URL, key) is not known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.apis import Api
from pointsman.core.prices import Price
from pointsman.core.refusals import NOTHING, Refusals


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the model can do beyond plain text."""

    tools: bool = True
    json_mode: bool = True
    json_schema: bool = True
    vision: bool = False
    parallel_tools: bool = True
    strict_tools: bool = True


@dataclass(frozen=True, slots=True)
class Speed:
    """Latency priors. Total = round trip + first token + output tokens x time per token."""

    ttft_ms: float = 500.0  #: time to first token, median, for a short prompt
    ms_per_input_ktok: float = 0.0  #: added to the first token per 1,000 input tokens
    ms_per_output_token: float = 15.0
    round_trip_ms: float = 50.0
    p95_over_p50: float = 2.0  #: spread: 95th percentile over median
    source: str = "default"  #: `measured <where>`, `stated`, `default`


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy in watt-hours per 1,000 tokens."""

    wh_per_input_ktok: float = 0.0
    wh_per_output_ktok: float = 0.0


@dataclass(frozen=True, slots=True)
class Prior:
    """Expected quality in [0, 1] on one task class, and how many graded answers it rests on (0: a stated guess)."""

    mean: float
    evidence: int = 0
    source: str = "stated"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the pool.

    >>> Model("tiny", context_tokens=8_192).prior("summarisation").mean
    0.5
    """

    id: str
    provider: str = "local"
    name: str = ""  #: what the provider calls it; empty: same as `id`
    apis: tuple[Api, ...] = ("chat",)  #: the APIs it speaks
    perimeter: str = "external"  #: `on_prem`, `vpc`, `external`, or a word of the user's own
    region: str = ""  #: empty: not stated, which no region requirement accepts
    approved: bool = False
    disabled: str | None = None  #: why it is switched off
    tags: tuple[str, ...] = ()  #: certifications and terms, such as `soc2`, `no_training`
    capabilities: Capabilities = Capabilities()
    refuses: Refusals = NOTHING  #: fields of a request that it answers with an error
    context_tokens: int = 8_192  #: input and output together
    tokenizer: str = "chars"
    price: Price | None = None  #: `None`: unknown
    speed: Speed = Speed()
    energy: Energy | None = None
    security: float = 0.5  #: the score's security term, 0 to 1
    quality: Mapping[str, Prior] = field(default_factory=dict)  #: by task class; `general` stands for the rest

    def prior(self, task: str) -> Prior:
        """The quality prior for a task class, else the general one, else a coin's .5."""
        return self.quality.get(task) or self.quality.get("general") or Prior(0.5, source="no prior")
