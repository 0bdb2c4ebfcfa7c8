"""What people decide in reviews is what estimators learn from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pointsman.core.answer import Answer
from pointsman.core.request import Caller
from pointsman.core.review import Action, Contents, Offered, Proposal, Ticket
from pointsman.evals.decision_log import _pages
from pointsman.evals.reviewed import EDITED, qualities
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews

RITA = Caller("rita", role="admin")


@pytest.mark.parametrize(
    ("action", "learned"),
    [
        (Action("approve", call=1), {("dec_1", "small"): 1.0}),
        (Action("approve"), {("dec_1", "large"): 1.0}),
        (Action("edit", call=2, text="changed"), {("dec_1", "large"): EDITED}),
        (Action("edit", call=2, text="b"), {("dec_1", "large"): 1.0}),  # nothing was changed
        (Action("reject"), {("dec_1", "large"): 0.0}),
        (Action("answer", text="mine"), {("dec_1", "small"): 0.0, ("dec_1", "large"): 0.0}),
        (Action("claim"), {}),
    ],
)
def test_a_decision_of_a_person_is_a_quality(tmp_path: Path, action: Action, learned: dict[tuple[str, str], float]):
    asyncio.run(decided(tmp_path, action))
    assert qualities(_pages(LogFile(tmp_path / "log.db"), "review")) == learned


async def decided(tmp_path: Path, action: Action) -> None:
    log, keys = SqliteLog(tmp_path / "log.db"), ContentKeys(tmp_path / "keys")
    reviews = SqliteReviews(log, keys)
    offered = (Offered(1, "small", 0.2), Offered(2, "large", 0.4))
    ticket = Ticket("rev_1", "dec_1", "auto", "low_confidence", "why", created_at_ns=0, deadline_at_ns=10, offered=offered)
    proposals = (Proposal(1, "small", Answer("a")), Proposal(2, "large", Answer("b")))
    await reviews.open(ticket, Contents({}, proposals=proposals))
    await reviews.act("rev_1", action, RITA, 1)
    await log.close()
    keys.close()
