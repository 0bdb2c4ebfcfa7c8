"""How plans are carried out, as a route says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from pointsman.config.kinds import Amount, Count, Seconds, Share, says
from pointsman.core.plan import Vote
from pointsman.core.review import OnExpiry


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """When and how often one model is asked again. See docs/execution.md."""

    attempts: Annotated[int, Meta(ge=1, le=10), says("calls of one model, the first included")] = 2
    base_s: Annotated[Seconds, says("the first wait is a random part of this; each further one may be twice as long")] = 0.5
    longest_s: Annotated[Seconds, says("longest wait, unless the upstream asks for more")] = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeConfig:
    """For `plan: hedge`: asking a second model when the first is slow. Both calls are paid for as far as they come."""

    after_s: Annotated[Seconds, says("asks the next model as well when the first has not begun by then")] = 2.0
    models: Annotated[int, Meta(ge=2, le=4), says("how many are asked at most")] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckConfig:
    """A check of answers of your own: a condition, or a pattern. See docs/checks.md."""

    when: Annotated[str, says("CEL condition over `answer` and `asked`; where it does not hold, the check is at 0")] = ""
    pattern: Annotated[str, says("regular expression in the syntax of RE2; where it does not occur, the check is at 0")] = ""
    absent: Annotated[bool, says("the other way round: where the pattern occurs, the check is at 0")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptConfig:
    """When an answer does. See docs/confidence.md."""

    confidence: Annotated[Share, says("at least so likely to be right")] = 0.7
    checks: Annotated[tuple[str, ...], says("checks that may not be at 0, besides the route's `checks`; see docs/checks.md")] = ()
    verifier: Annotated[str | None, says("a model that is asked whether an answer is right, where it is hard to say without")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeConfig:
    """For `plan: escalate`, which asks two models at most, and `plan: cascade`, which may ask each of its tiers."""

    tiers: Annotated[
        tuple[str, ...], says("models in the order they are asked; default: those that pass the gates, the cheapest first")
    ] = ()
    accept: Annotated[AcceptConfig, says("when an answer does")] = AcceptConfig()
    worth_usd: Annotated[
        Amount | None,
        says("what a right answer is worth: goes on where a call gains more than it costs, and may skip tiers"),
    ] = None
    stream_first: Annotated[bool, says("the last tier's answer is streamed as it comes, without looking at it")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleConfig:
    """For `plan: ensemble`: several answers, of which one is given."""

    members: Annotated[tuple[str, ...], says("models that answer; default: the best `size` that pass the gates")] = ()
    size: Annotated[int, Meta(ge=1, le=9), says("how many models answer where `members` names none")] = 3
    samples: Annotated[int, Meta(ge=1, le=9), says("answers of each")] = 1
    forms: Annotated[tuple[str, ...], says("instructions added to the further samples, one each: other forms of the same question")] = ()
    vote: Annotated[
        Vote, says("`majority`; `weighted`, by the models' expected quality on the task; `judge`, which a further model decides")
    ] = "majority"
    judge: Annotated[str | None, says("the model that decides with `vote: judge`")] = None
    agree: Annotated[
        Share,
        says("least share of the votes: below it the answer is not accepted, and the chain is followed: stronger models, then a person"),
    ] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Who is told of tickets. See docs/review.md."""

    url: Annotated[str, says("where messages go; its host has to be among `reviews.hosts`")]
    secret: Annotated[str, says("signs them, as ${NAME} from the environment: `whsec_` and base64 of 24 to 64 bytes")] = field(
        default="", repr=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewConfig:
    """What a route does with people: where its chain ends with `human`, and where answers have to be approved. See docs/review.md."""

    contract: Annotated[
        Literal["wait", "error", "holding"],
        says("what the client gets while nobody has decided: nothing for `wait_s`, then the error; the error; `holding_answer`"),
    ] = "error"
    wait_s: Annotated[Seconds, says("with `wait`: how long")] = 60.0
    holding_answer: Annotated[str, says("with `holding`: the answer meanwhile")] = "A person will look at your request."
    deadline_s: Annotated[Seconds, says("how long people have")] = 86_400.0
    on_expiry: Annotated[
        OnExpiry,
        says("when nobody decided in time: `deny`; `release` the best answer, unless a check bars it; `escalate`: once more, more urgent"),
    ] = "deny"
    webhook: Annotated[WebhookConfig | None, says("who is told of tickets and what became of them")] = None
    priority: Annotated[int, Meta(ge=-100, le=100), says("higher comes first in the queue")] = 0
    sample: Annotated[Share, says("share of the accepted answers that people look at afterwards")] = 0.0
    approval: Annotated[bool, says("every answer has to be approved by a person before the client gets it")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewsConfig:
    """The queue of tickets. See docs/review.md."""

    hosts: Annotated[tuple[str, ...], says("hosts that webhooks may go to, with `:port` where it is not the scheme's own")] = ()
    private: Annotated[bool, says("webhooks may go to addresses that are not public, and without TLS")] = False
    keep_days: Annotated[Count | None, says("how long tickets that have ended are kept; default: for good")] = None
