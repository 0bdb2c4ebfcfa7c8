"""What people made of answers, as qualities to learn from: of every answer that they were offered, not only of the one delivered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pointsman.core.answer import Answer
from pointsman.core.review import Contents, Resolution
from pointsman.plans.checks.normal import comes_to
from pointsman.stores.log import LogRecord

EDITED: Final = 0.5
"""What an answer is worth that a person released, but changed so that it comes to something else."""

ENDS: Final = ("approved", "rejected", "answered")
"""States of a ticket that say something of its answers. What expired says nothing."""

Words = Callable[[str], tuple[Contents | None, Resolution | None]]
"""From a ticket's id to what its answers said and what was released; `None` where that is not kept, was erased, or cannot be opened."""


class Label(NamedTuple):
    """What a person made of one answer."""

    model: str
    right: float  #: 0 to 1
    text: str = ""  #: of the answer; empty: not known


Labels = Mapping[tuple[str, int], Label]
"""Decision and number of the call -> what a person made of its answer."""


def labels(records: Iterable[LogRecord], words: Words) -> dict[tuple[str, int], Label]:
    """From records of kind `review`, oldest first: of several tickets on one decision the last word counts.

    Rejected: every answer that was offered counts 0. Approved, edited or answered: what comes to the same as the released text counts 1,
    the others 0; an edited answer that comes to something else `EDITED`. Where it cannot be said whether two come to the same (programs,
    long prose, words that are not kept) nothing is said of the others, but where a person wrote words of their own, which all count 0.
    """
    offered: dict[str, dict[int, str]] = {}
    found: dict[tuple[str, int], Label] = {}
    for record in records:
        told = json.loads(record.body)
        if told.get("event") == "opened":
            offered[told["id"]] = {one["call"]: one["model"] for one in told["offered"]}
        elif told.get("state") in ENDS:
            for call, label in _said(told, offered.get(told["id"], {}), *words(told["id"])):
                found[record.decision, call] = label
    return found


def _said(
    told: Mapping[str, Any], offered: Mapping[int, str], contents: Contents | None, end: Resolution | None
) -> Iterator[tuple[int, Label]]:
    released = None if end is None or not end.released else Answer(end.text, end.refusal, end.tool_calls)
    for call, model in {**offered, **({told["call"]: told["model"]} if told["model"] else {})}.items():
        proposal = None if contents is None else contents.proposal(call)
        answer = None if proposal is None else proposal.answer
        right = _right(told, call, None if answer is None or released is None else alike(answer, released))
        if right is not None:
            yield call, Label(model, right, "" if answer is None else answer.text)


def _right(told: Mapping[str, Any], call: int, same: bool | None) -> float | None:
    """What an answer is worth; `same`: whether it comes to what was released."""
    if told["state"] == "rejected":
        return 0.0
    if same or (call == told["call"] and not told["edited"]):
        return 1.0
    if call == told["call"]:
        return EDITED
    return 0.0 if same is False or told["state"] == "answered" else None


def alike(one: Answer, other: Answer) -> bool | None:
    """Whether two answers come to the same; `None`: that cannot be said.

    >>> alike(Answer("The answer is 4."), Answer("2 + 2 = 4")), alike(Answer("4"), Answer("5")), alike(Answer("4"), Answer(refusal="No."))
    (True, False, False)
    """
    if (one.text, one.refusal, one.tool_calls) == (other.text, other.refusal, other.tool_calls):
        return True
    if _speaks(one) != _speaks(other):
        return False
    ends = comes_to(one), comes_to(other)
    return ends[0] == ends[1] if all(ends) else None


def _speaks(answer: Answer) -> bool:
    return bool(answer.text.strip() or answer.tool_calls)
