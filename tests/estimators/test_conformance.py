from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pointsman.estimators.learned import Predicted
from pointsman.estimators.table import Table, Tabled
from pointsman.testing.estimators import CHECKS, check_estimator, sample_outcomes
from tests.estimators.learners import LEARNERS


@pytest.mark.parametrize("promise", CHECKS)
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_keeps_every_promise(name, promise):
    CHECKS[promise](*LEARNERS[name])


@dataclass(frozen=True)
class Meddling:
    """A learner that is broken in one way."""

    how: str
    name: str = "meddling"

    def fit(self, outcomes, *, seed):
        if self.how == "writes":
            outcomes.quality[0, 0] = 0.123
        return Meddled(Table().fit(outcomes, seed=seed), self.how)


@dataclass(frozen=True)
class Meddled:
    table: Tabled
    how: str

    def predict(self, queries) -> Predicted:
        found = self.table.predict(queries)
        if self.how == "reads the id":
            return replace(found, quality=found.quality + np.array([len(query.id) / 1000 for query in queries]).reshape(-1, 1))
        if self.how == "looks around":
            return replace(found, quality=found.quality + len(queries) / 1000)
        if self.how == "boasts":
            return replace(found, low=np.minimum(found.low + 0.5, 1.0))
        return found


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("writes", "table was changed|cannot be kept"),
        ("reads the id", "id, group"),
        ("looks around", "what else"),
        ("boasts", "exclude|bounds"),
    ],
)
def test_the_kit_finds_what_is_broken(how, said):
    broken = []
    for check in CHECKS.values():
        try:
            check(Meddling(how), None)
        except AssertionError as error:
            broken.append(str(error))
        except (TypeError, IndexError):  # it cannot be written to a file, or has nothing to write to; not what is tried here
            continue
    assert broken
    assert any(part in text for text in broken for part in said.split("|"))


def test_the_kit_names_learner_and_promise():
    with pytest.raises(AssertionError, match="meddling: it fits on nothing: the bounds"):
        check_estimator(Meddling("boasts"))


def test_the_sample_is_the_same_for_the_same_seed():
    assert sample_outcomes(seed=3).digest() == sample_outcomes(seed=3).digest() != sample_outcomes(seed=4).digest()
