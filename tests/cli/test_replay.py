"""Recorded decisions come out the same again, from the log alone; and another configuration's differences are told."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from random import Random

import apsw
import msgspec
import pytest

from pointsman.build.snapshot import snapshot_of, with_health
from pointsman.build.world import current_snapshot, signal_settings
from pointsman.cli import main
from pointsman.config.load import load_file
from pointsman.core.record import record
from pointsman.core.request import Caller
from pointsman.gateway import Inquiry, World, decide_request
from pointsman.stores.sqlite import SqliteLog

CONFIG = """
version: 1
models:
  - {id: inside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, price: {input: 1, output: 2}, quality: {general: 0.5, code: 0.8}}
  - {id: small, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {input: 0.1, output: 0.2}, quality: {general: 0.4}, context_tokens: 600}
  - {id: outside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {input: 5, output: 20}, quality: {general: 0.9}}
policies:
  - {name: health data stays inside, when: '"phi" in labels', require: {perimeter: [on_prem]}}
tasks:
  code: {quality_floor: 0.6}
keywords: {urgent: [urgent, now]}
routes:
  auto: {dial: 0.7, rules: [{when: '"urgent" in signals.keywords', prefer: [outside]}]}
  cheap: {dial: 0.1, fallback: [inside, human]}
  strict: {models: [outside], labels: [phi]}
"""
DECISIONS = int(os.environ.get("POINTSMAN_REPLAY_DECISIONS", "1000"))
DEARER = CONFIG.replace("{dial: 0.1,", "{dial: 1.0,").replace("strict:", "stricter:")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.yaml").write_text(CONFIG + "\nstore: {path: log.db}\n")
    (tmp_path / "other.yaml").write_text(DEARER + "\nstore: {path: log.db}\n")
    return tmp_path


def inquiry(chance: Random) -> Inquiry:
    words = " ".join(chance.choices(["please", "now", "look", "at", "this", "letter"], k=chance.randrange(1, 200)))
    body = {"model": chance.choice(["auto", "auto", "cheap", "strict", "inside"]), "messages": [{"role": "user", "content": words}]}
    if chance.random() < 0.3:
        body["max_tokens"] = chance.randrange(1, 4000)
    headers = {"x-pointsman-labels": chance.choice(["", "phi", "pii", "public,made-up"]), "x-pointsman-task": chance.choice(["", "code"])}
    caller = Caller(chance.choice(["a", "b"]), models=chance.choice([None, None, ("inside", "small")]))
    return Inquiry(json.dumps(body).encode(), caller, {name: value for name, value in headers.items() if value})


def write(folder: Path, count: int, seed: int = 1) -> list[str | None]:
    """Record decisions as the gateway does, with models going out of service and coming back; the choices."""
    chance = Random(seed)
    config = load_file(folder / "gateway.yaml", {})
    sound, body = current_snapshot(config)
    settings = signal_settings(config, sound)
    chosen = []

    async def scene():
        async with SqliteLog(folder / "log.db") as log:
            snapshot = sound
            for number in range(count):
                if number % 100 == 0:
                    ill = dict.fromkeys(chance.sample(["inside", "small", "outside"], chance.randrange(3)), "5 failures")
                    snapshot, kept = with_health(sound, body, ill) if number else (sound, body)
                    await log.put_snapshot(snapshot.id, kept)
                decision = decide_request(inquiry(chance), World(snapshot, settings))
                await log.append("decision", decision.request.id, msgspec.json.encode(record(decision)))
                chosen.append(decision.chosen)

    asyncio.run(scene())
    return chosen


def replay(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    status = main(("replay", "--log", "log.db", "--json", *arguments))
    return status, json.loads(capsys.readouterr().out)


def test_decisions_come_out_identical_from_the_log_alone(folder, capsys):
    chosen = write(folder, DECISIONS)
    assert set(chosen) == {None, "inside", "small", "outside"}
    (folder / "gateway.yaml").unlink()
    assert replay(capsys) == (0, {"decisions": DECISIONS, "identical": DECISIONS, "differing": []})


def test_a_decision_that_was_altered_is_named(folder, capsys):
    write(folder, 20)
    connection = apsw.Connection("log.db")
    connection.execute("DROP TRIGGER log_no_update")
    query = (
        "SELECT seq, decision FROM log WHERE kind = 'decision' AND CAST(body AS TEXT) LIKE '%\"models\":[\"inside\"]%' ORDER BY seq LIMIT 1"
    )
    seq, decision = connection.execute(query).get
    (body,) = connection.execute("SELECT body FROM log WHERE seq = ?", (seq,)).fetchone()
    connection.execute("UPDATE log SET body = ? WHERE seq = ?", (body.replace(b'"models":["inside"]', b'"models":["outside"]'), seq))
    connection.close()
    status, told = replay(capsys)
    assert (status, told["identical"]) == (1, 19)
    ((found),) = told["differing"]
    assert (found["seq"], found["decision"]) == (seq, decision)
    assert '["outside"]' in found["reason"].partition(", is ")[0]


def test_a_snapshot_that_is_gone_is_named(folder, capsys):
    write(folder, 3)
    connection = apsw.Connection("log.db")
    connection.execute("DELETE FROM snapshots")
    connection.close()
    status, told = replay(capsys)
    assert (status, told["identical"], len(told["differing"])) == (1, 0, 3)
    assert "is not in the log" in told["differing"][0]["reason"]


def test_the_same_configuration_changes_nothing(folder, capsys):
    write(folder, 500)
    status, told = replay(capsys, "--config", "gateway.yaml")
    changes = told["changes"]
    assert (status, changes["changed"], changes["moves"], changes["no_route"]) == (0, 0, [], {})
    assert changes["cost_usd"]["delta"] == "0"
    assert changes["quality"]["before"] == changes["quality"]["after"]


def test_another_configuration_is_compared_by_choice_and_estimate(folder, capsys):
    chosen = write(folder, 500)
    status, told = replay(capsys, "--config", "other.yaml")
    changes = told["changes"]
    assert (status, told["identical"]) == (0, 500)
    assert changes["changed"] == sum(move["requests"] for move in changes["moves"]) > 0
    assert changes["changed_share"] == changes["changed"] / 500
    assert {(move["from"], move["to"]) for move in changes["moves"]} <= {("small", "outside"), ("inside", "outside"), ("small", "inside")}
    assert changes["no_route"].keys() == {"strict"}
    cost = changes["cost_usd"]
    assert float(cost["delta"]) == pytest.approx(float(cost["after"]) - float(cost["before"]))
    assert float(cost["delta"]) > 0
    assert cost["requests"] <= sum(model is not None for model in chosen)
    assert changes["quality"]["after"] > changes["quality"]["before"]


def test_it_can_be_read(folder, capsys):
    write(folder, 200)
    assert main(("replay", "--config", "other.yaml")) == 0
    out, err = capsys.readouterr()
    assert out.startswith("200 decisions made again: 200 identical, 0 not\n")
    assert "would go elsewhere" in out
    assert "it has no route `strict`" in out
    assert "word lists are not looked for again" in err


@pytest.mark.parametrize(("since", "count"), [("1h", 5), ("2126-01-01", 0)])
def test_since_leaves_older_ones_out(folder, capsys, since, count):
    write(folder, 5)
    assert replay(capsys, "--since", since)[1]["decisions"] == count


@pytest.mark.parametrize(
    ("arguments", "said"), [(("--log", "absent.db"), "no such log"), (("--log", "log.db", "--since", "yesterday"), "is not a time")]
)
def test_a_mistake_is_said_in_one_sentence(folder, capsys, arguments, said):
    write(folder, 1)
    assert main(("replay", *arguments)) == 2
    assert said in capsys.readouterr().err


def test_what_is_stored_of_a_configuration_is_enough_to_make_it_again(folder):
    snapshot, body = current_snapshot(load_file(folder / "gateway.yaml", {}))
    assert snapshot_of(body).id == snapshot.id
