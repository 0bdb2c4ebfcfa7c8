"""The configuration file, field by field.

These classes, and those of the modules for its parts, are the one description: validation, the published JSON Schema and
`docs/configuration.md` are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from pointsman.config.budgets import BudgetConfig
from pointsman.config.embedding import EmbeddingConfig
from pointsman.config.kinds import Count, Name, Seconds, Share, says
from pointsman.config.models import ModelConfig
from pointsman.config.plans import CheckConfig, ReviewsConfig
from pointsman.config.policies import PolicyConfig, PromiseConfig
from pointsman.config.premium import PremiumShareConfig
from pointsman.config.routes import RouteConfig, RuleConfig, TaskConfig


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
    explore: Annotated[Share, says("share of requests for which a model that the bundle does not know is asked first, by lot")] = 0.0


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
    responses: Annotated[
        Literal["auto", "memory", "sealed"],
        says("where answers of the Responses API are kept: in the process's `memory`, or `sealed` here; `auto`: here with `content`"),
    ] = "auto"
    responses_ttl_s: Annotated[float, Meta(ge=0), says("how long they can be gone on from and read; 0: never")] = 3_600.0

    @property
    def seals_responses(self) -> bool:
        """Whether responses may be written to disk: where contents are, or where it was asked for."""
        return self.responses == "sealed" or (self.responses == "auto" and self.content)


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
    max_concurrent: Annotated[
        Count, says("requests of models in progress at once, of one key three quarters of them at most; more get 429")
    ] = 1_000
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
    slow_factor: Annotated[
        Annotated[float, Meta(gt=1)], says("a model whose first token or whole answer takes so many times its usual is out")
    ] = 4.0
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
    embedding: Annotated[EmbeddingConfig, says("what turns texts into vectors, for these three and `learned`")] = EmbeddingConfig()
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
    premium_shares: Annotated[
        tuple[PremiumShareConfig, ...], says("caps on the share of routed requests that go to premium models; see docs/gates.md")
    ] = ()
    health: Annotated[HealthConfig, says("when a model is taken out of service for a while")] = HealthConfig()
    reviews: Annotated[ReviewsConfig, says("requests and answers that wait for people")] = ReviewsConfig()
    store: Annotated[StoreConfig, says("where decisions are kept")] = StoreConfig()
    audit: Annotated[AuditConfig, says("what proves the log: signed checkpoints, and the end of contents")] = AuditConfig()
    server: Annotated[ServerConfig, says("the gateway's own limits")] = ServerConfig()
