"""The words plans are written in.

A plan is a generator: it yields a step, is sent what came of it, and in the end returns `Deliver` or `Fail`. It knows no clock and no
network; what it needs of time comes with what it is sent.

| step | is sent |
|---|---|
| `Call` | `Reached` |
| `All` | a `Reached` for each call, in their order, once all have ended |
| `First` | a `Reached` for each call that was made, in their order; those still open when one had reached something are given up |
| `Wait` | `Waited` |
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pointsman.core.answer import Answer, Weighed
from pointsman.core.clearance import Clearance
from pointsman.core.fault import Fault
from pointsman.core.plan import Check
from pointsman.core.value import value


@dataclass(frozen=True, slots=True)
class Variation:
    """How a call differs from what the client asked."""

    instruction: str = ""  #: said after everything else: another form of the same question
    question: str = ""  #: asked in place of everything the client said
    max_output_tokens: int | None = None
    temperature: float | None = None


@value
class Call:
    """Ask one model. Carries the clearance without which nothing goes out."""

    clearance: Clearance
    checks: tuple[Check, ...] = ()  #: what a whole answer must keep
    first_token_s: float | None = None  #: give a stream up that has not begun by then
    hurried: bool = False  #: may take half of the time that is left, so that the models after it have theirs
    forced: bool = False  #: also where the model is out of service
    whole: bool = False  #: the whole answer is waited for, also where the client asked for a stream, and sent to the plan
    variation: Variation | None = None  #: `None`: as the client asked

    @property
    def model(self) -> str:
        """The model to ask."""
        return self.clearance.model


@dataclass(frozen=True, slots=True)
class All:
    """Ask several models at once, and wait for all."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class First:
    """Ask the first; while nothing was reached, ask a further one every `after_s` seconds, or as soon as all before have failed."""

    calls: tuple[Call, ...]
    after_s: float


@value
class Wait:
    """Wait before a model is asked again. Its retry budget is asked first."""

    model: str
    seconds: float


@value
class Reached:
    """What came of a call, as far as a plan needs to know.

    `fault` is `None` where the first content (of a stream) or the whole answer is there and may be delivered.
    """

    model: str
    fault: Fault | None = None
    retry_after_s: float | None = None  #: when the upstream says that asking again makes sense
    at_s: float = 0.0  #: since the plan began
    number: int = 0  #: of the call, counted from 1; 0: it was not made
    abandoned: bool = False  #: given up because another call was first
    answer: Answer | None = None  #: of a `whole` call that reached one

    @property
    def ok(self) -> bool:
        """Whether there is something to deliver."""
        return self.fault is None and not self.abandoned


@value
class Waited:
    """Whether the wait took place: not where the retry budget is used up."""

    granted: bool
    at_s: float = 0.0


@value
class Deliver:
    """Give the client this call's answer. From here on no other model is asked."""

    reached: Reached
    course: tuple[Weighed, ...] = ()  #: what was thought of the answers on the way here


@value
class Fail:
    """Give the client an error; failures are in the order of the calls. `human`: a person is to be asked, and sees the answers so far."""

    failures: tuple[Reached, ...]
    human: bool = False
    course: tuple[Weighed, ...] = ()


Step = Call | All | First | Wait
Sent = Reached | Waited | tuple[Reached, ...]
Steps = Generator[Step, Sent, Deliver | Fail]
"""A running plan."""
