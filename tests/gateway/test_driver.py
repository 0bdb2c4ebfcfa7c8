"""The driver does what plans say, owns their calls, and lets go of all but the one that is delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from pointsman.core.decision import Decision
from pointsman.core.request import Caller
from pointsman.errors import RecordError, ReviewRequired, ShuttingDown, UpstreamError
from pointsman.gateway import Inquiry, decide_request
from pointsman.gateway.clock import Clock
from pointsman.gateway.driver import Driver
from pointsman.plans.steps import All, Call, First, Wait
from tests.gateway.logs import Failing, Kept
from tests.server.conftest import Serve
from tests.server.served import Served, chat, model

NAMES = ["a", "b", "c"]


def pool(*scripts: str, **more: object) -> list[dict[str, object]]:
    return [
        model(name, script, quality={"general": 0.9 - at / 10}, **more)
        for at, (name, script) in enumerate(zip(NAMES, scripts, strict=False))
    ]


class Scene:
    """A driver of a request to `auto`, and the decision it carries out."""

    def __init__(self, served: Served, *, stream: bool = False) -> None:
        raw = json.dumps(chat("auto", "one two three", stream=stream)).encode()
        live = served.app._gateway.live
        self.served, self.clocks = served, set[Clock]()
        self.decision: Decision = decide_request(Inquiry(raw, Caller("k"), {}), live.world)
        self.driver = Driver(self.decision, live.world.snapshot.routes["auto"].execution, live, served.app._gateway._log, self.clocks)

    def calls(self, names: Sequence[str] = NAMES) -> tuple[Call, ...]:
        return tuple(Call(self.decision.clear(name)) for name in names)

    async def over(self) -> None:
        for attempt in self.driver._attempts.values():
            await self.driver._release(attempt)
        await self.served.upstream.until(lambda: all(found.answered or found.left_at for found in self.served.ledger))


ROUTES = {"auto": {"models": ["a"], "fallback": ["b", "c"], "retry": {"attempts": 1}}}


async def test_all_waits_for_all_and_keeps_their_order(serve: Serve):
    async with serve(pool("slow-40", "error-500", "ok"), routes=ROUTES) as served:
        scene = Scene(served)
        reached = await scene.driver._do(All(scene.calls()))
        assert [(found.model, found.fault) for found in reached] == [("a", None), ("b", "server_error"), ("c", None)]
        assert len({found.number for found in reached}) == 3
        await scene.over()
        assert not scene.clocks


@pytest.mark.parametrize("stream", [False, True])
async def test_first_asks_the_next_as_soon_as_all_before_have_failed(serve: Serve, stream):
    async with serve(pool("error-500", "close", "ok"), routes=ROUTES) as served:
        scene = Scene(served, stream=stream)
        reached = await scene.driver._do(First(scene.calls(), 3600.0))
        assert [(found.model, found.fault) for found in reached] == [("a", "server_error"), ("b", "unreachable"), ("c", None)]
        await scene.over()
        assert not scene.clocks


@pytest.mark.parametrize("stream", [False, True])
async def test_first_gives_the_others_up_and_says_so(serve: Serve, stream):
    async with serve(pool("hang", "slow-first-token", "ok"), routes=ROUTES) as served:
        scene = Scene(served, stream=stream)
        reached = await scene.driver._do(First(scene.calls(), 0.01))
        assert [(found.model, found.ok, found.abandoned) for found in reached] == [
            ("a", False, True),
            ("b", False, True),
            ("c", True, False),
        ]
        await scene.over()
        assert {(call.model, call.error) for call in await served.outcomes() if not call.ok and call.model != "c"} == {
            ("a", "superseded"),
            ("b", "superseded"),
        }


async def test_first_does_not_ask_the_rest_where_one_has_answered(serve: Serve):
    async with serve(pool("ok", "ok", "ok"), routes=ROUTES) as served:
        scene = Scene(served)
        [reached] = await scene.driver._do(First(scene.calls(), 3600.0))
        assert (reached.model, reached.ok, len(served.ledger)) == ("a", True, 1)
        await scene.over()


async def test_who_leaves_during_first_is_who_ended_its_calls(serve: Serve):
    async with serve(pool("hang", "hang", "hang"), routes=ROUTES) as served:
        scene = Scene(served)
        asking = asyncio.ensure_future(scene.driver._do(First(scene.calls(), 0.001)))
        await served.upstream.until(lambda: len(served.ledger) == 3)
        asking.cancel()
        await asyncio.wait({asking})
        await scene.over()
        assert [call.error for call in await served.outcomes()] == ["client_disconnected"] * 3
        assert not scene.clocks


async def test_a_wait_is_refused_where_the_budget_for_retries_is_used_up(serve: Serve):
    async with serve(pool("ok"), routes={"auto": {"models": ["a"]}}, health={"retry_floor": 1, "retry_share": 0}) as served:
        scene = Scene(served)
        assert (await scene.driver._do(Wait("a", 0.0))).granted
        began = asyncio.get_running_loop().time()
        assert not (await scene.driver._do(Wait("a", 60.0))).granted
        assert asyncio.get_running_loop().time() - began < 1


async def test_a_wait_can_be_cut(serve: Serve):
    async with serve(pool("ok"), routes={"auto": {"models": ["a"]}}) as served:
        scene = Scene(served)
        waiting = asyncio.ensure_future(scene.driver._do(Wait("a", 60.0)))
        while not scene.clocks:
            await asyncio.sleep(0)
        for clock in scene.clocks:
            clock.interrupt(ShuttingDown("the end"))
        with pytest.raises(ShuttingDown):
            await waiting
        assert not scene.clocks


@pytest.mark.parametrize("stream", [False, True])
async def test_all_models_failing_is_the_first_ones_failure_with_all_of_them_told(serve: Serve, stream):
    async with serve(pool("error-529", "quota", "close"), routes=ROUTES) as served:
        scene = Scene(served, stream=stream)
        with pytest.raises(UpstreamError) as failed:
            await scene.driver.run()
        assert failed.value.status == 529
        assert [(found.model, found.code) for found in failed.value.failures] == [
            ("a", "scripted_529"),
            ("b", "insufficient_quota"),
            ("c", "upstream_error"),
        ]
        assert not scene.clocks


@pytest.mark.parametrize(
    ("scripts", "down", "status", "asked"),
    [
        (["ok", "context-length", "ok"], "a", 400, ["context-length@b"]),
        (["error-502", "error-500", "error-503"], "abc", 502, ["error-502@a"]),
        (["error-502", "error-500", "error-503"], "b", 502, ["error-502@a", "error-503@c"]),
    ],
)
async def test_a_model_that_was_not_asked_does_not_speak_for_one_that_was(serve: Serve, scripts, down, status, asked):
    async with serve(pool(*scripts), routes=ROUTES) as served:
        scene = Scene(served)
        for name in down:
            for _ in range(5):
                served.app._gateway.live.watch.health.observe(name, "server_error")
        with pytest.raises(UpstreamError) as failed:
            await scene.driver.run()
        assert failed.value.status == status
        assert [exchange.model for exchange in served.ledger] == asked
        assert [found.code for found in failed.value.failures].count("upstream_unavailable") == len(down)


async def test_a_person_is_asked_and_the_ticket_is_in_the_log_first(serve: Serve):
    routes = {"auto": {"models": ["a"], "fallback": ["b", "human"], "retry": {"attempts": 1}}}
    async with serve(pool("error-500", "filtered"), routes=routes) as served:
        scene = Scene(served)
        with pytest.raises(ReviewRequired) as asked:
            await scene.driver.run()
        [ticket] = [json.loads(entry.body) for entry in await served.service.log.recent(10, kind="review")]
        assert (ticket["id"], ticket["decision"], ticket["state"]) == (asked.value.review, scene.decision.request.id, "open")
        assert len(ticket["failures"]) == 2
        answer = await served.chat("auto")
        assert (answer.status, answer.error["code"]) == (403, "review_required")
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-pointsman-review-id"].startswith("rev_")


async def test_a_ticket_that_cannot_be_kept_is_not_promised(serve: Serve):
    routes = {"auto": {"models": ["a"], "fallback": ["human"], "retry": {"attempts": 1}}}
    async with serve(pool("error-500"), routes=routes) as served:
        served.service.reviews.store._log = Failing(served.service.log, served.upstream, "review")  # type: ignore[attr-defined]
        with pytest.raises(RecordError):
            await Scene(served).driver.run()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_whose_outcome_cannot_be_recorded_ends_the_plan(serve: Serve, stream):
    async with serve(
        pool("error-500", "ok"), routes=ROUTES | {"auto": {"models": ["a"], "fallback": ["b"]}}, log=Kept(Failing, "outcome")
    ) as served:
        scene = Scene(served, stream=stream)
        with pytest.raises(RecordError):
            await scene.driver.run()
        assert len(served.ledger) == 1
        assert not scene.clocks


async def test_a_model_out_of_service_costs_no_call(serve: Serve):
    async with serve(pool("ok", "ok"), routes={"auto": {"models": ["a"], "fallback": ["b"]}}) as served:
        scene = Scene(served)  # decided before it was known
        for _ in range(5):
            served.app._gateway.live.watch.health.observe("a", "server_error")
        attempt = await scene.driver.run()
        assert (attempt.model, attempt.number, len(served.ledger)) == ("b", 1, 1)
        await scene.over()


async def test_the_budget_for_retries_does_not_grow_with_retries(serve: Serve):
    health = {"failures": 10**6, "window": 10**6, "retry_share": 0.1, "retry_floor": 0}
    routes = {"auto": {"models": ["a"], "retry": {"attempts": 10, "base_s": 0.001}}}
    async with serve(pool("error-500"), routes=routes, health=health) as served:
        for _ in range(100):
            await served.chat("auto")
        assert len(served.ledger) == 110
