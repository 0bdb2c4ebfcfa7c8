"""Caps on premium models from a configuration: who is premium, and what is remarked upon."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pointsman.build.premium import caps_of, premium_remarks
from pointsman.build.world import current_snapshot
from pointsman.config.load import load
from pointsman.core.premium import PremiumCap
from pointsman.core.rule import PolicyScope

PRICES = {
    "cheap": {"price": {"input": 1, "output": 2}},
    "dear": {"price": {"input": 10, "output": 30}},
    "thinker": {"price": {"input": 1, "output": 2, "reasoning": 40}},
    "unknown": {},
    "rack": {"price": {"gpu_second": 0.001}},
    "gone": {"price": {"input": 90, "output": 90}, "disabled": "contract ended"},
}


def made(routes: object, *caps: dict[str, object]):
    pool = [{"id": name, "provider": "acme", "base_url": "https://llm.acme.example/v1", **more} for name, more in PRICES.items()]
    shares = [{"name": f"cap {at}", "at_most": 0.4, **cap} for at, cap in enumerate(caps)]
    config = load(json.dumps({"version": 1, "models": pool, "routes": routes, "premium_shares": shares}), "test.yaml", {})
    return config, current_snapshot(config)[0]


@pytest.mark.parametrize(
    ("cap", "premium"),
    [
        ({"models": ["dear", "cheap"]}, ("cheap", "dear")),
        ({"dearer_than_usd": 2}, ("dear", "thinker", "unknown", "gone")),  # nobody knows that the unknown one is not
        ({"dearer_than_usd": 30, "models": ["cheap"]}, ("cheap", "thinker", "unknown", "gone")),
        ({"dearer_than_usd": 100}, ("unknown",)),
    ],
)
def test_models_are_premium_by_name_or_by_price(cap, premium):
    config, snapshot = made({"auto": {}}, cap)
    assert [each.models for each in caps_of(config, snapshot.models)] == [premium]


def test_a_cap_is_what_the_file_says():
    config, snapshot = made({"auto": {}}, {"models": ["dear"], "at_most": 0.29, "over": 100, "per": "team", "scope": {"teams": ["red"]}})
    assert caps_of(config, snapshot.models) == (PremiumCap("cap 0", ("dear",), 29, 100, "team", PolicyScope(teams=("red",))),)


@pytest.mark.parametrize(
    ("cap", "remarks"),
    [
        ({"models": ["dear"]}, ["leaves nobody on route `best` once it is reached: every model that it can reach is premium"]),
        ({"models": ["dear"], "scope": {"routes": ["auto"]}}, []),
        ({"models": ["unknown", "thinker"]}, ["holds nothing: no route that it is for can reach `thinker` or `unknown`"]),
        ({"models": ["gone"]}, ["holds nothing: no route that it is for can reach `gone`"]),
        ({"models": ["dear"], "scope": {"routes": ["plain"]}}, ["holds nothing: no route that it is for can reach `dear`"]),
    ],
)
def test_what_holds_nobody_or_leaves_nobody_is_remarked_upon(cap, remarks):
    routes = {"auto": {"models": ["cheap", "dear", "gone"]}, "best": {"models": ["dear"]}, "plain": {"models": ["cheap"]}}
    assert list(premium_remarks(*made(routes, cap))) == [f"cap `cap 0` on premium models {remark}" for remark in remarks]


def test_a_price_that_nothing_exceeds_is_remarked_upon():
    config, snapshot = made({"auto": {}}, {"dearer_than_usd": 100})
    priced = replace(snapshot, models={name: model for name, model in snapshot.models.items() if model.price is not None}, routes={})
    assert premium_remarks(config, priced) == ("cap `cap 0` on premium models holds nothing: no model is so dear",)
