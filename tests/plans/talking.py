"""Drives plans that look at answers: what each model says, and what is thought of it, comes from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from pointsman.core.answer import Answer, Grade, Judged
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.fault import Fault
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Execution, Retry
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.plans.start import start
from pointsman.plans.steps import Call, Deliver, Fail, Reached
from tests.plans.driving import FORBIDDEN, Run
from tests.worlds import snapshot

HELPER = "helper"  #: verifies and judges


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and how likely it is thought to be right."""

    text: str = "7"
    confidence: float = 0.5
    barred: bool = False

    @property
    def answer(self) -> Answer:
        return Answer(self.text, refusal="no" if self.barred else "", logprobs=(self.confidence,))


Script = Sequence[Fault | Said]


def thought(model: str, answer: Answer, grades: tuple[Grade, ...]) -> Judged:
    """What the table says; the word of a verifier that has an opinion stands over it."""
    verified = [grade.value for grade in grades if grade.check == "verifier" and grade.value is not None]
    confidence = verified[0] if verified else answer.logprobs[0] if answer.logprobs else 0.5
    return Judged(confidence, (Grade("refusal", 0.0 if answer.refusal else 1.0), *grades))


def decided(execution: Execution, *, models: int = 3, helper: bool = True, stream: bool = False, **route: object) -> Decision:
    """`m0`, `m1`, …, each dearer and better than the one before; a helper; and a model that policy forbids, named wherever it can be."""
    pool = [
        Model(
            f"m{at}",
            price=Price(per_second=None, input=0, output=0, per_request=10**9 * 4**at),
            quality={"general": Prior(0.5 + at / 10, 99)},
        )
        for at in range(models)
    ]
    names = tuple(model.id for model in pool)
    barred = (FORBIDDEN,) if helper else (FORBIDDEN, HELPER)
    pool += [Model(FORBIDDEN), Model(HELPER)]
    made = Route("auto", (*names, FORBIDDEN), execution=execution, **route)
    world = snapshot(pool, made, policies=(Policy("not those", forbid=Requirement(model=barred)),))
    return decide(Request("r1", "auto", stream=stream), Signals(), world, made, seed=1)


@dataclass
class Talk(Run):
    """A run whose whole calls reach what the script of the model says, the last of it again and again."""

    script: dict[str, Script] = field(default_factory=dict)
    results: list[Reached] = field(default_factory=list)

    def begin(self, made: Decision, execution: Execution) -> Deliver | Fail:
        ended = self.drive(start(made, execution, thought), lambda call: call.clearance.covers(made.request.id))
        self.check(made, execution, ended)
        return ended

    def _reached(self, call: Call, sound: Callable[[Call], bool]) -> Reached:
        said = self.script.get(call.model, [Said()])
        now = said[min(self.asked.count(call.model), len(said) - 1)]
        self.answers = {call.model: [None if isinstance(now, Said) else now]}
        reached = super()._reached(call, sound)
        if isinstance(now, Said) and call.whole:
            reached = replace(reached, answer=now.answer)
        elif now == "unavailable":
            reached = replace(reached, number=0)
        self.results.append(reached)
        return reached

    def check(self, made: Decision, execution: Execution, ended: Deliver | Fail) -> None:
        """What holds for every plan that looks at answers."""
        assert made.plan is not None
        assert set(self.asked) <= made.plan.names
        assert sum(found.number > 0 for found in self.results) <= execution.most_calls
        helping = [call.variation is not None and bool(call.variation.question) for call in self.calls]
        answers = [found.number for found, helps in zip(self.results, helping, strict=True) if found.ok and not helps]
        assert sorted(step.call for step in ended.course) == sorted(answers)
        for step in ended.course:
            if step.fate == "accepted" and step.confidence is not None and step.threshold is not None:
                assert step.confidence >= step.threshold
            if step.fate == "accepted":
                assert not any(grade.check in execution.cascade.accept.checks and grade.value == 0 for grade in step.grades)
        if isinstance(ended, Fail):
            assert made.plan.human or not ended.human
            assert ended.human or not ended.course
            assert [found for found in self.results if not found.ok] == list(ended.failures)
            assert all(step.fate != "accepted" for step in ended.course)
        else:
            assert ended.reached in self.results
            assert sum(step.call == ended.reached.number for step in ended.course) == 1
            assert all(step.fate != "to_review" for step in ended.course)
            # What the client gets was whole before it was looked at; only what nobody could answer after it may have been streamed.
            assert all(call.whole for call, found in zip(self.calls, self.results, strict=True) if found.ok and found != ended.reached)


ONCE = Retry(attempts=1)
faults = st.sampled_from(
    ("server_error", "timeout", "rate_limit", "unavailable", "invalid_output", "content_filter", "malformed", "context_length")
)
sayings = st.builds(Said, st.sampled_from("789"), st.sampled_from((0.0, 0.3, 0.6, 0.7, 0.9, 1.0)), st.sampled_from((False, False, True)))
scripts = st.lists(sayings | sayings | faults, min_size=1, max_size=3)
