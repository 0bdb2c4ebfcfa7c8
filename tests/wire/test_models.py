"""The list of models, as clients of OpenAI and of Anthropic read it."""

from __future__ import annotations

import pytest

from pointsman.core.model import Model
from pointsman.core.request import Caller
from pointsman.core.snapshot import Route, Snapshot
from pointsman.errors import RequestError
from pointsman.estimators.prior import PriorEstimator
from pointsman.policy.gates import GATES
from pointsman.wire.anthropic_messages.models import model_info, models_page
from pointsman.wire.openai_models import models_list, usable

MODELS = {name: Model(name, provider="p") for name in ("a", "b", "c")}
ROUTES = {"auto": Route("auto", ("a", "b")), "sea": Route("sea", ("c",))}
SNAPSHOT = Snapshot("s", MODELS, ROUTES, GATES, PriorEstimator(MODELS.values()))
NAMES = [f"m{number:02}" for number in range(25)]


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (Caller("k"), ["auto", "sea", "a", "b", "c"]),
        (Caller("k", models=("a",)), ["auto", "a"]),
        (Caller("k", routes=("sea", "c")), ["sea", "c"]),
        (Caller("k", routes=(), models=()), []),
    ],
)
def test_a_key_sees_what_it_may_use_in_either_shape(caller, names):
    assert list(usable(SNAPSHOT, caller)) == names
    assert [entry["id"] for entry in models_list(SNAPSHOT, caller)] == names
    assert models_page(list(usable(SNAPSHOT, caller)), "") == {
        "data": [model_info(name) for name in names],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


@pytest.mark.parametrize("size", [1, 4, 20, 1_000])
def test_pages_in_either_direction_hold_every_name_once(size):
    found, query = [], f"limit={size}"
    while True:
        page = models_page(NAMES, query)
        found += [entry["id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        query = f"limit={size}&after_id={page['last_id']}"
    assert found == NAMES
    found, first = [], NAMES[-1]
    while True:
        page = models_page(NAMES, f"limit={size}&before_id={first}")
        found = [entry["id"] for entry in page["data"]] + found
        first = page["first_id"]
        if not page["has_more"]:
            break
    assert found == NAMES[:-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=99999999999999999999", "after_id=gone", "before_id=gone"])
def test_a_query_that_means_nothing_is_refused_by_name(query):
    with pytest.raises(RequestError) as raised:
        models_page(NAMES, query)
    assert raised.value.param == query.partition("=")[0]


def test_names_are_written_as_urls_write_them():
    assert models_page(["a/b c", "d"], "after_id=a%2Fb+c")["first_id"] == "d"
