"""A plan: how the decision is carried out. The generators that execute plans live in `pointsman.plans`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pointsman.core.fault import Fault
from pointsman.core.rule import PlanKind

Check = Literal["empty", "schema", "truncated"]
"""What makes an answer unfit: it says nothing, it does not keep to the JSON schema that was asked for, it was cut off at its limit."""

Kind = PlanKind | Literal["review"]
"""`review`: no model is asked, a person is; no rule or route can ask for it."""

Chains = tuple[tuple[Fault, tuple[str, ...]], ...]
"""For some classes of failure, the models that are asked after one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`single` asks `models[0]`; `fallback` asks each in turn until one answers; `hedge` asks the next as well when one is slow.

    Every model in it passed the gates, but for what `flags` say.
    """

    kind: Kind
    models: tuple[str, ...]
    chains: Chains = ()  #: after such a failure these are asked, in place of the rest of `models`
    human: bool = False  #: when nothing answers a person is asked
    flags: tuple[str, ...] = ()  #: what its models miss though they are asked, such as `quality_floor_missed`

    @property
    def names(self) -> frozenset[str]:
        """Every model that may be asked."""
        return frozenset(self.models).union(*(models for _, models in self.chains))

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
class Execution:
    """How a route's plans are carried out; none of it changes what is chosen."""

    retry: Retry = Retry()
    most_calls: int = 8  #: of one request, retries and fallbacks together
    deadline_s: float = 600.0  #: for everything until the answer begins (a stream) or is whole
    first_token_s: float | None = None  #: a stream that has not begun by then is given up where another model is left to ask
    hedge_after_s: float = 2.0  #: with `hedge`: the next model is asked as well when the first has not begun by then
    hedge_models: int = 2
    checks: tuple[Check, ...] = ("empty", "schema")  #: of whole answers, as long as another model is left to ask
    max_output_tokens: int = 4_096  #: what an answer is limited to where a budget pays and the client sets no limit
