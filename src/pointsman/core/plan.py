"""A plan: how the decision is carried out. The generators that execute plans live in `pointsman.plans`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pointsman.core.fault import Fault
from pointsman.core.review import ReviewTerms
from pointsman.core.rule import PlanKind
from pointsman.core.value import value

Check = str
"""The name of a check of answers: see `pointsman.plans.checks`."""

Kind = PlanKind | Literal["review"]
"""`review`: no model is asked, a person is; no rule or route can ask for it."""

LOOKING: frozenset[Kind] = frozenset(("escalate", "cascade", "ensemble"))
"""Plans that look at whole answers before one is given."""

Chains = tuple[tuple[Fault, tuple[str, ...]], ...]
"""For some classes of failure, the models that are asked after one."""


@value
class Plan:
    """How the models are asked.

    `single` asks `models[0]`; `fallback` asks each in turn until one answers; `hedge` asks the next as well when one is slow; `escalate`
    asks the first and, where its answer does not do, the second; `cascade` goes on through all; `ensemble` lets the answers of all vote.

    Every model in it passed the gates, but for what `flags` say, and `health` those of `resort`.
    """

    kind: Kind
    models: tuple[str, ...]
    chains: Chains = ()  #: after such a failure these are asked, in place of the rest of `models`
    human: bool = False  #: when nothing answers a person is asked
    flags: tuple[str, ...] = ()  #: what its models miss though they are asked, such as `quality_floor_missed`
    spares: tuple[str, ...] = ()  #: with plans that look: asked in turn where none of `models` answers, the stronger where no answer does
    helpers: tuple[str, ...] = ()  #: models that judge and verify what others answer, as far as they pass the gates
    resort: tuple[str, ...] = ()  #: where none of the others can be called, though they are out of service: they pass every other gate

    @property
    def names(self) -> frozenset[str]:
        """Every model that may be asked."""
        return frozenset((*self.models, *self.spares, *self.helpers, *self.resort)).union(*(models for _, models in self.chains))

    def chain(self, fault: Fault) -> tuple[str, ...] | None:
        """Models to ask after such a failure; `None`: the rest of `models`."""
        return next((models for kind, models in self.chains if kind == fault), None)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when a model is asked again. Waits grow as `base_s` x 2^n up to `longest_s`, of which a random part is taken.

    That is "full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    attempts: int = 2  #: calls of one model, the first included
    base_s: float = 0.5
    longest_s: float = 8.0


@dataclass(frozen=True, slots=True)
class Accept:
    """When an answer does."""

    confidence: float = 0.7  #: at least so likely to be right
    checks: tuple[Check, ...] = ()  #: that may not be 0, besides those of the route
    verifier: str | None = None  #: a model that is asked whether an answer is right, where the checks alone do not say


@dataclass(frozen=True, slots=True)
class Cascade:
    """How `escalate` and `cascade` go on."""

    tiers: tuple[str, ...] = ()  #: empty: those that pass the gates, the cheapest first
    accept: Accept = Accept()
    worth_usd: float | None = None  #: what a right answer is worth: go on where a call gains more than it costs; `None`: as `accept` says
    stream_first: bool = False  #: stream the last tier's answer as it comes, without looking at it


Vote = Literal["majority", "weighted", "judge"]
"""Who wins: the answer most agree on; the same, each voice as heavy as its model's expected quality; or the one that a model prefers."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """How `ensemble` asks and counts."""

    members: tuple[str, ...] = ()  #: empty: the best `size` that pass the gates
    size: int = 3
    samples: int = 1  #: answers asked of each member
    forms: tuple[str, ...] = ()  #: instructions, one for each further sample: other forms of the same question
    vote: Vote = "majority"
    judge: str | None = None  #: the model that decides with `vote: judge`
    agree: float = 0.0  #: least share of the votes for the winner; below it the chain's stronger models are asked, then a person


@dataclass(frozen=True, slots=True)
class Execution:
    """How a route's plans are carried out; none of it changes what is chosen."""

    retry: Retry = Retry()
    most_calls: int = 8  #: of one request, retries and fallbacks together
    deadline_s: float = 600.0  #: for everything until the answer begins (a stream) or is whole
    first_token_s: float | None = None  #: a stream that has not begun by then is given up where another model is left to ask
    hedge_after_s: float = 2.0  #: with `hedge`: the next model is asked as well when the first has not begun by then
    hedge_models: int = 2
    checks: tuple[Check, ...] = ("empty", "schema", "tool_calls")  #: of whole answers, as long as another model is left to ask
    cascade: Cascade = Cascade()
    ensemble: Ensemble = Ensemble()
    review: ReviewTerms = ReviewTerms()
    max_output_tokens: int = 4_096  #: what an answer is limited to where a budget pays and the client sets no limit
