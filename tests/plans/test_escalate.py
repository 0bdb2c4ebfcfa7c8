"""One cheap try, then a stronger model where its answer does not do: a cascade of two."""

from __future__ import annotations

import pytest

from pointsman.core.plan import Accept, Cascade, Execution
from pointsman.plans.cascade import cascade
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver, Fail
from tests.plans.talking import ONCE, Said, Talk, decided, thought

EXECUTION = Execution(retry=ONCE, cascade=Cascade(accept=Accept(confidence=0.7)))
POOR, GOOD = Said(confidence=0.3), Said(confidence=0.9)


def run(script, **route):
    talk = Talk({}, script=script)
    return talk, talk.begin(decided(EXECUTION, models=4, plan="escalate", **route), EXECUTION)


@pytest.mark.parametrize(
    ("script", "asked", "delivered"),
    [
        ({"m0": [GOOD]}, ["m0"], "m0"),
        ({"m0": [POOR], "m3": [GOOD]}, ["m0", "m3"], "m3"),
        ({"m0": [POOR], "m3": ["timeout"]}, ["m0", "m3"], "m0"),
        ({"m0": ["timeout"], "m3": [POOR]}, ["m0", "m3"], "m3"),
        ({"m0": ["timeout"], "m3": ["timeout"]}, ["m0", "m3", "m1"], "m1"),
    ],
)
def test_the_cheapest_first_and_the_best_where_it_does_not_do(script, asked, delivered):
    talk, ended = run(script, fallback=("m1",))
    assert talk.asked == asked
    assert isinstance(ended, Deliver)
    assert ended.reached.model == delivered


def test_a_person_looks_where_the_stronger_one_does_not_do_either():
    _, ended = run({"m0": [POOR], "m3": [POOR]}, human=True)
    assert isinstance(ended, Fail)
    assert [(step.model, step.fate) for step in ended.course] == [("m0", "escalated"), ("m3", "to_review")]


def test_it_is_a_cascade():
    made = decided(EXECUTION, models=4, plan="escalate")
    assert made.plan.models == ("m0", "m3")
    assert start(made, EXECUTION, thought).gi_code is cascade.__code__
