"""Drives plans without an event loop: each call is answered from a table, time is a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.fault import Fault
from pointsman.core.model import Model
from pointsman.core.plan import Execution, Retry
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.plans.start import start
from pointsman.plans.steps import Call, Deliver, Fail, First, Reached, Sent, Step, Steps, Wait, Waited
from tests.worlds import snapshot

OK = None
Said = Fault | None
Answer = Said | tuple[Said, float]
"""What a call comes to; with a number: the seconds after which the upstream wants to be asked again."""

FORBIDDEN = "forbidden"


def decision(models: int = 3, *, seed: int = 0, human: bool = False, sick: Sequence[str] = (), **route: object) -> Decision:
    """`m0`, `m1`, … in this order, and a better model that policy forbids, named in every chain. `sick`: who is out of service."""
    pool = [Model(f"m{at}", security=1 - at / 10) for at in range(models)] + [Model(FORBIDDEN, security=1.0)]
    names = tuple(model.id for model in pool)
    route = {"fallback": (FORBIDDEN, *names[1:-1]), **route}
    made = Route("auto", names, human=human, **route)
    world = snapshot(
        pool, made, policies=(Policy("not that one", forbid=Requirement(model=(FORBIDDEN,))),), health=dict.fromkeys(sick, "x")
    )
    return decide(Request("r1", "auto"), Signals(), world, made, seed=seed)


ONCE = Execution(retry=Retry(attempts=1))


@dataclass
class Run:
    """A plan as it is carried out. `answers` says what each model's calls come to, one after the other; the last one goes on."""

    answers: dict[str, Sequence[Answer]]
    call_s: float = 0.0  #: how long each call takes
    budget: int = 1_000_000  #: retries that are granted
    at_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __call__(self, made: Decision, execution: Execution = ONCE) -> Deliver | Fail:
        return self.drive(start(made, execution), lambda call: made.clearances is not None and call.clearance.covers(made.request.id))

    def drive(self, steps: Steps, sound: Callable[[Call], bool] = lambda _: True) -> Deliver | Fail:
        step = next(steps)
        while True:
            try:
                step = steps.send(self._sent(step, sound))
            except StopIteration as stop:
                return stop.value

    def _sent(self, step: Step, sound: Callable[[Call], bool]) -> Sent:
        self.steps.append(step)
        if isinstance(step, Wait):
            self.waits.append(step)
            self.budget -= 1
            if self.budget < 0:
                return Waited(granted=False, at_s=self.at_s)
            self.at_s += step.seconds
            return Waited(granted=True, at_s=self.at_s)
        if isinstance(step, Call):
            return self._reached(step, sound)
        reached = []
        for call in step.calls:
            reached.append(self._reached(call, sound))
            if isinstance(step, First) and reached[-1].ok:
                break
        return tuple(reached)

    def _reached(self, call: Call, sound: Callable[[Call], bool]) -> Reached:
        assert sound(call)
        assert call.model != FORBIDDEN
        self.asked.append(call.model)
        self.calls.append(call)
        self.at_s += self.call_s
        said = self.answers.get(call.model, [OK])
        answer = said[min(self.asked.count(call.model), len(said)) - 1]
        fault, retry_after_s = answer if isinstance(answer, tuple) else (answer, None)
        return Reached(call.model, fault, retry_after_s, self.at_s, len(self.asked))
