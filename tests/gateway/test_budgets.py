"""What calls may cost is held before they go out and settled after: budgets, and the token limits of keys."""

from __future__ import annotations

import asyncio
import json

import pytest

from pointsman.core.tenancy import Org, Team
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, Served, chat, model

STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
EVERYTHING = {"name": "everything", "tokens": 3_000, "per": "never"}


async def spent(gateway: Served) -> int:
    """What the store has heard of, once it is told everything."""
    desk = gateway.service.till.desk
    await desk.tend()
    await desk.tend()
    return sum(position.spent for position in await desk._store.positions(0))


@STREAMS
async def test_a_hard_budget_is_used_up_and_never_overspent(serve: Serve, stream):
    async with serve([model("m", "ok")], budgets=[EVERYTHING], routes={"auto": {"max_output_tokens": 100}}) as gateway:
        answers = await asyncio.gather(*(gateway.chat("auto", stream=stream) for _ in range(40)))
        while (last := await gateway.chat("auto", stream=stream)).status == 200:
            answers.append(last)
        assert (last.error["code"], last.error["type"]) == ("insufficient_quota", "insufficient_quota")
        assert "tokens" in last.error["message"]
        assert last.headers["x-should-retry"] == "false"
        outcomes = [outcome for outcome in await gateway.outcomes() if outcome.attempt]
        used = sum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes if outcome.usage)
        assert 0.75 * 3_000 < used <= 3_000
        assert len(gateway.ledger) == len(outcomes) == sum(answer.status == 200 for answer in answers)


async def test_where_the_best_is_too_dear_for_what_is_left_a_cheaper_one_answers(serve: Serve):
    pool = [
        model("dear", "ok", price={"input": 1_000, "output": 1_000}, quality={"general": 0.9}),
        model("cheap", "ok", price={"input": 0.01, "output": 0.01}, quality={"general": 0.1}),
    ]
    routes = {"auto": {"dial": 1, "fallback": ["cheap"], "retry": ONCE, "budget": {"usd": 0.01}}}
    async with serve(pool, routes=routes) as gateway:
        answer = await gateway.chat("auto", max_tokens=50)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "cheap")
        assert [exchange.model for exchange in gateway.ledger] == ["ok@cheap"]


async def test_a_failed_call_costs_nothing_and_each_attempt_holds_its_own(serve: Serve):
    pool = [model("first", "error-500", quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    routes = {"auto": {"dial": 1, "fallback": ["second"], "retry": ONCE, "max_output_tokens": 100}}
    async with serve(pool, routes=routes, budgets=[EVERYTHING]) as gateway:
        for _ in range(3):
            assert (await gateway.chat("auto")).status == 200
        outcomes = await gateway.outcomes()
        used = sum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes if outcome.usage)
        assert await spent(gateway) == used


@pytest.mark.parametrize(("budgets", "limit"), [([EVERYTHING], 77), ([], None)], ids=["paid for", "not counted"])
async def test_an_answer_without_a_limit_gets_one_where_somebody_pays(serve: Serve, budgets, limit):
    async with serve(budgets=budgets, routes={"auto": {"max_output_tokens": 77}}) as gateway:
        await gateway.chat("auto")
        await gateway.chat("auto", max_tokens=5)
        assert [json.loads(exchange.body).get("max_tokens") for exchange in gateway.ledger] == [limit, 5]


@pytest.mark.parametrize("scope", [{"key": "*"}, {"team": "red"}, {"route": "auto"}])
async def test_a_budget_of_one_is_not_spent_by_others(serve: Serve, scope):
    routes = {"auto": {"max_output_tokens": 10}, "other": {"max_output_tokens": 10}}
    budgets = [{"name": "b", "tokens": 1, **scope}]
    async with serve(budgets=budgets, routes=routes) as gateway:
        await gateway.service.keys.add_org(Org(id="default", created_at_ns=0))
        await gateway.service.keys.add_team(Team(org="default", id="red", created_at_ns=0))
        red = await gateway.key(team="red", org="default")
        spared = await gateway.ask(body=chat("other"), key=OPERATOR if "team" in scope else red)
        refused = await gateway.ask(body=chat("auto"), key=red)
        assert refused.status == 429
        assert spared.status == (429 if "key" in scope else 200)


async def test_a_key_s_limit_of_tokens_is_named_and_told(serve: Serve):
    async with serve(routes={"auto": {"max_output_tokens": 100}}) as gateway:
        key = await gateway.key(tokens_per_minute=500)
        statuses = await asyncio.gather(*(gateway.ask(body=chat("auto"), key=key) for _ in range(9)))
        refused = next(answer for answer in statuses if answer.status == 429)
        assert "500 tokens a minute" in refused.error["message"]
        assert refused.error["param"] == "key.tokens_per_minute"
        assert refused.headers["x-ratelimit-limit-tokens"] == "500"


async def test_a_hedge_for_which_the_key_has_no_tokens_left_spoils_nothing(serve: Serve):
    pool = [model("slow", "slow-100", quality={"general": 0.9}), model("quick", quality={"general": 0.1})]
    auto = {"models": ["slow", "quick"], "dial": 1, "plan": "hedge", "hedge": {"after_s": 0.01}, "max_output_tokens": 100}
    async with serve(pool, routes={"auto": auto}) as gateway:
        key = await gateway.key(tokens_per_minute=500)  # enough for one call, not for two at once
        answer = await gateway.ask(body=chat("auto"), key=key)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "slow")
        assert len(gateway.ledger) == 1


async def test_a_client_that_leaves_leaves_nothing_held(serve: Serve):
    async with serve([model("m", "hang")], budgets=[EVERYTHING], routes={"auto": {"max_output_tokens": 100}}) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("auto"), key=OPERATOR)
        await gateway.upstream.until(lambda: gateway.ledger)
        connection.close()
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        await gateway.quiet()
        assert 0 < await spent(gateway) < 500  # nobody can know what it cost: the most that it could have
