"""Requests of a decision log that people saw because something had gone wrong are no sample of all, and whatever reads the log says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.core.answer import Answer
from pointsman.core.codec import to_json
from pointsman.core.outcome import Outcome
from pointsman.core.plan import Kind, Plan
from pointsman.core.prices import Usage
from pointsman.core.record import DecisionRecord
from pointsman.core.request import Caller, Request
from pointsman.core.review import Action, Contents, Offered, Proposal, Ticket, Why
from pointsman.core.signals import Signals
from pointsman.errors import Failure
from pointsman.evals.decision_log import read_log
from pointsman.evals.doubt import selected, warned
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews

RITA = Caller("rita", role="admin")
TIERS = ("small", "large")


@dataclass(frozen=True)
class Asked:
    """A request whose answers people may have judged."""

    name: str
    kind: Kind
    why: Why = "sample"
    answers: tuple[str, ...] = ("It is 1.",)
    right: int | None = 1  #: number of the call whose answer is approved; `None`: nobody decided
    failures: tuple[Failure, ...] = ()


BOTH = ("It is 1.", "It is 2.")
FAILED = (Failure("small", "timeout", 504, "too slow"),)


@pytest.mark.parametrize(
    ("one", "doubted", "failed"),
    [
        (Asked("d", "cascade", answers=BOTH), True, False),
        (Asked("d", "escalate", answers=BOTH), True, False),
        (Asked("d", "cascade", "approval", answers=BOTH), True, False),
        (Asked("d", "cascade"), False, False),  # the first answer was accepted
        (Asked("d", "ensemble", answers=BOTH), False, False),  # all are asked of every request
        (Asked("d", "ensemble", "low_confidence", answers=BOTH), True, False),
        (Asked("d", "single", "low_confidence"), True, False),
        (Asked("d", "single", "approval"), False, False),
        (Asked("d", "fallback", failures=FAILED), False, True),
        (Asked("d", "fallback", "approval", failures=FAILED), False, False),
    ],
)
def test_what_was_asked_or_shown_because_of_doubt_is_known(tmp_path: Path, one: Asked, doubted: bool, failed: bool) -> None:
    path = logged(tmp_path, [one, Asked("other", "single", right=None)])
    found = selected(path).among(read_log(path))
    assert (found.doubted, found.failed) == ({"d"} if doubted else set(), {"d"} if failed else set())


def test_where_all_that_was_drawn_is_judged_it_does_not_matter_what_was_shown_first(tmp_path: Path) -> None:
    path = logged(tmp_path, [Asked("d", "fallback", failures=FAILED), Asked("other", "single")])
    assert not selected(path).ids


def test_what_nobody_judged_is_not_counted(tmp_path: Path) -> None:
    path = logged(tmp_path, [Asked("d", "cascade", answers=BOTH, right=None), Asked("e", "single")])
    assert warned(selected(path), read_log(path)) == ""


def test_it_is_said_what_that_means_and_how_to_cure_it(tmp_path: Path) -> None:
    asked = [Asked("a", "cascade", answers=BOTH), Asked("b", "cascade"), Asked("c", "fallback", failures=FAILED), Asked("d", "single")]
    path = logged(tmp_path, [*asked, Asked("e", "single", right=None)])
    assert warned(selected(path), read_log(path)) == (
        "of 4 requests with judged answers people saw 1 because an earlier answer was doubted and 1 before others because a call had failed,"
        " so figures from them are biased: on requests with several answers the model asked first looks worse than it is, and those after it"
        " were asked the harder ones. The cure: ask all models of a random share of requests (`plan: ensemble`), or draw accepted answers too"
        " (`review.sample`), and judge all that is drawn"
    )


@pytest.fixture(scope="module")
def cascades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve requests of a cascade that went on, and forty-four of an ensemble."""
    climbed = [Asked(f"c{at}", "cascade", answers=(f"It is {at}.", "It is 1000."), right=2) for at in range(12)]
    voted = [Asked(f"e{at}", "ensemble", answers=(f"It is {at}.", f"It is {at + at % 2}."), right=1 + at % 2) for at in range(44)]
    return logged(tmp_path_factory.mktemp("cascades"), [*climbed, *voted])


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "{}", "--baselines", "none", "--learner", "learned-table", "--seeds", "1", "--draws", "20"),
        ("train", "quality", "{}", "-o", "{}.bundle"),
        ("train", "confidence", "{}", "-o", "{}.confidence"),
    ],
)
def test_whatever_reads_a_cascades_log_says_that_it_is_no_sample(cascades: Path, command: tuple[str, ...], capsys) -> None:
    assert main([one.format(cascades) for one in command]) == 0
    assert "of 56 requests with judged answers people saw 12 because an earlier answer was doubted, so" in capsys.readouterr().err


def test_no_dial_is_promised_from_requests_that_were_doubted(cascades: Path, tmp_path: Path, capsys) -> None:
    written = str(tmp_path / "quality.bundle")
    assert main(["train", "quality", str(cascades), "-o", written]) == 0
    for goal in (("--keep-quality", "0.5"), ("--lose-at-most", "0.9")):
        capsys.readouterr()
        assert main(["calibrate", str(cascades), "--bundle", written, *goal, "--json"]) == 1
        out, err = capsys.readouterr()
        said = json.loads(out)["said"]
        assert json.loads(out)["doubted"] == 12
        assert any(line.startswith("no promise: 12 of these 56 requests are judged because an earlier answer was doubted") for line in said)
        assert not any("with 95 % confidence" in line or "promised:" in line for line in said)
        assert "people saw 12 because an earlier answer was doubted" in err


def test_no_threshold_is_promised_from_requests_that_were_doubted(cascades: Path, capsys) -> None:
    asked = ["calibrate", "cascade", str(cascades), "--tiers", "small,large", "--save-cost", "0.01"]
    assert main(asked) == 1
    assert "no promise: 12 of these 56" in capsys.readouterr().out
    main([*asked, "--drop-doubted"])
    out, err = capsys.readouterr()
    assert out.startswith("44 queries")
    assert "no promise" not in out
    assert "left out: 12 requests that people saw because an answer was doubted or had failed" in err


def test_of_other_files_nothing_can_be_left_out_for_doubt(tmp_path: Path, capsys) -> None:
    assert main(["calibrate", "cascade", str(tmp_path / "outcomes.jsonl"), "--drop-doubted"]) == 2
    assert "is no decision log: leave it out" in capsys.readouterr().err


def logged(folder: Path, asked: Iterable[Asked]) -> Path:
    path = folder / "log.db"
    asyncio.run(_written(path, asked))
    return path


async def _written(path: Path, asked: Iterable[Asked]) -> None:
    keys = ContentKeys(path.with_name("log.db-content-keys"))
    async with SqliteLog(path) as log:
        reviews = SqliteReviews(log, keys)
        for one in asked:
            models = TIERS[: len(one.answers)]
            plan = Plan(one.kind, TIERS)
            decision = DecisionRecord(Request(one.name, "auto"), Signals(), "snap", "auto", 0, plan, 1.0)
            await log.append("decision", one.name, to_json(decision).encode())
            for at, model in enumerate(models, 1):
                outcome = Outcome(one.name, at, model, "ok", usage=Usage(7, 3), cost_picousd=at * 10**7, total_ms=900)
                await log.append("outcome", one.name, to_json(outcome).encode())
            offered = tuple(Offered(at, model) for at, model in enumerate(models, 1))
            ticket = Ticket(f"rev_{one.name}", one.name, "auto", one.why, "why", 0, 10, offered=offered, failures=one.failures)
            said = enumerate(zip(models, one.answers, strict=True), 1)
            proposals = tuple(Proposal(at, model, Answer(text)) for at, (model, text) in said)
            body = {"model": "auto", "messages": [{"role": "user", "content": f"What is {one.name}?"}]}
            await reviews.open(ticket, Contents(body, proposals=proposals))
            if one.right is not None:
                await reviews.act(ticket.id, Action("approve", call=one.right), RITA, 1)
    keys.close()
