"""`pointsman eval` on every format that it reads: files of others as they are, and a decision log of our own."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import msgspec
import numpy as np
import pytest

from pointsman.cli import main
from pointsman.cli.progress import Progress
from pointsman.core.answer import Answer
from pointsman.core.codec import to_json
from pointsman.core.outcome import Outcome
from pointsman.core.prices import Usage
from pointsman.core.record import DecisionRecord
from pointsman.core.request import Caller, Request
from pointsman.core.review import Action, Contents, Offered, Proposal, Ticket
from pointsman.core.signals import Signals
from pointsman.estimators import bundle, confidence_file
from pointsman.evals.synthetic import World, generate
from pointsman.signals.embedding import shipped
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews

MADE = generate(World(queries=80, models=2, skill_spread=1.5), seed=2).outcomes
QUICK = ("--baselines", "means,task-table", "--seeds", "1", "--draws", "50")
RITA = Caller("rita", role="admin")
NAMES = ("small", "large")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The command's status, and what it printed."""
    status = main(list(words))
    return status, *capsys.readouterr()


def table_of(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def test_routerbench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"sample_id": query.id, "prompt": query.text, "eval_name": query.task}
        | {f"{model}|total_cost": MADE.cost_usd[i, m] for m, model in enumerate(MADE.models)}
        | {model: round(MADE.quality[i, m]) for m, model in enumerate(MADE.models)}
        for i, query in enumerate(MADE.queries)
    ]
    drawn = tmp_path / "plot.svg"
    path = str(table_of(tmp_path / "rb.csv", rows))
    status, out, error = run(
        capsys,
        "eval",
        path,
        *QUICK,
        "--all",
        "--svg",
        str(drawn),
        "--html",
        str(tmp_path / "page.html"),
        "--png",
        str(tmp_path / "plot.png"),
    )
    assert status == 0
    assert "80 queries judged, 2 models" in out
    assert all(head in out for head in ("AIQ", "CP(1)", "AIQ (RouterBench)", "OGR", "overspend", "mean Brier", "CPT50 (RouteLLM)"))
    assert "fitting task-table" in error
    assert parse(drawn).getroot().tag.endswith("svg")
    assert "CostSave" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    brief = run(capsys, "eval", path, *QUICK)[1]
    assert "OGR" not in brief
    assert "\nbest single (chosen in training)" in brief


def test_routellm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task in sorted({query.task for query in MADE.queries}):
        rows = [
            {"prompt": query.text} | {model: MADE.quality[i, m] > 0.5 for m, model in enumerate(MADE.models)}
            for i, query in enumerate(MADE.queries)
            if query.task == task
        ]
        table_of(tmp_path / f"mmlu_{task}.csv", rows)
    found = tmp_path / "found.json"
    status, out, _ = run(capsys, "eval", str(tmp_path), *QUICK, "--json", str(found))
    assert status == 0
    assert "no costs are recorded: `model-0`, the weaker, costs 0 and `model-1` 1: cost is the share of queries on the latter" in out
    assert "PGR(50 %)" in out
    assert "share on model-1" in out
    assert not any(word in out for word in ("AIQ", "CP(1)", "$"))
    assert set(json.loads(found.read_text())["results"]["task-table"]["figures"]) == {"apgr", "pgr50", "cpt50", "cpt80"}
    status, _, error = run(capsys, "eval", str(tmp_path / f"mmlu_{MADE.queries[0].task}.csv"), *QUICK, "--assume-output-tokens", "100")
    assert (status, "no index.json above it" in error) == (2, True)  # costs are wanted, and nobody says what tokens cost


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One answer a request: 100 of two models, of which a person judged each."""
    return logged(tmp_path_factory.mktemp("sparse") / "pointsman.db", 100, both=False)


def test_a_log_of_one_answer_a_request_is_told_what_it_can_support(sparse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, learned = str(sparse), str(sparse.with_name("quality.bundle"))
    status, _, error = run(capsys, "train", "quality", log, "-o", learned)
    assert status == 0
    assert "100 answers to 100 of 100 requests have a quality; the words of 100 requests and 100 answers are read" in error
    for command in (
        ("eval", log),
        ("eval", log, "--drop-incomplete"),
        ("calibrate", log, "--bundle", learned),
        ("calibrate", "cascade", log),
    ):
        status, out, error = run(capsys, *command)
        assert (status, out) == (2, "")
        assert "100 answers to 100 of 100 requests have a quality" in error
        assert "no query has an answer of each of the 2 models with its quality and cost: 100 answers to 100 of 100 queries" in error
        assert "nobody knows what another model would have answered; `pointsman train quality` learns from it" in error
        assert "a route's `review.sample`, `pointsman review`" in error


def test_words_and_embeddings_are_learned_from_a_log(sparse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned = sparse.with_name("words.bundle")
    assert run(capsys, "train", "quality", str(sparse), "-o", str(learned))[0] == 0
    with_words = bundle.load(learned.read_bytes(), shipped())
    sealed = sparse.with_name("pointsman.db-content-keys").rename(sparse.with_name("elsewhere"))
    try:
        assert run(capsys, "train", "quality", str(sparse), "-o", str(learned))[0] == 0
        without = bundle.load(learned.read_bytes(), shipped())
        status, _, error = run(capsys, "train", "quality", str(sparse), "-o", str(learned), "--content-keys", str(sealed))
        assert (status, "the words of 100 requests" in error) == (0, True)
    finally:
        sealed.rename(sparse.with_name("pointsman.db-content-keys"))
    again = bundle.load(learned.read_bytes(), shipped())
    words, none, same = (np.unique(one.mixture.scale.rarity).size for one in (with_words, without, again))
    assert words == same > none
    assert with_words.mixture.scale.embedding_centre.any()
    assert not without.mixture.scale.embedding_centre.any()


def test_confidence_is_learned_from_one_answer_a_request(sparse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = sparse.with_name("answers.confidence")
    status, out, error = run(capsys, "train", "confidence", str(sparse), "-o", str(written))
    assert status == 0
    assert "100 answers of large, small to 100 queries" in out
    assert "how answers speak for each other is not learned" in error
    learned = confidence_file.load(written.read_bytes())
    sure, unsure = (
        learned.predict("small", "", 0.5, (), said, "How much is 3 + 3?") for said in ("3 + 3 = 6", "Perhaps 3 + 3 = 7, I guess")
    )
    assert sure > unsure


def test_a_log_in_which_every_model_was_judged_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = str(logged(tmp_path / "pointsman.db", 30, both=True))
    status, out, _ = run(capsys, "eval", log, *QUICK)
    assert status == 0
    assert "30 queries judged, 2 models" in out


def test_a_log_without_reviews_names_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = str(logged(tmp_path / "pointsman.db", 3, both=True, judged=False))
    for command in (("eval", log), ("train", "quality", log, "-o", "x"), ("train", "confidence", log, "-o", "x")):
        status, _, error = run(capsys, *command)
        assert status == 2
        assert (
            "no quality is recorded: have people judge answers (a route's `review.sample` draws some, `pointsman review` decides them)"
            in error
        )


def test_a_step_that_takes_long_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Progress()
    tell("fitting blend")
    tell.again()
    assert [line.split("s  ")[1] for line in capsys.readouterr().err.splitlines()] == ["fitting blend", "still fitting blend"]


def logged(path: Path, requests: int, *, both: bool, judged: bool = True) -> Path:
    """A log as the gateway writes it, with contents kept: sums, of which the small model gets every second wrong, the large one the fourth."""
    asyncio.run(_logged(path, requests, both=both, judged=judged))
    return path


async def _logged(path: Path, requests: int, *, both: bool, judged: bool) -> None:
    keys = ContentKeys(path.with_name(f"{path.name}-content-keys"))
    async with SqliteLog(path) as log:
        reviews = SqliteReviews(log, keys)
        for i in range(requests):
            name, truth = f"dec_{i:03}", f"{i} + {i} = {2 * i}"
            body = {"model": "auto", "messages": [{"role": "user", "content": f"How much is {i} + {i}, in case {'abcd'[i % 4]}?"}]}
            said = [truth if i % wrong else f"Perhaps {i} + {i} = {2 * i + 1}, I guess" for wrong in (2, 4)]
            asked = [(model, text) for at, (model, text) in enumerate(zip(NAMES, said, strict=True)) if both or at == i // 2 % 2]
            await log.append("content", name, await keys.seal("k_1/ada", name, msgspec.json.encode(body), 0))
            kept = DecisionRecord(Request(name, "auto"), Signals(), "snap", "auto", 0, None, 1.0)
            await log.append("decision", name, to_json(kept).encode())
            proposals = tuple(Proposal(call, model, Answer(text)) for call, (model, text) in enumerate(asked, 1))
            for one in proposals:
                cost = 1_000_000 if one.model == "small" else 20_000_000
                call = Outcome(name, one.call, one.model, "ok", usage=Usage(9, 5), cost_picousd=cost, total_ms=100)
                await log.append("outcome", name, to_json(call).encode())
            if not judged:
                continue
            offered = tuple(Offered(one.call, one.model) for one in proposals)
            ticket = Ticket(f"rev_{i}", name, "auto", "sample", "drawn", 0, 10, subject="k_1/ada", offered=offered)
            await reviews.open(ticket, Contents(body, proposals=proposals))
            right = next((one.call for one in proposals if one.answer.text == truth), 0)
            await reviews.act(ticket.id, Action("approve", call=right) if right else Action("reject"), RITA, 1)
    keys.close()
