"""What the gateway thinks of an answer: every check's grade, and how likely it is right."""

from __future__ import annotations

from functools import cache, partial

from pointsman.core.answer import Answer, Grade, Judge, Judged, unlearned
from pointsman.core.decision import Decision
from pointsman.core.plan import LOOKING, Execution
from pointsman.gateway.understand import World
from pointsman.plans.checks import CHECKS, Asked, asked_of, grades
from pointsman.plans.looking import Ahead


def _by_checks(model: str, task: str, prior: float, grades: tuple[Grade, ...], question: str, answer: str) -> float:
    return unlearned(prior, grades)


def _names(execution: Execution, world: World) -> tuple[str, ...]:
    """Every check that ships, and those of the user's that the route asks for: what another route wants says nothing here."""
    asked = (*execution.checks, *execution.cascade.accept.checks)
    return (*CHECKS, *(name for name in world.own_checks if name in asked))


def outlook_of(decision: Decision, world: World) -> Ahead | None:
    """What was learned, for this request; `None` where nothing was learned of answers."""
    learned = world.outlook
    if learned is None:
        return None
    question = cache(lambda: asked_of(decision.request).question)
    return Ahead(lambda heard, further: learned.together(heard, further, question()), partial(learned.opening, decision.ruling.task))


def judge_of(decision: Decision, execution: Execution, world: World) -> Judge | None:
    """The judge of one request's answers; `None` where its plan looks at none."""
    if decision.plan is None or decision.plan.kind not in LOOKING:
        return None

    confident = world.confidence or _by_checks

    @cache
    def asked() -> Asked:
        return asked_of(decision.request)

    def judge(model: str, answer: Answer, further: tuple[Grade, ...]) -> Judged:
        given = (*grades(_names(execution, world), answer, asked(), world.own_checks), *further)
        estimate = decision.estimate(model)
        prior = 0.5 if estimate is None else estimate.quality
        return Judged(
            confident(model, decision.ruling.task, prior, given, asked().question, answer.text), given, world.confidence is not None
        )

    return judge
