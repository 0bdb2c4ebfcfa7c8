"""Floors and SLAs of a running gateway: what is measured decides, what is set aside is said, a person is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord
from tests.server.conftest import Serve
from tests.server.served import ONCE, Served, chat, model

QUICK = {"ttft_ms": 1, "ms_per_output_token": 0, "round_trip_ms": 0}
"""What is stated: 2 ms at the 95th percentile."""
SLOW = model("slow", "slow-60", speed=QUICK, quality={"general": 0.9})
OTHER = model("other", "ok", speed=QUICK, quality={"general": 0.5})
SLA = {"p95_ms": 30, "min_samples": 3}


def snapshot(gateway: Served):
    return gateway.app._gateway.world.snapshot


async def measured(gateway: Served, *, gone: bool = False) -> None:
    while bool(snapshot(gateway).latencies) is gone:
        await asyncio.sleep(0)


async def explained(gateway: Served, decision: str) -> dict[str, object]:
    return (await gateway.ask(f"/v1/decisions/{decision}", method="GET")).json


def candidate(shown: Mapping[str, object], name: str) -> Mapping[str, object]:
    return next(each for each in shown["candidates"] if each["model"] == name)


async def test_a_model_that_measures_slow_is_excluded_and_its_decisions_are_made_again_alike(serve: Serve):
    async with serve([SLOW, OTHER], routes={"auto": {"dial": 1, "sla": SLA, "retry": ONCE}}) as gateway:
        first = [(await gateway.chat("auto")).headers for _ in range(3)]
        assert [told["x-pointsman-model"] for told in first] == ["slow"] * 3, "its prior is believed until there are three calls"
        await measured(gateway)
        told = (await gateway.chat("auto")).headers
        assert told["x-pointsman-model"] == "other"
        assert "x-pointsman-flags" not in told
        shown = await explained(gateway, told["x-pointsman-decision-id"])
        [verdict] = candidate(shown, "slow")["verdicts"]
        assert (verdict["gate"], verdict["kind"]) == ("sla", "health")
        assert verdict["reason"].endswith("(3 calls of up to 1,000 tokens measured), SLA is 30 ms")
        [compared] = candidate(shown, "slow")["sla"]
        assert (compared["source"], compared["samples"], compared["kept"]) == ("measured", 3, False)
        [compared] = candidate(shown, "other")["sla"]
        assert (compared["source"], compared["p95_ms"], compared["kept"]) == ("prior", 2.0, True)
        before = await explained(gateway, first[0]["x-pointsman-decision-id"])
        assert before["model"] == "slow", "under what was known then"
        kept = [from_json(DecisionRecord, entry.body) for entry in await gateway.service.log.recent(10)]
        assert len({each.snapshot for each in kept}) == 2


async def test_a_refusal_names_sla_evidence_and_cure(serve: Serve):
    async with serve([SLOW], tasks={"classification": {"sla": SLA}}) as gateway:
        for _ in range(3):
            assert (await gateway.ask(body=chat("slow"), x_pointsman_task="classification")).status == 200
        await measured(gateway)
        assert (await gateway.chat("slow")).status == 200, "other task classes are not meant"
        refused = await gateway.ask(body=chat("slow"), x_pointsman_task="classification")
        assert (refused.status, refused.error["code"]) == (503, "no_eligible_model")
        assert "`slow`: p95 for `classification` is " in refused.error["message"]
        assert "ms (3 calls of up to 1,000 tokens measured), SLA is 30 ms" in refused.error["message"]
        assert "nothing but `sla` refuses `slow`: change the setting, measure more, or let `on_none`" in refused.error["message"]


async def test_a_stream_is_measured_to_its_first_content(serve: Serve):
    sla = {**SLA, "of": "first_token"}
    async with serve([SLOW, OTHER], routes={"auto": {"dial": 1, "sla": sla, "retry": ONCE}}) as gateway:
        for _ in range(3):
            assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "slow"
        assert snapshot(gateway).latencies == {}, "what is not streamed has no first content"
        for _ in range(3):
            assert (await gateway.chat("auto", stream=True)).headers["x-pointsman-model"] == "slow"
        await measured(gateway)
        assert set(snapshot(gateway).latencies) == {("slow", "first_token", None)}
        assert (await gateway.chat("auto", stream=True)).headers["x-pointsman-model"] == "other"


async def test_what_the_log_knows_holds_from_the_start_and_after_a_reload(serve: Serve, tmp_path):
    config = {"models": [SLOW, OTHER], "routes": {"auto": {"dial": 1, "sla": SLA, "retry": ONCE}}}
    async with serve(**config) as gateway:
        for _ in range(3):
            await gateway.chat("auto")
        await measured(gateway)
        before = snapshot(gateway).latencies
        await gateway.service.reload(gateway.service._config)
        assert gateway.service.gateway.world.snapshot.latencies == before
    async with serve(**config) as gateway:
        assert snapshot(gateway).latencies == before
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "other"


@pytest.mark.parametrize(
    ("floor", "flags", "answered"),
    [({"quality_floor": 0.95}, "quality_floor_missed", "slow"), ({"sla": {"p95_ms": 1}}, "sla_missed", "slow")],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_least_bad_answers_with_a_flag_on_answer_and_record(serve: Serve, floor, flags, answered, stream):
    async with serve([SLOW, OTHER], routes={"auto": {"dial": 1, **floor, "on_none": "least_bad", "retry": ONCE}}) as gateway:
        told = (await gateway.chat("auto", stream=stream)).headers
        assert (told["x-pointsman-model"], told["x-pointsman-flags"]) == (answered, flags)
        [kept] = [from_json(DecisionRecord, entry.body) for entry in await gateway.service.log.recent(10)]
        assert kept.plan.flags == (flags,)
        shown = await explained(gateway, told["x-pointsman-decision-id"])
        assert shown["flags"] == [flags]
        assert shown["reason"].startswith(f"no candidate keeps what is asked; `{answered}` misses it least: ")
        assert [f"{verdict['gate']}_missed" for verdict in candidate(shown, answered)["set_aside"]] == [flags]


async def test_a_person_is_asked_before_any_model(serve: Serve):
    async with serve([SLOW, OTHER], routes={"auto": {"quality_floor": 0.95, "on_none": "human"}}) as gateway:
        asked = await gateway.chat("auto")
        assert (asked.status, asked.error["code"]) == (403, "review_required")
        told = "no model keeps quality_floor: a person is asked, and the answer will be at `GET /v1/reviews/{}`"
        assert asked.error["message"] == told.format(asked.headers["x-pointsman-review-id"])
        assert gateway.ledger == []
        shown = await explained(gateway, asked.headers["x-pointsman-decision-id"])
        assert (shown["model"], shown["plan"]["kind"], shown["flags"]) == (None, "review", ["quality_floor_missed"])
        [review] = shown["reviews"]
        assert review["id"] == asked.headers["x-pointsman-review-id"]
        assert review["reason"] == "no model keeps quality_floor"


async def test_what_policy_forbids_is_not_the_least_bad(serve: Serve):
    inside = {"name": "inside", "require": {"perimeter": ["on_prem"]}}
    async with serve([SLOW, OTHER], routes={"auto": {"quality_floor": 0.95, "on_none": "least_bad"}}, policies=[inside]) as gateway:
        refused = await gateway.chat("auto")
        assert (refused.status, refused.error["code"]) == (403, "policy_denied")
        assert gateway.ledger == []
