"""A request that only has another read: what keeps that one from a model keeps its words from it, whatever reading would have told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.model import Model, Prior
from pointsman.core.record import record, remake
from pointsman.core.request import Request
from pointsman.core.rule import Effects, Policy, Requirement, Rule
from pointsman.core.signals import Signals, TokenCount, Tokens
from pointsman.core.snapshot import Reads, Route, Snapshot, TaskPolicy
from pointsman.policy.cel import compile_condition
from pointsman.policy.reach import reach
from tests.worlds import NAMES, cases, snapshot

SIZE = Tokens((TokenCount("chars", 9, False),), output=0, room=0)


def reading_of(request: Request, signals: Signals) -> tuple[Request, Signals]:
    """What the gateway makes of a request to have it read."""
    made = replace(request, id=f"{request.id}_e", api="embeddings", stream=False, response_format="text", reads_for=request.id)
    before = Signals(task="general", tokens=SIZE, labels=signals.labels, keywords=signals.keywords)
    return made, before


@given(cases(), st.sampled_from(NAMES))
def test_what_a_policy_or_rule_keeps_from_a_model_it_does_not_read(case, name):
    request, signals, world, route = case
    if name not in world.models:
        name = next(iter(world.models))
    model = replace(world.models[name], apis=("chat", "embeddings"), context_tokens=128_000)
    world = replace(world, models={**world.models, name: model}, reads=Reads(name, 0.5))
    asked = decide(request, signals, world, replace(route, models=(name,), plan=None), 0)
    refused = {
        one.model for one in asked.candidates for verdict in one.verdicts if verdict.kind == "policy" and verdict.gate != "quality_floor"
    }
    made, before = reading_of(request, signals)
    under = world.route_of(made, route.name)
    assert under is not None
    read = decide(made, before, world, under, 0)
    assert name not in refused or read.plan is None
    if read.plan is not None:
        assert read.plan.names == {name}
        assert name in reach(world, route, read.ruling.labels, request.caller)
        assert not world.standing[name], "nor where it is switched off or out of service"
    assert remake(record(read), world).plan == read.plan


def world_of(*policies: Policy, rules: tuple[Rule, ...] = (), **more: object) -> Snapshot:
    models = [Model("inside", perimeter="on_prem"), Model("reader", apis=("embeddings",))]
    return snapshot(models, Route("auto", ("inside",), rules=rules), policies=policies, reads=Reads("reader", 0.5), **more)


def may_read(world: Snapshot, request: Request = Request("r", "auto")) -> bool:
    made, before = reading_of(request, Signals())
    under = world.route_of(made, "auto")
    assert under is not None
    return decide(made, before, world, under, 0).plan is not None


def inside(when: str, **more: object) -> Policy:
    return Policy("p", compile_condition(when), Requirement(perimeter=("on_prem",)), **more)


def test_what_is_not_known_before_counts_as_the_stricter_answer():
    for unknown in (
        "task == 'x'",
        "signals.intent == 'x'",
        "tokens.input > 9",
        "request.stream == true",
        "signals.needs_tools == true",
        "signals.domain == 'x'",
    ):
        assert not may_read(world_of(inside(unknown)))
        assert not may_read(world_of(inside(unknown, fail="open"))), "that is about what clients leave out"
        assert not may_read(world_of(rules=(Rule("r", compile_condition(unknown), Effects(exclude=("reader",))),)))
        assert may_read(world_of(rules=(Rule("r", compile_condition(unknown), Effects(prefer=("inside",), quality_floor=1.0)),)))


def test_what_the_client_declares_is_known():
    declared = Request("r", "auto", task="x", domain="x")
    for known in ("signals.task == 'x'", "signals.domain == 'x'"):
        assert not may_read(world_of(inside(known)), declared)
        assert may_read(world_of(inside(known)), replace(declared, task="y", domain="y"))


def test_what_is_wanted_of_answers_is_not_asked_of_it():
    floors = {"general": TaskPolicy(quality_floor=0.9)}
    world = world_of(tasks=floors)
    assert world.models["reader"].quality.get("general", Prior(0.5)).mean < 0.9
    assert may_read(world)


def test_without_a_model_that_reads_there_is_no_such_route():
    made, _ = reading_of(Request("r", "auto"), Signals())
    assert replace(world_of(), reads=None).route_of(made, "auto") is None
