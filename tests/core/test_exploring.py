"""Models of which nothing was learned, beside some of which something was."""

from __future__ import annotations

import pytest

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Cascade, Ensemble, Execution
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Effects, Rule
from pointsman.core.score import dial
from pointsman.core.signals import Prediction, Signals
from pointsman.core.snapshot import Route
from pointsman.policy.cel import compile_condition
from tests.worlds import snapshot

MODELS = [
    Model("known", price=Price(1, 1)),
    Model("second", price=Price(1, 1)),
    Model("new", price=Price(1, 1), quality={"general": Prior(0.99)}),
    Model("newer", price=Price(1, 1), quality={"general": Prior(0.98)}),
    Model("spare", price=Price(1, 1)),
]
LEARNED = (Prediction("known", 0.7, 0.6, 50), Prediction("second", 0.6, 0.5, 50))
NAMES = ("known", "second", "new", "newer")
ROUTE = Route("auto", NAMES, weights=dial(1.0), fallback=("spare",))
NEVER_EXPLORED = 2**53 - 1


def decided(
    route: Route = ROUTE, *, explore: float = 0.0, seed: int = NEVER_EXPLORED, predicted: tuple[Prediction, ...] = LEARNED
) -> Decision:
    return decide(Request("r", "auto"), Signals(predicted=predicted), snapshot(MODELS, route, explore=explore), route, seed)


def test_what_is_stated_of_a_model_draws_no_traffic_from_what_was_learned():
    assert decided().order == ("known", "second", "new", "newer", "spare")
    assert decided(predicted=()).order[:2] == ("new", "newer")


def test_where_nothing_was_learned_of_anybody_here_statements_are_all_there_is():
    assert decided(Route("auto", ("new", "newer"), weights=dial(1.0))).order == ("new", "newer")


def test_a_rule_may_prefer_one_all_the_same():
    rule = Rule("try it", compile_condition("true"), Effects(prefer=("newer",)))
    assert decided(Route("auto", NAMES, weights=dial(1.0), rules=(rule,)), explore=1.0, seed=0).order[0] == "newer"


@pytest.mark.parametrize(
    ("at", "chosen", "propensity"),
    [
        (0.0, "new", 0.05),
        (0.0499, "new", 0.05),
        (0.0501, "newer", 0.05),
        (0.0999, "newer", 0.05),
        (0.1001, "known", 0.9),
        (0.99, "known", 0.9),
    ],
)
def test_a_share_of_requests_explores_and_the_record_says_how_likely_that_was(at, chosen, propensity):
    found = decided(explore=0.1, seed=int(at * 2**53))
    assert (found.chosen, found.propensity) == (chosen, pytest.approx(propensity))
    assert sorted(found.order) == sorted((*NAMES, "spare"))


def test_a_quality_floor_is_not_explored_under():
    floored = Route("auto", NAMES, weights=dial(1.0), quality_floor=0.4)
    assert decided(floored, explore=1.0, seed=0).chosen == "known"


@pytest.mark.parametrize(
    ("plan", "execution"),
    [
        ("cascade", Execution(cascade=Cascade(tiers=("second", "known", "newer")))),
        ("escalate", Execution()),
        ("ensemble", Execution(ensemble=Ensemble(members=("second", "known")))),
    ],
)
def test_where_the_plan_says_who_is_asked_first_nothing_is_drawn(plan, execution):
    found = decided(Route("auto", NAMES, weights=dial(1.0), plan=plan, execution=execution), explore=0.5, seed=0)
    assert (found.order[0], found.propensity) == ("known", 1.0)


def test_members_that_the_ranking_names_may_be_drawn():
    drawn = decided(Route("auto", NAMES, weights=dial(1.0), plan="ensemble"), explore=0.5, seed=0)
    assert (drawn.chosen, drawn.propensity) == ("new", 0.25)


def test_where_only_fallbacks_are_known_nothing_is_drawn():
    fallbacks_only = Route("auto", ("new", "newer"), weights=dial(1.0), fallback=("known",))
    found = decided(fallbacks_only, explore=0.5, seed=0)
    assert (found.order, found.propensity) == (("new", "newer", "known"), 1.0)
