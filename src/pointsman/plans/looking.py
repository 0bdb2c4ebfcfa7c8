"""What plans that look at answers share: the calls so far, the answers so far, and what is thought of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pointsman.core.answer import Answer, Fate, Grade, Judge, Judged, Weighed
from pointsman.core.decision import Decision
from pointsman.core.outlook import Heard, Opening, Prospect, Prospects, Turn
from pointsman.core.plan import Execution, Plan
from pointsman.core.worth import Further
from pointsman.plans.checks.normal import comes_to
from pointsman.plans.fallback import Ask, fallback
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Deliver, Fail, Reached, Steps


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer that was looked at."""

    reached: Reached
    answer: Answer
    judged: Judged
    barred: str = ""  #: the check that it fails and that none may fail
    votes: int = 0
    quality: float = 0.0  #: expected of its model
    threshold: float | None = None  #: the confidence that was asked of it
    unfit: str = ""  #: the check of the route's that it fails, where nobody was left to ask instead
    fate: Fate = "escalated"  #: what becomes of it unless it is the best
    why: str = ""

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """The highest is the best: what no check bars, the most likely to be right, the better model's, the latest."""
        return not self.barred, self.judged.confidence, self.quality, self.reached.number

    @property
    def heard(self) -> Heard:
        """It beside others."""
        judged = self.judged
        text = self.answer.text or self.answer.refusal
        return Heard(self.reached.model, self.quality, judged.confidence, text, comes_to(self.answer), judged.grades)

    def believed(self, confidence: float) -> Seen:
        """It, with another confidence."""
        return replace(self, judged=replace(self.judged, confidence=confidence))

    @property
    def does(self) -> bool:
        """Whether it can be delivered as it is."""
        return not self.barred and (self.threshold is None or self.judged.confidence >= self.threshold)


@dataclass(frozen=True, slots=True)
class Ahead:
    """`core.outlook.Outlook` of this request's question and task."""

    together: Callable[[Sequence[Heard], Sequence[tuple[str, float]]], Prospects]
    opening: Callable[[Sequence[Further], float, int], Opening | None]


@dataclass(slots=True)
class Looking:
    """One request's way through a plan that looks at answers."""

    decision: Decision
    execution: Execution
    ask: Ask
    judge: Judge
    patience: Patience
    outlook: Ahead | None = None  #: what answers tell; `None`: nothing was learned of that
    opened: Opening | None = None  #: how it began, where that was chosen by what an answer is worth
    plan: Plan = field(init=False)
    made: list[Reached] = field(default_factory=list)  #: what came of every call, helpers' included
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.decision.plan is None:
            raise ValueError("no candidate survived: there is nothing to start")
        self.plan = self.decision.plan

    @property
    def room(self) -> int:
        """How many more calls may be made; 0 as well where the time is up."""
        return 0 if self._late else max(0, self.execution.most_calls - len(self.made))

    @property
    def _late(self) -> bool:
        return max((reached.at_s for reached in self.made), default=0.0) >= self.execution.deadline_s

    @property
    def failures(self) -> tuple[Reached, ...]:
        """The calls that came to nothing."""
        return tuple(reached for reached in self.made if not reached.ok)

    def judged(self, answer: Answer, reached: Reached, *grades: Grade) -> Seen:
        """What is thought of an answer, with grades that took other calls."""
        judged = self.judge(reached.model, answer, grades)
        judged = replace(judged, grades=tuple(dict.fromkeys((*judged.grades, *grades))))
        firm = self.execution.cascade.accept.checks
        failed = [grade.check for grade in judged.grades if grade.value == 0]
        barred, unfit = (next((check for check in failed if check in named), "") for named in (firm, self.execution.checks))
        return Seen(reached, answer, judged, barred, quality=self._quality(reached.model), unfit=unfit)

    @property
    def beyond(self) -> tuple[str, ...]:
        """Spares that were not asked and of which no less is expected than of any model of the plan: the chain's next hops."""
        asked, most = {reached.model for reached in self.made}, max(map(self._quality, self.plan.models))
        return tuple(model for model in self.plan.spares if model not in asked and self._quality(model) >= most)

    def _quality(self, model: str) -> float:
        estimate = self.decision.estimate(model)
        return 0.0 if estimate is None else estimate.quality

    def standing(self, further: Sequence[tuple[str, float]] = ()) -> tuple[Seen, tuple[Prospect, ...]]:
        """The best answer so far, as sure as the others make one of it, and what `further` models promise, as far as that is known."""
        turn = self.turn
        if turn is not None:
            return self.seen[turn.best].believed(turn.confidence), ()
        fit = [seen for seen in self.seen if not seen.barred]
        if self.outlook is None or not fit or not all(seen.judged.learned for seen in fit):
            return max(self.seen, key=lambda seen: seen.rank), ()
        told = self.outlook.together([seen.heard for seen in fit], further)
        return fit[told.best].believed(told.confidence), told.further

    @property
    def turn(self) -> Turn | None:
        """What follows from how it began; `None` where it went another way: a call failed, an answer is barred, the chain was asked."""
        if self.opened is None or self.opened.then is None or any(seen.barred or not seen.judged.learned for seen in self.seen):
            return None
        turn = self.opened.then([seen.heard for seen in self.seen])
        return None if turn is None or turn.further in {reached.model for reached in self.made} else turn

    def share(self, best: Seen) -> list[Seen]:
        """Those who were asked at once with the best and say the same: they are as sure as it."""
        said, turn = best.heard.comes_to, self.turn
        if turn is None or not said:
            return []
        first = [] if self.opened is None else self.opened.asked
        alike = [seen.reached.model in first and best.reached.model in first and seen.heard.comes_to == said for seen in self.seen]
        self.seen = [seen.believed(best.judged.confidence) if one else seen for seen, one in zip(self.seen, alike, strict=True)]
        return [seen for seen, one in zip(self.seen, alike, strict=True) if one]

    def why_no_more(self) -> str:
        """Why nothing more is asked, where no answer has been accepted."""
        if self._late:
            return f"no time is left: {self.execution.deadline_s:g} s"
        if len(self.made) >= self.execution.most_calls:
            return f"no call is left of {self.execution.most_calls}"
        return "nobody is left to ask"

    def ended(self, best: Seen, *, does: bool, why: str, alike: Sequence[Seen] = ()) -> Deliver | Fail:
        """The best answer where it does, or where there is no person to ask; else the person.

        `why` nothing further was asked, where that is not plain from the calls; `alike`: answers that share the best one's fate.
        """
        human = self.plan.human and not does
        self.seen = [best if seen.reached is best.reached else seen for seen in self.seen]
        fate: Fate = "accepted" if does else "to_review" if human else "settled"
        if not does:
            why = f"{'' if human else 'delivered all the same: '}{why or self.why_no_more()}"
        course = tuple(
            weighed(seen, fate if seen is best or seen in alike else seen.fate, why if seen is best else seen.why) for seen in self.seen
        )
        return Fail(self.failures, human=True, course=course) if human else Deliver(best.reached, course)

    def spares(self) -> Steps:
        """Where no model of the plan has answered: its spares in turn, and then as in any chain."""
        chain = replace(self.plan, models=(*self.plan.models, *self.plan.spares))
        ended = yield from fallback(chain, self.ask, self.patience, self.made)
        return unseen(ended.reached, (), "no other model answered") if isinstance(ended, Deliver) else ended


def weighed(seen: Seen, fate: Fate, why: str = "") -> Weighed:
    """The step of the course that an answer is."""
    barred = f"`{seen.barred}` is at 0" if seen.barred else ""
    found, judged = seen.reached, seen.judged
    said = ": ".join(part for part in (barred, why) if part)
    return Weighed(
        found.number, found.model, fate, judged.confidence, seen.threshold, judged.grades, seen.votes, said, seen.barred or seen.unfit
    )


def unseen(reached: Reached, before: tuple[Weighed, ...], why: str) -> Deliver:
    """Deliver an answer that was not looked at."""
    return Deliver(reached, (*before, Weighed(reached.number, reached.model, "accepted", why=f"not looked at: {why}")))
