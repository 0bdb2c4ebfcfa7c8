"""`pointsman explain`: whoever asks, what budgets say, labels that nobody knows, and recorded decisions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pointsman.build.budgets import budgets_of
from pointsman.build.world import current_snapshot, offline_world
from pointsman.cli import main
from pointsman.cli.explain import describe
from pointsman.config.load import load_file
from pointsman.core.answer import Course, Weighed
from pointsman.core.budget import Spend, Subjects, payers
from pointsman.core.codec import from_json, to_json
from pointsman.core.decide import decide
from pointsman.core.latency import Measured
from pointsman.core.model import Model
from pointsman.core.outcome import Outcome
from pointsman.core.plan import Ensemble, Execution
from pointsman.core.premium import PremiumShare
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Caller, Request
from pointsman.core.review import Action
from pointsman.core.score import dial
from pointsman.core.signals import Prediction, Signals
from pointsman.core.snapshot import Route
from pointsman.core.tenancy import Org, Team
from pointsman.gateway import Inquiry, decide_request
from pointsman.gateway.understand import decide_understood, understand
from pointsman.stores.budget_desk import Desk
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.keys import Key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.stores.sqlite_reviews import SqliteReviews
from pointsman.wire.explanation import explanation
from tests.tickets import ANSWER, CONTENTS, NOW_NS, REVIEWER, WORDS, ticket
from tests.worlds import snapshot

CONFIG = """
version: 1
models:
  - {id: own, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, price: {input: 1, output: 1}, quality: {general: 0.4}}
  - {id: big, provider: openai, api_key: "${SOME_KEY}", model: gpt-4o-mini, price: {input: 5, output: 5}, quality: {general: 0.9}}
policies:
  - {name: the clinic stays inside, scope: {orgs: [acme], teams: [clinic]}, require: {perimeter: [on_prem]}}
  - {name: one key stays inside, scope: {keys: [k1]}, require: {perimeter: [on_prem]}}
  - {name: roots stay inside, when: 'key.role == "root"', require: {perimeter: [on_prem]}}
budgets:
  - {name: purse, org: acme, usd: 1, per: never, when_spent: cheapest}
routes:
  auto: {weights: {quality: 1}}
  other: {}
"""
BODY = b'{"model": "auto", "messages": [{"role": "user", "content": "hello"}]}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOME_KEY", raising=False)
    (tmp_path / "pointsman.yaml").write_text(f"{CONFIG}store: {{path: store.db}}\n")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(("explain", *arguments))
    said = capsys.readouterr()
    return status, said.out, said.err


def chosen(capsys: pytest.CaptureFixture[str], *arguments: str) -> str | None:
    found: str | None = json.loads(run(capsys, "hello", "--json", *arguments)[1])["model"]
    return found


@pytest.mark.parametrize(
    ("who", "model"),
    [
        ((), "big"),
        (("--org", "acme"), "big"),
        (("--team", "clinic"), "big"),
        (("--org", "acme", "--team", "clinic"), "own"),
        (("--key", "k1"), "own"),
        (("--key", "k2"), "big"),
        (("--role", "root"), "own"),
    ],
)
def test_policies_for_some_are_explained_for_whoever_is_named(capsys, who, model):
    assert chosen(capsys, *who) == model


def test_a_key_that_the_store_does_not_have_is_remarked_upon(capsys):
    assert run(capsys, "hello", "--key", "k2")[2].splitlines()[-1] == (
        "store.db has no key `k2`: what that key may do is not known, and not looked at"
    )


async def stored(path: Path) -> None:
    async with SqliteLog(path) as log:
        keys = SqliteKeys(log)
        await keys.add_org(Org("acme", created_at_ns=1))
        await keys.add_team(Team("acme", "red", created_at_ns=1, models=("own",)))
        await keys.add_key(Key("limited", bytes(32), 1, org="acme", team="red", routes=("auto",)))
        await keys.add_key(Key("gone", bytes(32), 1, org="acme", revoked_at_ns=2))
        await keys.add_key(Key("reads", bytes(32), 1, org="acme", role="auditor"))


def test_a_key_of_the_store_has_the_rights_that_it_has_there(capsys, folder):
    asyncio.run(stored(folder / "store.db"))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert chosen(capsys, "--key", "limited") == "own"
    assert chosen(capsys, "--org", "acme", "--team", "red") == "own"
    status, out, _ = run(capsys, "hello", "--key", "limited", "--route", "other")
    assert status == 1
    assert "may not use" in out
    assert "key `gone` opens nothing: it was revoked or has expired" in run(capsys, "hello", "--key", "gone")[2]
    status, _, err = run(capsys, "hello", "--key", "limited", "--team", "blue")
    assert (status, err.splitlines()[-1]) == (2, "key `limited` has team `red`, not `blue`: leave out --team")
    assert "calls no models" in run(capsys, "hello", "--key", "reads")[2]
    assert before["store.db"] == (folder / "store.db").read_bytes()


async def spent(config: Path) -> None:
    made = load_file(config, {"SOME_KEY": "x"})
    async with SqliteLog(made.store.path) as log:
        desk = Desk(SqliteBudgets(log), lambda: 1_000)
        hold = await desk.hold(payers(budgets_of(made), Subjects(org="acme")), Spend(10**12, 10))
        desk.settle(hold, Spend(10**12, 10))
        await desk.close()


def test_budgets_count_as_the_store_has_them(capsys, folder):
    assert chosen(capsys, "--org", "acme") == "big"
    asyncio.run(spent(folder / "pointsman.yaml"))
    assert chosen(capsys) == "big", "nobody's budget"
    assert chosen(capsys, "--org", "acme") == "own"
    assert "\nbudget    cheapest, by budget `purse` of org `acme`" in run(capsys, "hello", "--org", "acme")[1]


def test_a_label_that_nobody_knows_is_remarked_upon(capsys):
    assert "`nolabel` is not a known label and counts as all of them\n" in run(capsys, "hello", "--label", "nolabel")[2]
    assert "`ppi` is not a known label and counts as all of them; did you mean `pii`?\n" in run(capsys, "hello", "--label", "ppi")[2]
    assert "label" not in run(capsys, "hello", "--label", "pii")[2]


def test_a_dry_run_has_no_id_that_nobody_could_look_up(capsys):
    status, out, err = run(capsys, "hello")
    assert (status, out.splitlines()[0]) == (0, "decision  route auto  ->  big")
    assert json.loads(run(capsys, "hello", "--json")[1])["id"] is None
    assert "environment variable `SOME_KEY` is not set: `pointsman serve` refuses the file without it" in err


def test_an_unknown_route_is_answered_in_the_words_of_the_command_line(capsys):
    assert run(capsys, "hello", "--route", "xyz")[2].splitlines()[-1] == "no route or model `xyz`: `pointsman models` lists both"
    assert run(capsys, "hello", "--route", "atuo")[2].splitlines()[-1] == "no route or model `atuo`; did you mean `auto`?"


async def recorded(config: Path, *outcomes: Outcome, course: Course | None = None) -> None:
    made = load_file(config, {"SOME_KEY": "x"})
    snapshot, body = current_snapshot(made)
    world = offline_world(made)
    async with SqliteLog(made.store.path) as log:
        await log.put_snapshot(snapshot.id, body)
        for name in {outcome.decision for outcome in outcomes}:
            decision = decide_request(Inquiry(BODY, Caller(), {}, id=name), world)
            await log.append("decision", name, msgspec.json.encode(record(decision)))
        for outcome in outcomes:
            await log.append("outcome", outcome.decision, msgspec.json.encode(outcome))
        if course is not None:
            await log.append("course", course.decision, msgspec.json.encode(course))


def test_the_head_says_who_answered_where_the_first_choice_did_not(capsys, folder):
    skipped = Outcome("dec_a1", 0, "big", "error", error="cannot_mask", fault="refused", sent=False)
    asyncio.run(
        recorded(folder / "pointsman.yaml", skipped, Outcome("dec_a1", 1, "own", "ok", masked=2), Outcome("dec_b1", 1, "big", "ok"))
    )
    _, out, _ = run(capsys, "--decision", "dec_a1")
    assert out.splitlines()[0].endswith("->  big, answered by own")
    assert "\n  -  big  not called (cannot_mask)\n" in out
    assert "  masked values: 2" in out
    _, out, _ = run(capsys, "--decision", "dec_b1")
    assert out.splitlines()[0].endswith("->  big")
    assert "masked" not in out


def test_what_was_dropped_and_why_an_answer_was_unfit_is_told_of_each_call(capsys, folder):
    unfit = Outcome("dec_a1", 1, "big", "error", error="invalid_output", fault="invalid_output", check="schema")
    asyncio.run(recorded(folder / "pointsman.yaml", unfit, Outcome("dec_a1", 2, "own", "ok", dropped=("seed", "answer.citations"))))
    lines = run(capsys, "--decision", "dec_a1")[1].splitlines()
    first, second, dropped = lines[lines.index("calls") + 1 :][:3]
    assert first.startswith("  1. big  error (invalid_output: schema)  ")
    assert second.startswith("  2. own  ok ")
    assert dropped == "     dropped: seed, answer.citations"


@pytest.mark.parametrize(("route", "warned"), [("auto", False), ("odd", True), ("big", False)])
def test_a_warning_about_a_route_is_told_where_that_route_is_explained(capsys, folder, route, warned):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}  odd: {{models: [big], plan: hedge}}\n")
    err = run(capsys, "hello", "--route", route)[2]
    assert "`SOME_KEY` is not set" in err
    assert ("routes.odd.plan: `hedge` needs a second model" in err) == warned


def test_where_nobody_but_a_person_is_left_the_plan_says_so(capsys, folder):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}  asked: {{models: [big], quality_floor: 0.95, on_none: human}}\n")
    assert "\nplan      review by a person\n" in run(capsys, "hello", "--route", "asked")[1]


def test_who_misses_what_is_asked_was_not_refused_by_gates(capsys, folder):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}  asked: {{models: [big], quality_floor: 0.95, on_none: least_bad}}\n")
    because = run(capsys, "hello", "--route", "asked")[1].splitlines()[1]
    assert because.startswith("because   no candidate keeps what is asked; `big` misses it least: ")
    assert "refused by gates" not in because


def test_of_a_plan_that_looks_at_answers_the_first_token_comes_when_they_are_whole():
    route = Route("auto", ("own", "new"), plan="ensemble", execution=Execution(ensemble=Ensemble(members=("own", "new"))))
    world = snapshot((Model("own"), Model("new")), route, latencies={("own", "whole", None): Measured(50, 20_000.0)})
    lines = describe(explanation(decide(Request("d", "auto"), Signals(), world, route, 0), world)).splitlines()
    assert "time      p95 20,000 ms (partly measured), of the first token 20,000 ms (partly measured)" in lines


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ({}, ("p95 8,780 ms (prior), of the first token 1,100 ms (prior)", None)),
        (
            {"whole": 11.0},
            ("p95 11 ms (measured), of the first token 11 ms (measured)", "measured: own p95 11 ms (50 calls)"),
        ),
        (
            {"whole": 5_000.0},
            ("p95 5,000 ms (measured), of the first token 1,100 ms (prior)", "measured: own p95 5,000 ms (50 calls)"),
        ),
        (
            {"first_token": 9_000.0},
            ("p95 9,000 ms (measured), of the first token 9,000 ms (measured)", "measured: own p95 of the first token 9,000 ms (50 calls)"),
        ),
    ],
)
def test_it_says_which_times_were_measured_and_no_first_token_comes_after_the_last(measured, told):
    latencies = {("own", of, None): Measured(50, p95_ms) for of, p95_ms in measured.items()}
    world = snapshot((Model("own"),), latencies=latencies)
    lines = describe(explanation(decide(Request("d", "auto"), Signals(), world, world.routes["auto"], 0), world)).splitlines()
    assert f"time      {told[0]}" in lines
    assert "(n): graded answers behind the quality; times are priors" in "\n".join(lines)
    assert [line for line in lines if line.startswith("measured")] == [line for line in told[1:] if line]


def test_the_beginning_of_an_id_is_enough_where_one_begins_so(capsys, folder):
    asyncio.run(recorded(folder / "pointsman.yaml", *(Outcome(name, 1, "big", "ok") for name in ("dec_a1", "dec_a2", "dec_b1", "dec_b11"))))
    assert run(capsys, "--decision", "dec_a2")[1].startswith("decision  dec_a2")
    assert run(capsys, "--decision", "dec_b1")[1].startswith("decision  dec_b1  ")
    assert run(capsys, "--decision", "dec_b11")[1].startswith("decision  dec_b11  ")
    status, _, err = run(capsys, "--decision", "dec_a")
    assert (status, err.splitlines()[-1]) == (
        2,
        "several decisions begin with `dec_a`, dec_a1 and dec_a2 among them: write more of the id",
    )
    assert run(capsys, "--decision", "dec_c")[2].splitlines()[-1] == "no decision `dec_c`"


def test_a_recorded_decision_tells_who_did_what_with_its_ticket(capsys, folder):
    async def reviewed() -> None:
        await recorded(folder / "pointsman.yaml", Outcome("dec_a1", 1, "big", "ok"))
        keys = ContentKeys(folder / "keys")
        async with SqliteLog(folder / "store.db") as log:
            store = SqliteReviews(log, keys)
            await store.open(ticket("rev_1", decision="dec_a1", asked="a" * 64), CONTENTS)
            await store.open(ticket("rev_2", decision="dec_a1", asked="a" * 64), CONTENTS)
            await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS)
            await store.act("rev_1", Action("edit", text="Mine.", call=1, note="see chart"), REVIEWER, NOW_NS)
        keys.close()

    asyncio.run(reviewed())
    _, out, _ = run(capsys, "--decision", "dec_a1")
    assert [line for line in out.splitlines() if line.startswith("review")] == [
        "review  rev_1  opened: no answer is likely enough to be right",
        "review  rev_1  asked_again",
        "review  rev_1  claimed by rita",
        "review  rev_1  approved by rita, answer of call 1, edited",
    ]
    assert "no outcome is recorded" not in out
    assert not any(words in out for words in ("Mine.", "see chart", WORDS, ANSWER))
    events = json.loads(run(capsys, "--decision", "dec_a1", "--json")[1])["reviews"]
    assert [event["event"] for event in events] == ["opened", "asked_again", "claimed", "approved"]


def test_a_cap_that_only_a_running_gateway_counts_is_named(capsys, folder):
    cap = "premium_shares: [{name: few, at_most: 0.4, over: 200, models: [big]}]\n"
    (folder / "pointsman.yaml").write_text(f"{CONFIG}{cap}")
    told = "cap `few` counts in the running gateway and is not looked at here: `POST /v1/explain` there knows how it stands"
    assert run(capsys, "hello")[2].splitlines()[-1] == told
    assert "cap `few`" not in run(capsys, "hello", "--route", "big")[2], "asked for by its own name"


def test_the_plan_says_that_a_person_approves(capsys, folder):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}  asked: {{models: [big], review: {{approval: true}}}}\n")
    assert "\nplan      single of big; a person approves what is answered\n" in run(capsys, "hello", "--route", "asked")[1]
    plans = [json.loads(run(capsys, "hello", "--route", name, "--json")[1])["plan"] for name in ("asked", "auto")]
    assert [plan["approval"] for plan in plans] == [True, False]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("single", "p95 8,780 ms (prior), of the first token 1,100 ms (prior)"),
        ("ensemble, ensemble: {members: [big], samples: 3}", "p95 17,560 ms (prior), of the first token 17,560 ms (prior)"),
        ("cascade, cascade: {tiers: [big, own], stream_first: true}", "p95 17,560 ms (prior), of the first token 9,880 ms (prior)"),
    ],
)
def test_it_says_how_long_a_plan_takes(capsys, folder, plan, told):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}  asked: {{models: [big], plan: {plan}}}\n")
    assert f"\ntime      {told}\n" in run(capsys, "hello", "--route", "asked")[1]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("escalate, cascade: {tiers: [own, big], accept: {verifier: check}}", "  looks at 1"),
        ("ensemble, ensemble: {members: [own, big], vote: judge, judge: check}", "  looks at the answers"),
    ],
)
def test_calls_that_look_at_answers_say_so(capsys, folder, plan, told):
    check = '  - {id: check, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1"}\npolicies:'
    text = CONFIG.replace("policies:", check).replace("auto: {weights: {quality: 1}}", f"auto: {{models: [own, big], plan: {plan}}}")
    (folder / "pointsman.yaml").write_text(f"{text}store: {{path: store.db}}\n")
    steps = (Weighed(1, "own", "escalated"), Weighed(3, "big", "accepted"))
    calls = (Outcome("dec_a1", 1, "own", "ok"), Outcome("dec_a1", 2, "check", "ok"), Outcome("dec_a1", 3, "big", "ok"))
    asyncio.run(recorded(folder / "pointsman.yaml", *calls, course=Course("dec_a1", 3, steps)))
    lines = run(capsys, "--decision", "dec_a1")[1].splitlines()
    assert [line.endswith(told) for line in lines[lines.index("calls") + 1 :][:3]] == [False, True, False]


def test_a_cap_on_premium_models_is_explained_as_it_stood(folder):
    world = offline_world(load_file(folder / "pointsman.yaml", {"SOME_KEY": "x"}))
    request, signals = understand(Inquiry(BODY, Caller(), {}), world)
    reached = PremiumShare("few", "key `k`", ("big",), 80, 80, 200)
    shown = describe(explanation(decide_understood(request, replace(signals, premium=(reached,)), world), world.snapshot))
    assert "\npremium   80 of 80 in 200 requests of key `k`, by cap `few`\n" in shown
    assert "\n  big: [premium_share] cap `few` lets 80 of 200 requests of key `k` go to premium models" in shown


@pytest.mark.parametrize(
    ("drawn", "line", "because"),
    [
        (
            0.15,
            "lot       propensity 0.1",
            "`newer` was drawn by lot (`learned.explore`: 20 %), since nothing was learned of it; otherwise `own`",
        ),
        (
            0.5,
            "lot       propensity 0.8",
            "`own` scores 0.900; `new` at 0.500 is asked last: nothing was learned of it",
        ),
    ],
)
def test_a_recorded_decision_tells_that_a_lot_was_drawn(drawn, line, because):
    route = Route("auto", ("own", "new", "newer"), weights=dial(1))
    world = snapshot((Model("own"), Model("new"), Model("newer")), route, explore=0.2)
    signals = Signals(predicted=(Prediction("own", 0.9, 0.8, 50),))
    seed = int(drawn * 2**53)
    kept = from_json(DecisionRecord, to_json(record(decide(Request("d", "auto"), signals, world, route, seed))).encode())
    lines = describe(explanation(remake(kept, world), world)).splitlines()
    assert line in lines
    assert lines[1].startswith(f"because   {because}")


def test_without_a_lot_nothing_is_said_of_one(capsys):
    assert "\nlot " not in run(capsys, "hello")[1]
