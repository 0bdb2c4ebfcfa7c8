"""Caps on premium models: whatever is asked, no more of a key's requests go to them than the cap lets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.build.premium import tally_of
from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.decide import decide
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Ensemble, Execution
from pointsman.core.premium import PremiumCap, PremiumShare
from pointsman.core.prices import Price
from pointsman.core.record import DecisionRecord, remake
from pointsman.core.request import Caller, Content, Request
from pointsman.core.rule import PolicyScope
from pointsman.core.score import dial
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.gateway import Inquiry, decide_request
from pointsman.gateway.premium import Taken, Tally, settle
from pointsman.signals.noise import GADGETS, worst_prefix
from tests.server.conftest import Serve
from tests.server.served import ONCE, Served, chat, model
from tests.worlds import snapshot

DEAR = model("dear", price={"input": 10, "output": 30}, quality={"general": 0.9})
CHEAP = model("cheap", price={"input": 1, "output": 2}, quality={"general": 0.3})
CAP = {"name": "few", "models": ["dear"], "at_most": 0.4, "over": 20}
WORLD = snapshot(
    [
        Model("dear", price=Price(30, 30), quality={"general": Prior(0.9)}),
        Model("cheap", price=Price(1, 1), quality={"general": Prior(0.3)}),
        Model("other", price=Price(2, 2), quality={"general": Prior(0.2)}),
    ],
    Route("best", ("dear", "cheap"), weights=dial(1)),
    Route("chain", ("cheap",), fallback=("dear",)),
    Route("thrifty", ("cheap", "other")),
    Route("alone", ("dear",)),
)


def most_in_a_row(went: Sequence[bool], over: int) -> int:
    """The most of any so many requests in a row."""
    return max((sum(went[at : at + over]) for at in range(len(went))), default=0)


def asked(tally: Tally, route: str, caller: Caller = Caller(), body: object = None) -> tuple[str | None, tuple[Taken, ...]]:
    """Who is chosen, and what the request counts as."""
    content = None if body is None else Content((), body=body)
    request, found = Request("r", route, caller=caller, content=content), WORLD.route(route)
    assert found is not None
    decision = decide(request, Signals(premium=tally.shares(request, WORLD)), WORLD, found, 0)
    return decision.chosen, tally.take(decision)


# Whatever happens


@given(
    st.integers(1, 8).flatmap(lambda over: st.tuples(st.integers(1, over), st.just(over))),
    st.lists(
        st.tuples(st.sampled_from(["best", "chain", "thrifty", "alone"]), st.sampled_from("ab"), st.integers(0, 6), st.booleans()),
        max_size=60,
    ),
)
def test_no_requests_in_a_row_exceed_the_cap_whatever_is_asked_and_whenever_it_ends(cap, steps):
    """Each step: a route, whose key, how many requests later it ends, and whether a premium model that it may ask was asked."""
    most, over = cap
    tally = Tally([PremiumCap("few", ("dear",), most, over)])
    went: dict[str, list[bool]] = {"a": [], "b": []}
    running: list[tuple[int, tuple[Taken, ...], set[str]]] = []
    for at, (route, key, later, escalates) in enumerate(steps):
        chosen, taken = asked(tally, route, Caller(key))
        calls = {"dear"} if taken and (chosen == "dear" or escalates) else {"cheap"}
        went[key].append("dear" in calls)
        running.append((at + later, taken, calls))
        for done in [one for one in running if one[0] <= at]:
            running.remove(done)
            settle(done[1], done[2])
    for one in went.values():
        assert most_in_a_row(one, over) <= most


@given(st.integers(1, 8).flatmap(lambda over: st.tuples(st.integers(1, over), st.just(over))), st.integers(1, 40))
def test_a_cap_refuses_no_more_than_it_must(cap, requests):
    """Whoever always wants the dear one gets it as soon as the cap lets him, also where nobody else may answer."""
    most, over = cap
    for route in ("best", "alone"):
        tally = Tally([PremiumCap("few", ("dear",), most, over)])
        went = [asked(tally, route)[0] == "dear" for _ in range(requests)]
        assert went == [at % over < most for at in range(requests)]


def test_a_fallback_that_was_not_needed_counts_for_nothing():
    tally = Tally([PremiumCap("few", ("dear",), 1, 3)])
    for _ in range(5):
        chosen, taken = asked(tally, "chain")
        assert (chosen, len(taken)) == ("cheap", 1)
        assert asked(tally, "best")[0] == "cheap"  # as long as the other may still fall back
        settle(taken, {"cheap"})
    assert asked(tally, "best")[0] == "dear"


@pytest.mark.parametrize(
    ("cap", "route", "caller", "counts"),
    [
        ({}, "best", Caller("k"), True),
        ({}, "dear", Caller("k"), False),  # by its own name: its key says whether it may
        ({"scope": PolicyScope(routes=("alone",))}, "best", Caller("k"), False),
        ({"scope": PolicyScope(routes=("alone",))}, "alone", Caller("k"), True),
        ({"scope": PolicyScope(teams=("red",))}, "best", Caller("k"), False),
        ({"scope": PolicyScope(teams=("red",))}, "best", Caller("k", team="red"), True),
    ],
)
def test_what_counts(cap, route, caller, counts):
    tally = Tally([PremiumCap("few", ("dear",), 1, 2, **cap)])
    request = Request("r", route, caller=caller)
    assert bool(tally.shares(request, WORLD)) is counts
    first, second = (asked(tally, route, caller)[0] for _ in range(2))
    assert (first == "dear", second == "dear") == (True, not counts)


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("key", (Caller("k", team="red"), {}), (Caller("l", team="red"), {})),
        ("team", (Caller("l", team="red", org="acme"), {}), (Caller("k", team="red", org="rival"), {})),
        ("org", (Caller("l", team="blue", org="acme"), {}), (Caller("k", team="red", org="rival"), {})),
        ("user", (Caller("k", team="red", org="acme"), {"safety_identifier": "ada"}), (Caller("k"), {"user": "bea"})),
    ],
)
def test_whose_requests_count_together(per, same, other):
    tally = Tally([PremiumCap("few", ("dear",), 1, 2, per)])
    assert asked(tally, "best", Caller("k", team="red", org="acme"), {"user": "ada"})[0] == "dear"
    assert asked(tally, "best", *other)[0] == "dear"
    assert asked(tally, "best", *same)[0] == "cheap"


def test_records_hold_no_names_of_users():
    tally = Tally([PremiumCap("few", ("dear",), 1, 2, "user")])
    (share,) = tally.shares(Request("r", "best", content=Content((), body={"user": "ada " * 1_000})), WORLD)
    assert "ada" not in share.subject
    assert len(share.subject) < 60


def test_several_caps_all_hold():
    tally = Tally([PremiumCap("key", ("dear",), 3, 4), PremiumCap("team", ("dear", "other"), 2, 4, "team")])
    keys = [Caller(name, team="red") for name in ("k", "l")]
    assert [asked(tally, "best", keys[at % 2])[0] for at in range(4)] == ["dear", "dear", "cheap", "cheap"]


def test_who_was_forgotten_begins_anew_and_what_still_ran_then_harms_nobody():
    tally = Tally([PremiumCap("few", ("dear",), 1, 9)], most_subjects=2)
    _, running = asked(tally, "best", Caller("a"))
    for name in ("b", "a", "c"):  # `b` has not asked for longest
        asked(tally, "best", Caller(name))
    assert [asked(tally, "best", Caller(name))[0] for name in ("a", "b")] == ["cheap", "dear"]
    settle(running, {"cheap"})
    assert asked(tally, "best", Caller("b"))[0] == "cheap"


def test_a_new_configuration_goes_on_counting():
    few = PremiumCap("few", ("dear",), 1, 9)
    before = Tally([few])
    asked(before, "best")
    for caps, chosen in (([few], "cheap"), ([replace(few, most=2)], "dear"), ([replace(few, over=10)], "dear"), ([], "dear")):
        assert asked(Tally(caps, before), "best")[0] == chosen


REACHED = Signals(premium=(PremiumShare("few", "key `k`", ("dear",), 1, 1, 9),))


@pytest.mark.parametrize(
    ("route", "health", "plan"),
    [
        (Route("best", ("dear", "cheap")), {}, ("single", ("cheap",))),
        (Route("best", ("dear", "cheap")), {"cheap": "failed"}, ("single", ("cheap",))),  # the last resort, which the dear one is not
        (Route("best", ("dear",), fallback=("cheap",)), {}, ("fallback", ("cheap",))),
        (Route("best", ("dear",)), {}, None),
        (Route("best", ("dear",), on_none="least_bad"), {}, None),  # no floor, nothing to be lenient about
        (Route("best", ("dear", "cheap"), quality_floor=0.8), {}, None),
        (Route("best", ("dear", "cheap"), quality_floor=0.8, on_none="least_bad"), {}, ("single", ("cheap",))),
        (Route("best", ("dear", "cheap"), quality_floor=0.8, on_none="human"), {}, ("review", ())),
        (
            Route("best", ("cheap", "other"), execution=Execution(ensemble=Ensemble(vote="judge", judge="dear")), plan="ensemble"),
            {},
            ("ensemble", ("cheap", "other")),  # and nobody judges
        ),
    ],
)
def test_what_a_cap_that_is_reached_leaves(route, health, plan):
    decision = decide(Request("r", "best"), REACHED, replace(WORLD, routes={"best": route}, health=health), route, 0)
    assert (decision.plan and (decision.plan.kind, decision.plan.models)) == plan
    assert decision.plan is None or "dear" not in decision.plan.names


# Through the gateway

WORDS = ("table", "river", "summer", "question", "please", "green", "proof", "number", "slowly")
QUESTIONS = [
    f"{verb} the {thing} of {place}" for verb, thing, place in product(("name", "give"), ("capital", "area", "proof"), ("peru", "oman"))
]
ROUTES = {"auto": {"dial": 0, "rules": [{"when": '"hard" in signals.keywords', "prefer": ["dear"]}]}}
KEYWORDS = {"hard": ["theorem", "expert analysis", "olympiad", "proof"]}


def inquiry(text: str) -> Inquiry:
    return Inquiry(json.dumps(chat("auto", text)).encode(), Caller("k"), {})


def dear(gateway: Served, since: int = 0) -> list[bool]:
    """Of the calls in order: whether the dear model was asked."""
    return [exchange.model == "ok@dear" for exchange in gateway.ledger[since:]]


@pytest.mark.parametrize("capped", [True, False], ids=["capped", "uncapped"])
async def test_no_prefix_sends_more_to_the_dear_model_than_the_cap_lets(serve: Serve, capped):
    caps = [CAP] if capped else []
    async with serve([CHEAP, DEAR], routes=ROUTES, keywords=KEYWORDS, premium_shares=caps) as gateway:

        def share(texts: Iterable[str]) -> float:
            chosen = [decide_request(inquiry(text), gateway.service.gateway.world).chosen for text in texts]
            return chosen.count("dear") / len(chosen)

        plain, worst = worst_prefix(share, QUESTIONS, WORDS, seed=1, tries=40)
        assert (plain, worst.share) == (1 / 3, 1.0)  # what routing alone makes of it
        corpus = [f"{random.Random(at).choice([*GADGETS[:2], worst.text])} {QUESTIONS[at % len(QUESTIONS)]}" for at in range(90)]
        for text in corpus:
            assert (await gateway.chat("auto", text)).status == 200
        went = dear(gateway)
        assert most_in_a_row(went, 20) == (8 if capped else 20)
        assert sum(went) == (8 * 5 if capped else 90)  # 8 of each 20, and of the last 10


async def test_requests_at_once_do_not_exceed_it_together(serve: Serve):
    async with serve([CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[CAP]) as gateway:
        answers = await asyncio.gather(*(gateway.chat("auto", stream=bool(at % 2)) for at in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert sum(dear(gateway)) == 8


async def test_a_cascade_asks_the_dear_model_no_more_often(serve: Serve):
    cheap = {**CHEAP, "model": "empty-content@cheap"}  # nothing that it says will do
    routes = {"auto": {"plan": "cascade", "cascade": {"tiers": ["cheap", "dear"]}, "retry": ONCE}}
    async with serve([cheap, DEAR], routes=routes, premium_shares=[CAP], health={"failures": 1_000_000}) as gateway:
        for _ in range(20):
            await gateway.chat("auto")
        assert sum(dear(gateway)) == 8


async def test_a_dear_model_that_was_never_reached_gives_its_place_back(serve: Serve):
    async with serve(
        [CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[CAP], budgets=[{"name": "b", "tokens": 60, "per": "never"}]
    ) as gateway:
        for _ in range(9):
            answer = await gateway.chat("auto", max_tokens=50)
            assert answer.error["code"] == "insufficient_quota"
            assert "cap `few`" not in answer.error["message"]
        assert gateway.ledger == []


async def test_a_request_that_was_refused_before_any_call_gives_its_place_back(serve: Serve):
    routes = {"auto": {"dial": 1}, "approved": {"dial": 1, "review": {"approval": True}}}
    async with serve([CHEAP, DEAR], routes=routes, premium_shares=[CAP]) as gateway:
        for _ in range(9):
            assert (await gateway.chat("approved", n=2)).status == 400
        assert gateway.ledger == []
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "dear"


async def test_who_leaves_while_the_decision_is_recorded_gives_its_place_back(serve: Serve):
    async with serve([CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[CAP]) as gateway:
        for _ in range(9):
            deciding = asyncio.create_task(gateway.service.gateway.decide(inquiry("hello")))
            await asyncio.sleep(0)  # up to where the record is waited for
            deciding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await deciding
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "dear"


async def test_where_nobody_else_may_answer_the_client_is_told_which_cap(serve: Serve):
    routes = {"only": {"models": ["dear"]}, "auto": {"dial": 1}}
    async with serve([CHEAP, DEAR], routes=routes, premium_shares=[{**CAP, "over": 3}]) as gateway:
        assert (await gateway.chat("only")).status == 200
        refused = await gateway.chat("only")
        assert (refused.status, refused.error["code"], refused.headers["x-should-retry"]) == (429, "insufficient_quota", "false")
        assert (
            "cap `few` lets 1 of 3 requests of key `env` go to premium models, and 1 of the 2 before did or still may"
            in refused.error["message"]
        )
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "cheap"
        assert (await gateway.chat("only")).status == 200  # what was refused counted as well: two requests lie between
        assert [(await gateway.chat("dear")).status for _ in range(3)] == [200] * 3  # by its own name


async def test_a_dry_run_sees_the_count_and_adds_nothing_to_it(serve: Serve):
    async with serve([CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[{**CAP, "over": 3}]) as gateway:
        for _ in range(4):
            shown = (await gateway.ask("/v1/explain", chat("auto"))).json
            assert (shown["model"], shown["signals"]["premium"][0]["used"]) == ("dear", 0)
        await gateway.chat("auto")
        shown = (await gateway.ask("/v1/explain", chat("auto"))).json
        assert (shown["model"], shown["signals"]["premium"][0]["used"]) == ("cheap", 1)
        (refused,) = (candidate for candidate in shown["candidates"] if not candidate["eligible"])
        assert [(verdict["gate"], verdict["kind"]) for verdict in refused["verdicts"]] == [("premium_share", "budget")]


async def test_every_decision_is_made_again_from_its_record(serve: Serve):
    async with serve([CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[CAP]) as gateway:
        chosen = [(await gateway.chat("auto")).headers["x-pointsman-model"] for _ in range(24)]
        assert chosen == (["dear"] * 8 + ["cheap"] * 12) + ["dear"] * 4
        records = await gateway.service.log.recent(100, kind="decision")
        again = [remake(from_json(DecisionRecord, record.body), gateway.service.gateway.world.snapshot) for record in reversed(records)]
        assert [decision.chosen for decision in again] == chosen


async def test_a_reload_goes_on_counting(serve: Serve):
    async with serve([CHEAP, DEAR], routes={"auto": {"dial": 1}}, premium_shares=[CAP]) as gateway:
        for _ in range(8):
            await gateway.chat("auto")
        await gateway.service.reload(gateway.service._config)
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "cheap"
        await gateway.service.reload(replace(gateway.service._config, premium_shares=()))
        assert gateway.service.gateway.live.tally is None
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "dear"


def test_where_nobody_asks_for_a_cap_nothing_is_counted():
    config = load("version: 1\nmodels: [{id: m, provider: p, base_url: 'http://h/v1'}]\nroutes: {}\n", "x", {})
    assert tally_of(config, WORLD) is None
