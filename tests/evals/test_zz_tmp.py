"""A live cascade on recorded answers goes as evaluations say it does: the same calls, the same answer delivered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pointsman.core.answer import Answer, Grade, Judged
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Accept, Cascade, Execution
from pointsman.core.prices import PICO, Price
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.estimators.confidence import Confidence
from pointsman.estimators.confidence_file import dump, load
from pointsman.estimators.outcomes import Outcomes
from pointsman.estimators.outlook import outlook
from pointsman.evals import cascades, duos
from pointsman.evals.answer_learning import learn
from pointsman.evals.cascade_runs import MOST_CALLS
from pointsman.evals.sight import Sight, checked, shown_to
from pointsman.plans.looking import Ahead
from pointsman.plans.start import start
from pointsman.plans.steps import Call, Deliver, Reached
from tests.evals.test_cascades import sums
from tests.evals.test_duos import letters
from tests.plans.driving import Run
from tests.worlds import snapshot

JUDGED = 200
WORTHS = tuple(np.geomspace(1e-5, 50, 30).tolist())
Course = tuple[frozenset[str], str]


@dataclass
class Recorded(Run):
    """Every model answers what was recorded of it."""

    texts: dict[str, str] = field(default_factory=dict)

    def _reached(self, call: Call, sound: Callable[[Call], bool]) -> Reached:
        return replace(super()._reached(call, sound), answer=Answer(self.texts[call.model]))


def decided(outcomes: Outcomes, at: int, execution: Execution) -> Decision:
    """What is expected of each model moves from query to query, around what it is good for."""
    chance, mean = np.random.default_rng(at), outcomes.quality.mean(axis=0)
    quality = np.clip(mean + chance.normal(0, 0.15, len(mean)), 0.05, 0.98)
    prices = [Price(per_second=None, input=0, output=0, per_request=round(cost * PICO)) for cost in outcomes.cost_usd[at]]
    pool = [
        Model(name, price=price, quality={"general": Prior(float(one), 10_000)})
        for name, price, one in zip(outcomes.models, prices, quality, strict=True)
    ]
    route = Route("auto", outcomes.models, plan="cascade", execution=execution)
    return decide(Request("r1", "auto"), Signals(), snapshot(pool, route), route, seed=1)


def live(learned: Confidence, outcomes: Outcomes, at: int, worth_usd: float) -> Course:
    """Drive the plan."""
    query, execution = outcomes.queries[at], run_with(outcomes, worth_usd)
    made = decided(outcomes, at, execution)

    def judge(model: str, answer: Answer, further: tuple[Grade, ...]) -> Judged:
        grades = (*checked(query, answer.text)[1], *further)
        return Judged(learned.predict(model, query.task, made.estimate(model).quality, grades, answer.text, query.text), grades, True)

    ahead = Ahead(
        lambda heard, further: outlook(learned, heard, further, query.text),
        lambda offers, worth, most: learned.openings.begin(query.task, offers, worth, most, {}),
    )
    talk = Recorded({}, texts=dict(zip(outcomes.models, outcomes.answers[at], strict=True)))
    ended = talk.drive(start(made, execution, judge, ahead))
    assert isinstance(ended, Deliver)
    assert len(talk.asked) == len(set(talk.asked))
    return frozenset(talk.asked), ended.reached.model


def run_with(outcomes: Outcomes, worth_usd: float) -> Execution:
    return Execution(most_calls=MOST_CALLS, cascade=Cascade(outcomes.models, Accept(0.7), worth_usd))


def seen(learned: Confidence, outcomes: Outcomes) -> Sight:
    """What evaluations see of the same predictions."""
    made = [decided(outcomes, at, run_with(outcomes, 1.0)) for at in range(len(outcomes.queries))]
    prior = np.array([[one.estimate(model).quality for model in outcomes.models] for one in made])
    return shown_to(learned, learned.openings.discern, outcomes, prior, outcomes.cost_usd)


def evaluated(learned: Confidence, outcomes: Outcomes) -> list[list[Course]]:
    """Every query's course at every worth."""
    sight, names = seen(learned, outcomes), outcomes.models
    if not learned.openings.pairs:
        # One worth at a time: of several, those between two that agree are not tried.
        courses = [[cascades.routed(sight, at, (one,), MOST_CALLS)[0] for one in WORTHS] for at in range(len(outcomes.queries))]
        return [[(frozenset(names[m] for m in one.asked), names[one.delivered]) for one in each] for each in courses]
    (pair,) = learned.openings.pairs
    numbered = duos.Pair(*(names.index(name) for name in (pair.first, pair.second, pair.strong)), pair.duo, pair.cuts)
    went = duos.went(outcomes, sight, numbered, np.array(WORTHS))
    assert went.cost_usd.shape == (len(outcomes.queries), len(WORTHS))
    found = []
    for at, cost in enumerate(outcomes.cost_usd):
        sets = [{int(m)} for m in range(len(names))] + [set(numbered.asked), {*numbered.asked, numbered.strong}]
        paid = np.array([cost[list(one)].sum() for one in sets])
        asked = [sets[int(np.argmin(np.abs(paid - one)))] for one in went.cost_usd[at]]
        assert [len(one) for one in asked] == went.calls[at].tolist()
        found.append([(frozenset(names[m] for m in one), names[by]) for one, by in zip(asked, went.delivered[at], strict=True)])
    return found


@pytest.mark.parametrize(
    ("train", "judged", "few", "ways"),
    [
        (letters().pool(("first", "second", "strong")), letters(JUDGED, 1).pool(("first", "second", "strong")), 300, {1, 2, 3}),
        (sums(120), sums(JUDGED, 1), 300, {1, 2}),
        (sums(120), sums(JUDGED, 1), 100, {1, 2, 3}),
    ],
    ids=["a pair is asked at once", "one answer is looked at", "answers are looked at one by one"],
)
def test_a_live_course_is_the_evaluated_one(monkeypatch: pytest.MonkeyPatch, train: Outcomes, judged: Outcomes, few: int, ways: set[int]):
    monkeypatch.setattr(duos, "FEW", few)
    learned = load(dump(learn(train, 0, lambda line: None).confidence))
    courses = evaluated(learned, judged)
    assert [[live(learned, judged, at, worth) for worth in WORTHS] for at in range(JUDGED)] == courses
    assert {len(asked) for each in courses for asked, _ in each} == ways  # each way of going on is among them
