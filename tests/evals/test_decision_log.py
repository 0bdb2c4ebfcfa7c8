"""Our own decision log as outcomes: what was asked as the gateway reads it, what was answered, and what people made of it."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pointsman.core.answer import Answer
from pointsman.core.codec import to_json
from pointsman.core.outcome import Outcome
from pointsman.core.prices import Usage
from pointsman.core.record import DecisionRecord
from pointsman.core.request import Caller, Request
from pointsman.core.review import Action, Contents, Offered, Proposal, Ticket
from pointsman.core.signals import Signals
from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.decision_log import read_log, told
from pointsman.signals.extract import SignalSettings, extract
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from pointsman.wire.request import read_request

RITA = Caller("rita", role="admin")
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
BODY: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is my parcel?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": f"<system-reminder>Use tools.</system-reminder>The red one, key {'a1' * 90}."},
    ],
    "tools": [TOOL],
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four decisions: the first two with what was asked, the third in its ticket only; the first three judged."""
    path = tmp_path / "log.db"
    asyncio.run(_logged(path))
    return path


def by_name(table: Outcomes) -> dict[str, Any]:
    return {query.id: query for query in table.queries}


def test_what_was_asked_is_what_live_requests_give_to_what_predicts(log: Path) -> None:
    seen: list[tuple[str, str, str]] = []

    def predictor(*said: str) -> Any:
        seen.append(said)
        return (), ()

    for task in ("parcels", None):
        request = read_request({**BODY, **({"metadata": {"pointsman_task": task}} if task else {})}, "", "d", Caller(), {}, "chat")
        extract(request, SignalSettings(predictor=predictor))
    queries = by_name(read_log(log))
    assert [(queries[name].text, queries[name].task, queries[name].tools) for name in ("d1", "d3")] == seen
    assert "Use tools" not in seen[0][0]


def test_what_was_asked_twice_is_one_group(log: Path) -> None:
    groups = {name: query.group for name, query in by_name(read_log(log)).items()}
    assert groups["d1"] == groups["d2"] == groups["d3"] != groups["d4"]


def test_every_answer_that_was_offered_has_its_quality_and_its_words(log: Path) -> None:
    table = read_log(log)
    assert table.models == ("large", "middle", "small")
    assert np.nan_to_num(table.quality, nan=-1).tolist() == [[0, 1, 1], [-1, -1, 0], [-1, -1, 1], [-1, -1, -1]]
    assert table.answers == (("It is 5.", "2 + 2 = 4", "The answer is 4."), (None, None, "No idea"), (None, None, "Tomorrow."), (None,) * 3)
    assert told(table) == "5 answers to 3 of 4 requests have a quality; the words of 3 requests and 5 answers are read"
    small = table.models.index("small")
    assert table.cost_usd[0, small] == pytest.approx(2e-6)
    assert (table.input_tokens[0, small], table.latency_s[0, small]) == (7, 0.9)
    assert math.isnan(table.cost_usd[0, table.models.index("large")])


def test_requests_that_nobody_judged_are_not_opened(log: Path) -> None:
    query = by_name(read_log(log))["d4"]
    assert (query.text, query.group) == ("", "d4")


def test_a_quality_that_is_given_goes_before_what_people_said(log: Path) -> None:
    assert read_log(log, {("d1", "small"): 0.25, ("d4", "small"): 0.75}).quality[[0, 3], 2].tolist() == [0.25, 0.75]


def test_what_was_erased_is_learned_from_without_its_words(log: Path) -> None:
    keys = ContentKeys(log.with_name("log.db-content-keys"))
    keys.destroy([key.id for key in keys.find("k_1/ada")])
    keys.close()
    table = read_log(log)
    assert (by_name(table)["d1"].text, by_name(table)["d2"].text != "") == ("", True)
    assert table.models == ("middle", "small")
    assert np.nan_to_num(table.quality[0], nan=-1).tolist() == [-1, 1]  # of the other nobody knows whether it said the same
    assert table.answers[0] == (None, None)


def test_content_keys_may_lie_elsewhere(log: Path) -> None:
    kept = log.with_name("log.db-content-keys").rename(log.with_name("keys"))
    whole = read_log(log, keys=kept)
    assert all(query.text for query in whole.queries[:3])
    bare = read_log(log)
    assert [query.text for query in bare.queries] == [""] * 4
    assert len({query.group for query in bare.queries}) == 4  # none is a duplicate of another
    with pytest.raises(ConfigError, match="no content keys: name their file with --content-keys"):
        read_log(log, keys=log.with_name("none"))


def test_a_log_without_reviews_is_a_log_without_qualities(tmp_path: Path) -> None:
    async def write() -> None:
        async with SqliteLog(tmp_path / "log.db") as log:
            await _called(log, "d1", Signals(), Outcome("d1", 1, "a", "error"), Outcome("d1", 2, "a", "ok", task="sums"))

    asyncio.run(write())
    table = read_log(tmp_path / "log.db")
    assert ([query.task for query in table.queries], np.isnan(table.quality).all()) == (["sums"], True)


async def _called(log: SqliteLog, name: str, signals: Signals, *calls: Outcome) -> None:
    await log.append("decision", name, to_json(DecisionRecord(Request(name, "auto"), signals, "snap", "auto", 0, None, 1.0)).encode())
    for call in calls:
        await log.append("outcome", name, to_json(call).encode())


async def _logged(path: Path) -> None:
    keys = ContentKeys(path.with_name("log.db-content-keys"))
    async with SqliteLog(path) as log:
        reviews = SqliteReviews(log, keys)

        async def judged(decision: str, subject: str, action: Action, *texts: str) -> None:
            names = ("small", "middle", "large")[: len(texts)]
            offered = tuple(Offered(at, name) for at, name in enumerate(names, 1))
            ticket = Ticket(f"rev_{decision}", decision, "auto", "sample", "why", 0, 10, subject=subject, offered=offered)
            proposals = tuple(Proposal(at, name, Answer(text)) for at, (name, text) in enumerate(zip(names, texts, strict=True), 1))
            await reviews.open(ticket, Contents(BODY, proposals=proposals))
            await reviews.act(ticket.id, action, RITA, 1)

        async def kept(decision: str, subject: str) -> None:
            await log.append("content", decision, await keys.seal(subject, decision, msgspec.json.encode(BODY), 0))

        declared = Signals(task="parcels", task_source="declared")
        first = Outcome("d1", 1, "small", "ok", task="parcels", usage=Usage(7, 3), cost_picousd=2_000_000, total_ms=900)
        await kept("d1", "k_1/ada")
        await _called(log, "d1", declared, first, Outcome("d1", 2, "middle", "ok", task="parcels"))
        await judged("d1", "k_1/ada", Action("approve", call=1), "The answer is 4.", "2 + 2 = 4", "It is 5.")
        await kept("d2", "k_1/bea")
        await _called(log, "d2", Signals(), Outcome("d2", 1, "small", "ok"))
        await judged("d2", "k_1/bea", Action("reject"), "No idea")
        await _called(log, "d3", Signals(), Outcome("d3", 1, "small", "ok"))
        await judged("d3", "k_1/bea", Action("approve"), "Tomorrow.")
        await kept("d4", "k_1/bea")
        await _called(log, "d4", Signals(), Outcome("d4", 1, "small", "ok"))
    keys.close()
