"""What calls may cost is held before they go out and settled after: budgets, and the token limits of keys."""

from __future__ import annotations

import asyncio
import json

import pytest

from pointsman.core.budget_bound import OVERHEAD_TOKENS
from pointsman.core.tenancy import Org, Team
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, UNBREAKABLE, Served, chat, model

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


# What counts as spent


def bounds(gateway: Served, answer: int) -> int:
    """The most tokens that the calls could take which reached the upstream."""
    return sum(len(exchange.body) + OVERHEAD_TOKENS + answer for exchange in gateway.ledger)


MUCH = {"name": "much", "tokens": 1_000_000, "per": "never"}


@pytest.mark.parametrize(("api", "path"), [("chat", "/v1/chat/completions"), ("messages", "/v1/messages")])
async def test_a_stream_that_its_client_leaves_is_spent_at_its_bound_whatever_was_reported_by_then(serve: Serve, api, path):
    async with serve([model("m", "stall-after-5", apis=[api])], budgets=[MUCH]) as gateway:
        connection = await gateway.connect()
        body = chat("m", "one two three four five six", stream=True, max_tokens=500)
        await connection.request(path, body, key=OPERATOR)
        await connection.head()
        await connection.piece()
        connection.close()
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        await gateway.quiet()
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.usage_source) == ("aborted", "estimated")
        assert 0 < outcome.usage.output_tokens < 10
        assert await spent(gateway) == bounds(gateway, 500)


LOST = ["close", "reset", "close-after-headers", "cut-after-4", "reset-after-4", "empty", "wrong-shape"]


@STREAMS
@pytest.mark.parametrize("script", [*LOST, "error-502", "error-html-502", "error-504", "error-524"])
async def test_a_call_that_may_have_cost_something_is_spent_at_its_bound(serve: Serve, script, stream):
    routes = {"auto": {"retry": {"base_s": 0.001}}}
    async with serve([model("m", script)], budgets=[MUCH], health=UNBREAKABLE, routes=routes) as gateway:
        await gateway.chat("auto", "one two three four five six", stream=stream, max_tokens=500)
        await gateway.quiet()
        assert all(outcome.sent for outcome in await gateway.outcomes())
        assert len(gateway.ledger) > 0
        assert await spent(gateway) == bounds(gateway, 500)


@pytest.mark.parametrize("script", ["error-400", "error-401", "error-429", "error-500", "error-503", "error-529", "quota", "filtered"])
async def test_what_a_provider_refused_cost_nothing(serve: Serve, script):
    async with serve([model("m", script)], budgets=[MUCH], health=UNBREAKABLE, routes={"auto": {"retry": ONCE}}) as gateway:
        assert (await gateway.chat("auto", max_tokens=500)).status >= 400
        assert len(gateway.ledger) > 0
        assert await spent(gateway) == 0


async def test_what_was_never_sent_cost_nothing_and_the_record_says_so(serve: Serve):
    async with serve([model("m", base_url="http://127.0.0.1:9/v1")], budgets=[MUCH], health=UNBREAKABLE) as gateway:
        assert (await gateway.chat("m", max_tokens=500)).status == 502
        assert {(outcome.fault, outcome.sent) for outcome in await gateway.outcomes()} == {("unreachable", False)}
        assert await spent(gateway) == 0


async def test_an_answer_that_a_check_refused_costs_what_was_reported(serve: Serve):
    pool = [model("first", "empty-content", quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    routes = {"auto": {"dial": 1, "checks": ["empty"], "fallback": ["second"], "retry": ONCE, "max_output_tokens": 500}}
    async with serve(pool, budgets=[MUCH], routes=routes) as gateway:
        await gateway.chat("auto")
        outcomes = await gateway.outcomes()
        assert [(outcome.fault, outcome.usage_source) for outcome in outcomes] == [("invalid_output", "reported"), (None, "reported")]
        assert await spent(gateway) == sum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes)


# What has no bound, or a larger one than it looks

EVERY_API = {"apis": ["chat", "messages", "responses"], "context_tokens": 200_000, "capabilities": {"tools": True, "vision": True}}
BY_URL = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
SEARCH = {"model": "m", "input": "hi", "max_output_tokens": 9, "tools": [{"type": "web_search"}]}


@pytest.mark.parametrize(("limit", "status"), [(200_050, 200), (200_000, 429)], ids=["enough", "too little"])
async def test_a_file_is_held_as_long_as_the_model_s_context(serve: Serve, limit, status):
    async with serve([model("m", **EVERY_API)], budgets=[{"name": "hard", "tokens": limit, "per": "never"}]) as gateway:
        content = [{"type": "text", "text": "sum it up"}, BY_URL]
        body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": content}]}
        assert (await gateway.ask("/v1/messages", body)).status == status
        assert len(gateway.ledger) == (status == 200)


async def test_a_hard_budget_does_not_pay_for_a_tool_that_the_provider_runs(serve: Serve):
    async with serve([model("m", **EVERY_API)], budgets=[{"name": "hard", "usd": 1_000}]) as gateway:
        answer = await gateway.ask("/v1/responses", SEARCH)
        assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")
        assert "budget `hard` is a hard one and cannot cover the tool `web_search`" in answer.error["message"]
        assert gateway.ledger == []


async def test_a_soft_budget_pays_for_such_a_tool_and_counts_it(serve: Serve):
    soft = {"name": "soft", "tokens": 1_000, "when_spent": "warn"}
    async with serve([model("m", **EVERY_API)], budgets=[soft]) as gateway:
        assert (await gateway.ask("/v1/responses", SEARCH)).status == 200
        assert await spent(gateway) > 0


async def test_a_key_without_tokens_left_is_on_record_as_a_call_that_was_not_made(serve: Serve):
    async with serve(routes={"auto": {"max_output_tokens": 100}}) as gateway:
        key = await gateway.key(tokens_per_minute=10)
        answer = await gateway.ask(body=chat("auto"), key=key)
        assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
        [outcome] = await gateway.outcomes()
        assert (outcome.attempt, outcome.status, outcome.error, outcome.fault, outcome.sent) == (
            *(0, "error", "rate_limit_exceeded"),
            *("unavailable", False),
        )
        assert gateway.ledger == []


# Whose team it is


@pytest.mark.parametrize(("team", "held"), [("red", False), ("default/red", False), ("acme/red", True)])
async def test_a_team_is_its_org_s(serve: Serve, caplog, team, held):
    async with serve(budgets=[{"name": "b", "tokens": 1, "team": team}]) as gateway:
        org, _, name = team.rpartition("/")
        assert f"no team `{name}` of org `{org or 'default'}`" in caplog.text
        await gateway.service.keys.add_org(Org(id="acme", created_at_ns=0))
        await gateway.service.keys.add_team(Team(org="acme", id="red", created_at_ns=0))
        answer = await gateway.ask(body=chat("inside", max_tokens=9), key=await gateway.key(team="red", org="acme"))
        assert answer.status == (429 if held else 200)


async def test_default_red_is_the_team_red(serve: Serve):
    async with serve(budgets=[{"name": "b", "tokens": 1, "team": "default/red"}]) as gateway:
        await gateway.service.keys.add_org(Org(id="default", created_at_ns=0))
        await gateway.service.keys.add_team(Team(org="default", id="red", created_at_ns=0))
        answer = await gateway.ask(body=chat("inside", max_tokens=9), key=await gateway.key(team="red", org="default"))
        assert answer.status == 429
