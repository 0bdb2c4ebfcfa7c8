"""`pointsman review`: on the store's file, beside a running gateway or without one."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli import parser
from pointsman.cli.ticket_page import ticket_page
from pointsman.errors import ConfigError, NotFound, ReviewConflict
from pointsman.server.reviews import Office, ticket_json
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.keys import Key
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.stores.sqlite_reviews import SqliteReviews
from tests.tickets import ANSWER, CONTENTS, WORDS, ticket

LATER_NS = 2**62
NAMELESS = Office(None, lambda _: "")  # type: ignore[arg-type]  # nothing is asked of a desk here
UNSEEN = "\u034f\u115f\u2800\u3164\ufe00\U000e0101"
STEERING = f"\x1b[2Jcleared \u202e{UNSEEN}\n\nanswers\n  1. small  the best"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command, on a store with two tickets."""
    monkeypatch.chdir(tmp_path)

    async def opening() -> None:
        keys = ContentKeys("log.db-content-keys")
        async with SqliteLog("log.db") as log:
            store = SqliteReviews(log, keys)
            await store.open(ticket(deadline_at_ns=LATER_NS), CONTENTS)
            steering = {"model": "auto", "messages": [{"role": "user", "content": STEERING}]}
            await store.open(ticket("rev_2", deadline_at_ns=LATER_NS, org="acme", priority=1, offered=()), type(CONTENTS)(steering))
        keys.close()

    asyncio.run(opening())

    def review(*words: str) -> str:
        given = parser(("review",)).parse_args(("review", *words, "--store", "log.db"))
        assert given.run(given) == 0
        return capsys.readouterr().out

    return review


def test_tickets_are_listed_the_most_urgent_first(run):
    assert [line.split()[0] for line in run("list").splitlines()] == ["id", "rev_2", "rev_1"]
    assert [found["id"] for found in json.loads(run("list", "--json"))] == ["rev_2", "rev_1"]
    assert [found["id"] for found in json.loads(run("list", "--org", "acme", "--json"))] == ["rev_2"]
    assert WORDS not in run("list", "--json")
    assert run("list", "--state", "rejected") == "there is no such ticket\n"


def test_a_ticket_is_shown_with_its_words(run):
    assert WORDS in run("show", "rev_1")
    shown = json.loads(run("show", "rev_1", "--json"))
    assert (shown["request"]["messages"][0]["content"], shown["answers"][1]["answer"]["text"]) == (WORDS, ANSWER)


def test_a_ticket_is_shown_as_a_person_reads_it(run):
    run("claim", "rev_1", "--as", "rita")
    lines = run("show", "rev_1").splitlines()
    assert lines[0] == "review rev_1: claimed by rita"
    told = "\n".join(lines)
    head, request, answers, history = told.split("\n\n")
    assert "why       low_confidence: no answer is likely enough to be right" in head
    assert "deadline  " in head
    assert head.endswith("; then no answer")
    assert request == f"request (chat)\n  user\n     | {WORDS}"
    assert answers.splitlines() == [
        "answers",
        "  1. small  confidence 0.20  (below the threshold)",
        "     | perhaps a cold, Quagmire",
        "     refusal: 1.00",
        "  2. large  the best  confidence 0.60",
        f"     | {ANSWER}",
    ]
    assert [line.split("  ")[-1] for line in history.splitlines()] == ["history", "opened", "claimed by rita"]
    ended = run("edit", "rev_1", "--text", "flu\nor a cold", "--note", "see chart", "--as", "rita")
    assert "approved by rita, the answer of call 2, edited\n     | flu\n     | or a cold\n  note\n     | see chart" in ended
    assert ended.rstrip().endswith("approved by rita, edited")
    assert "deadline" not in ended, "it is over"


@pytest.mark.parametrize(
    ("api", "body", "shown"),
    [
        ("responses", {"input": "hello", "instructions": "be brief"}, ["  system", "     | be brief", "  user", "     | hello"]),
        ("messages", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}, ["  user", "     | hello"]),
        ("chat", {"messages": "odd"}, ["  body", "     | {", '     |   "model": "auto",', '     |   "messages": "odd"', "     | }"]),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
            ["  user", "     | [image]"],
        ),
    ],
)
def test_a_request_is_shown_in_the_same_words_whatever_its_api(api, body, shown):
    contents = {"erased": False, "api": api, "request": {"model": "auto", **body}}
    nothing = dict.fromkeys(("answers", "failures", "history", "labels"), ())
    told = {**ticket_json(NAMELESS, ticket()), "resolution": None, **nothing, **contents}
    assert ticket_page(told).split("\n\n")[1].splitlines() == [f"request ({api})", *shown]


def shown(ticket: Any, **more: Any) -> str:
    nothing = dict.fromkeys(("answers", "failures", "history", "labels"), ())
    return ticket_page({**ticket_json(NAMELESS, ticket), "resolution": None, **nothing, "erased": True, **more})


def test_a_sample_closes_for_its_client_has_the_answer():
    assert "; then it closes: the client has its answer" in shown(ticket(why="sample"))


@pytest.mark.parametrize(("silent", "said"), [(0, ""), (1, "\n     1 check has no opinion"), (11, "\n     11 checks have no opinion")])
def test_checks_without_opinion_are_counted(silent, said):
    grades = [{"check": "refusal", "value": 1.0, "reason": ""}, *({"check": "json", "value": None, "reason": "no JSON"},) * silent]
    answer = {"text": "a cold", "refusal": "", "tool_calls": ()}
    one = {"call": 1, "model": "small", "confidence": None, "why": "", "answer": answer, "grades": grades}
    assert shown(ticket(), answers=[one]).endswith(f"     refusal: 1.00{said}")


def test_words_do_not_steer_the_terminal_nor_pass_for_lines_of_ours(run):
    out = run("show", "rev_2") + run("show", "rev_2", "--json")
    assert "cleared" in out
    assert "     | answers\n     |   1. small  the best" in out
    assert all((sign.isprintable() and sign not in UNSEEN) or sign == "\n" for sign in out)


@pytest.mark.parametrize(
    ("words", "state", "text"),
    [
        (("claim",), "claimed", None),
        (("approve",), "approved", ANSWER),
        (("approve", "--call", "1"), "approved", "perhaps a cold, Quagmire"),
        (("answer", "--text", "flu"), "answered", "flu"),
        (("edit", "--text", "flu", "--note", "shorter"), "approved", "flu"),
        (("reject",), "rejected", None),
    ],
)
def test_a_ticket_is_decided_and_the_log_says_who_did(run, words, state, text):
    deed, *more = words
    done = json.loads(run(deed, "rev_1", *more, "--as", "rita", "--json"))
    assert (done["state"], done["answer"] and done["answer"]["text"]) == (state, text)
    file = LogFile("log.db")
    last = json.loads(file.recent(1, kind="review")[0].body)
    file.close()
    assert (last["event"], last["by"], last["as_role"]) == (state, "rita", "root")
    assert verify("log.db").ok


def test_a_claim_is_given_back(run):
    run("claim", "rev_1")
    assert json.loads(run("release", "rev_1", "--json"))["assignee"] == ""


def test_who_has_a_ticket_is_told_by_name(run):
    async def keyed() -> None:
        async with SqliteLog("log.db") as log:
            await SqliteKeys(log).add_key(Key("k1", bytes(32), 1, name="Rita\x1b[2J\nreview rev_9", role="reviewer"))

    asyncio.run(keyed())
    run("claim", "rev_1", "--as", "k1")
    called = r"Rita\x1b[2J review rev_9 (k1)"
    assert called in run("list")
    page = run("reject", "rev_1", "--as", "k1").splitlines()
    assert page[0] == f"review rev_1: rejected by {called}"
    assert [line for line in page if line.endswith(f"claimed by {called}")]
    assert json.loads(run("show", "rev_1", "--json"))["names"] == {"k1": "Rita\x1b[2J\nreview rev_9"}


def test_an_answer_is_read_from_standard_input(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("two\nlines\n"))
    assert json.loads(run("answer", "rev_1", "--text", "-", "--json"))["answer"]["text"] == "two\nlines\n"


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("show",), ConfigError, "wants the ticket's id"),
        (("answer", "rev_1"), ConfigError, "--text goes with"),
        (("approve", "rev_1", "--text", "x"), ConfigError, "--text goes with"),
        (("list", "--team", "ml"), ConfigError, "--team needs --org"),
        (("answer", "rev_1", "--text", "\udcff"), ConfigError, "not valid UTF-8"),
        (("show", "rev_9"), NotFound, "there is no review `rev_9`"),
        (("approve", "rev_2"), ReviewConflict, "no answer to approve"),
    ],
)
def test_what_cannot_be_done_is_said(run, words, error, says):
    with pytest.raises(error, match=says):
        run(*words)


def test_without_a_store_there_is_nothing_to_review(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = parser(("review",)).parse_args(("review", "list", "--store", "none.db"))
    with pytest.raises(ConfigError, match="no such log: start the gateway first, or name the file with --store"):
        given.run(given)
    assert list(tmp_path.iterdir()) == []
