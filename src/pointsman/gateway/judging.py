"""What the gateway thinks of an answer: every check's grade, and how likely it is right."""

from __future__ import annotations

from functools import cache

from pointsman.core.answer import Answer, Grade, Judge, Judged
from pointsman.core.decision import Decision
from pointsman.core.plan import LOOKING
from pointsman.gateway.understand import World
from pointsman.plans.checks import CHECKS, Asked, asked_of, grades


def _by_checks(model: str, task: str, prior: float, grades: tuple[Grade, ...], question: str, answer: str) -> float:
    return min((grade.value for grade in grades if grade.value is not None), default=prior)


def _names(world: World) -> tuple[str, ...]:
    return (*CHECKS, *world.own_checks)


def judge_of(decision: Decision, world: World) -> Judge | None:
    """The judge of one request's answers; `None` where its plan looks at none."""
    if decision.plan is None or decision.plan.kind not in LOOKING:
        return None

    confident = world.confidence or _by_checks

    @cache
    def asked() -> Asked:
        return asked_of(decision.request)

    def judge(model: str, answer: Answer, further: tuple[Grade, ...]) -> Judged:
        given = (*grades(_names(world), answer, asked(), world.own_checks), *further)
        estimate = decision.estimate(model)
        prior = 0.5 if estimate is None else estimate.quality
        return Judged(
            confident(model, decision.ruling.task, prior, given, asked().question, answer.text), given, world.confidence is not None
        )

    return judge
