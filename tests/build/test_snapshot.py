"""From a configuration to what decisions see, and back from the log."""

from __future__ import annotations

from datetime import date

import pytest

from pointsman.build.snapshot import snapshot_body, snapshot_of, with_health
from pointsman.build.world import history
from pointsman.catalogue.prices import load as load_catalogue
from pointsman.config.load import load
from pointsman.core.codec import from_json, to_json
from pointsman.core.decide import decide
from pointsman.core.latency import Measured, Sized, Sla
from pointsman.core.outcome import Outcome
from pointsman.core.plan import Execution, Retry
from pointsman.core.prices import Usage, per_mtok
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Snapshot

CONFIG = """
version: 1
models:
  - {id: listed, provider: openai, model: gpt-4o-mini, api_key: "${KEY}"}
  - {id: ours, provider: openai-compatible, model: gpt-4o-mini, base_url: "http://secret-host:8000/v1", api_key: "${KEY}", perimeter: on_prem}
  - {id: stated, provider: openai, model: gpt-4o-mini, api_key: "${KEY}", price: {input: 0.1, output: 0.2, source: contract 7, as_of: "2026-10-01"}}
  - {id: owned, provider: openai-compatible, base_url: "http://127.0.0.1:1/v1", price: {gpu_second: 0.0009}, context_tokens: 4096, tokenizer: cl100k}
tasks: {code: {quality_floor: 0.1, weights: {quality: 3, cost: 1}, sla: {p95_ms: 500, breach: penalise, of: first_token}, on_none: human}}
rules: [{when: 'tokens.input > 10', labels: [internal], quality_floor: 0.05}]
policies: [{name: p, when: '"pii" in labels', require: {perimeter: [on_prem]}}]
routes:
  auto: {weights: {quality: 2, cost: 2}}
  prompt: {models: [listed, owned], dial: 1, sla: {p95_ms: 800, min_samples: 10}, on_none: least_bad}
  bounded: {models: [listed, owned], bounds: {cost_usd: [0, 0.01], latency_ms: [0, 5000]}, fallback: [owned]}
  chained:
    models: [listed]
    fallback: [owned, human]
    fallback_on: {context_length: [stated], content_filter: []}
    plan: hedge
    retry: {attempts: 3, base_s: 0.1, longest_s: 2}
    hedge: {after_s: 1, models: 3}
    most_calls: 4
    deadline_s: 20
    first_token_s: 5
    checks: [truncated]
"""
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def body() -> bytes:
    return snapshot_body(load(CONFIG, "test.yaml", {"KEY": "k-very-secret"}), load_catalogue(), TODAY)


@pytest.fixture(scope="module")
def snapshot(body: bytes) -> Snapshot:
    return snapshot_of(body)


def test_a_body_holds_no_secret_and_no_address(body):
    assert b"k-very-secret" not in body
    assert b"secret-host" not in body


def test_the_same_configuration_on_the_same_day_has_the_same_id(body):
    again = snapshot_body(load(CONFIG, "test.yaml", {"KEY": "another"}), load_catalogue(), TODAY)
    assert snapshot_of(again).id == snapshot_of(body).id


def test_a_revived_snapshot_decides_alike(body, snapshot):
    request, signals = Request("r", "auto", labels=("pii",)), Signals()
    revived = snapshot_of(body)
    before = decide(request, signals, snapshot, snapshot.routes["auto"], 1)
    assert decide(request, signals, revived, revived.routes["auto"], 1) == before


def test_prices_come_from_the_provider_s_list_or_the_file_and_are_unknown_elsewhere(snapshot):
    models = snapshot.models
    assert models["listed"].price.source.startswith("genai-prices")
    assert models["listed"].context_tokens == 128_000
    assert models["ours"].price is None, "the same weights on another server cost something else"
    assert (models["stated"].price.input, models["stated"].price.source) == (per_mtok("0.1"), "contract 7")
    assert models["owned"].price.per_second == 900_000_000
    assert (models["listed"].tokenizer, models["owned"].tokenizer) == ("o200k", "cl100k")


def test_defaults_are_filled_in_once(snapshot):
    assert snapshot.routes["auto"].models == ("listed", "ours", "stated", "owned")
    assert snapshot.routes["auto"].weights.quality == 0.5
    assert snapshot.routes["bounded"].bounds.cost_picousd == (0, 10_000_000_000)
    assert snapshot.tasks["code"].weights.quality == 0.75
    assert (snapshot.models["ours"].security, snapshot.models["listed"].security) == (1.0, 0.4)


def test_chains_and_how_they_are_carried_out_are_the_routes(snapshot):
    chained, auto = snapshot.routes["chained"], snapshot.routes["auto"]
    assert (chained.fallback, chained.human) == (("owned",), True)
    assert dict(chained.fallback_on) == {"context_length": ("stated",), "content_filter": ()}
    assert chained.candidates == ("listed", "owned", "stated")
    assert chained.execution == Execution(Retry(3, 0.1, 2.0), 4, 20.0, 5.0, 1.0, 3, ("truncated",))
    assert (auto.human, auto.fallback_on, auto.execution) == (False, (), Execution())


def test_health_is_part_of_what_a_decision_is_made_under_and_of_its_body(body, snapshot):
    sick, kept = with_health(snapshot, body, {"listed": "5 calls in a row failed"})
    assert sick.id != snapshot.id
    revived = snapshot_of(kept)
    assert (revived.id, revived.health, revived.standing) == (sick.id, sick.health, sick.standing)
    made = decide(Request("r", "auto"), Signals(), sick, sick.routes["auto"], 1)
    assert made == decide(Request("r", "auto"), Signals(), revived, revived.routes["auto"], 1)
    refused = next(candidate for candidate in made.candidates if candidate.model == "listed")
    assert [(verdict.kind, verdict.reason) for verdict in refused.verdicts] == [("health", "out of service: 5 calls in a row failed")]
    well, body_again = with_health(sick, kept, {})
    assert (well.id, body_again) == (snapshot.id, body)


def test_floors_and_slas_are_the_files(snapshot):
    code, prompt = snapshot.tasks["code"], snapshot.routes["prompt"]
    assert (code.sla, code.on_none) == (Sla(500, "penalise", 30, "first_token"), "human")
    assert (prompt.sla, prompt.on_none) == (Sla(800, "exclude", 10, "whole"), "least_bad")
    assert (snapshot.routes["auto"].sla, snapshot.routes["auto"].on_none) == (None, None)
    assert snapshot.rules[0].effects.quality_floor == 0.05


def test_measured_latencies_are_part_of_a_snapshot_and_its_decisions_are_made_again_from_its_body(body, snapshot):
    latencies = {
        ("listed", "whole", None): Measured(40, 2_000.0),
        ("owned", "whole", "code"): Measured(10, 300.5),
        ("owned", "whole", None): Measured(9, 9_000.0, (Sized(1_000, 3, 30.5), Sized(4_000, 5, 40.0))),
    }
    known, kept = with_health(snapshot, body, {}, latencies)
    assert known.id != snapshot.id
    assert with_health(snapshot, body, {}, dict(reversed(latencies.items()))) == (known, kept), "their order is none"
    revived = snapshot_of(kept)
    assert (revived.id, revived.latencies) == (known.id, known.latencies)
    for task, chosen, flags in (("code", "owned", ()), ("general", "listed", ("sla_missed",))):
        signals = Signals(task=task)
        made = decide(Request("r", "prompt", task=task), signals, known, known.routes["prompt"], 1)
        assert (made.chosen, made.plan.flags) == (chosen, flags)
        assert remake(from_json(DecisionRecord, to_json(record(made))), revived) == made
    sick, kept_sick = with_health(known, kept, {"owned": "x"})
    assert sick.latencies == known.latencies, "other health leaves them as they are"
    assert with_health(sick, kept_sick, {}, {}) == (snapshot, body)


def outcome(task: str, tokens: int, finish: str = "stop") -> Outcome:
    return Outcome("d", 1, "m", "ok", task=task, finish_reason=finish, usage=Usage(10, tokens))


def test_expected_lengths_are_learned_from_enough_whole_answers():
    seen = [outcome("code", n) for n in range(1, 40)] + [outcome("rare", 9)] * 3 + [outcome("cut", 9, "length")] * 50
    assert history(seen, {"m": 1_000}) == {"code": 20}
    assert history(seen, {"another": 1_000}) == {}
    assert history([*seen, *[outcome("code", 10**12)] * 100], {"m": 1_000}) == {"code": 20}
