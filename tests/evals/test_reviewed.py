"""What people decide in reviews is what estimators learn from: of every answer that they were offered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from pointsman.core.answer import Answer
from pointsman.core.request import Caller, ToolCall
from pointsman.core.review import Action, Contents, Offered, Proposal, Ticket
from pointsman.evals.decision_log import _records
from pointsman.evals.reviewed import EDITED, Label, alike, labels
from pointsman.evals.sealed import sealed
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews

RITA = Caller("rita", role="admin")
ANSWERS = ("The answer is 4.", "2 + 2 = 4", "So it is 5.")
CODE = Answer("```python\ndef f(): return 1\n```")


@pytest.mark.parametrize(
    ("action", "worth"),
    [
        (Action("approve", call=1), [1, 1, 0]),  # the second says the same, the third does not
        (Action("approve", call=3), [0, 0, 1]),
        (Action("approve"), [0, 0, 1]),  # the best
        (Action("edit", call=2, text="The answer is 5."), [0, EDITED, 1]),  # now it says what the third said
        (Action("edit", call=3, text="So it is 6."), [0, 0, EDITED]),
        (Action("edit", call=3, text="The answer is 5!"), [0, 0, 1]),  # other words, the same answer
        (Action("reject"), [0, 0, 0]),
        (Action("answer", text="It is 4."), [1, 1, 0]),
        (Action("answer", text="It is 9."), [0, 0, 0]),
        (Action("claim"), []),
    ],
)
def test_a_decision_of_a_person_is_a_quality_of_every_answer_offered(tmp_path: Path, action: Action, worth: list[float]) -> None:
    asyncio.run(decided(tmp_path, [Answer(text) for text in ANSWERS], action))
    expected = {("dec_1", at): Label(f"m{at}", right, ANSWERS[at - 1]) for at, right in enumerate(worth, 1)}
    assert learned(tmp_path) == expected


@pytest.mark.parametrize(
    ("action", "worth"),
    [
        (Action("approve", call=1), {1: 1}),
        (Action("edit", call=1, text="4"), {1: EDITED}),
        (Action("reject"), {1: 0, 2: 0, 3: 0}),
        (Action("answer", text="4"), {1: 0, 2: 0, 3: 0}),
    ],
)
def test_where_words_are_gone_nothing_is_said_of_answers_that_may_be_the_same(tmp_path: Path, action: Action, worth: dict) -> None:
    asyncio.run(decided(tmp_path, [Answer(text) for text in ANSWERS], action))
    (tmp_path / "log.db-content-keys").unlink()
    assert learned(tmp_path) == {("dec_1", at): Label(f"m{at}", right) for at, right in worth.items()}


def test_of_programs_it_is_not_said_that_they_differ(tmp_path: Path) -> None:
    other = Answer("```python\ndef f(): return 2 - 1\n```")
    asyncio.run(decided(tmp_path, [CODE, other, CODE, Answer(refusal="I must not.")], Action("approve", call=1)))
    assert {at: label.right for (_, at), label in learned(tmp_path).items()} == {1: 1, 3: 1, 4: 0}


def test_of_several_tickets_the_last_word_counts(tmp_path: Path) -> None:
    answers = [Answer("4"), Answer("5")]
    asyncio.run(decided(tmp_path, answers, Action("approve", call=2), Action("approve", call=1)))
    assert {at: label.right for (_, at), label in learned(tmp_path).items()} == {1: 1, 2: 0}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Answer(tool_calls=(ToolCall("a", "f", '{"x": 1}'),)), Answer(tool_calls=(ToolCall("b", "f", '{"x":1.0}'),)), True),
        (Answer(tool_calls=(ToolCall("a", "f", "{}"),)), Answer("4"), False),
        (CODE, CODE, True),
        (CODE, Answer("4"), None),
    ],
)
def test_answers_are_compared_by_what_they_come_to(one: Answer, other: Answer, same: bool | None) -> None:
    assert alike(one, other) is alike(other, one) is same


def learned(folder: Path) -> dict[tuple[str, int], Label]:
    log = LogFile(folder / "log.db")
    with sealed(log, folder / "log.db", None) as words:
        return labels(_records(log, "review"), words.ticket)


async def decided(folder: Path, answers: Sequence[Answer], *actions: Action) -> None:
    """A ticket for each action, all with these answers of `m1`, `m2`, ... The last is thought the best."""
    log, keys = SqliteLog(folder / "log.db"), ContentKeys(folder / "log.db-content-keys")
    reviews = SqliteReviews(log, keys)
    offered = tuple(Offered(at, f"m{at}", at / 10) for at in range(1, len(answers) + 1))
    for number, action in enumerate(actions):
        name = f"rev_{number}"
        ticket = Ticket(name, "dec_1", "auto", "low_confidence", "why", created_at_ns=0, deadline_at_ns=10, offered=offered)
        proposals = tuple(Proposal(at, f"m{at}", answer) for at, answer in enumerate(answers, 1))
        await reviews.open(ticket, Contents({}, proposals=proposals))
        await reviews.act(name, action, RITA, 1)
    await log.close()
    keys.close()
