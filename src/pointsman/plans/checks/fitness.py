"""What makes a whole answer unfit for delivery while another model is left to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pointsman.core.answer import Answer
from pointsman.core.plan import Check
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.judging import keeps
from pointsman.plans.checks.own import Check as Made
from pointsman.plans.checks.table import grades

QUICK = ("empty", "schema", "truncated")
"""Checks that `unfit` makes."""


class Unfit(NamedTuple):
    """Why an answer is not delivered."""

    check: str  #: name of the check that it fails
    why: str  #: a sentence


def failing(checks: Iterable[str], answer: Answer, asked: Asked, own: Mapping[str, Made]) -> Unfit | None:
    """The first of the other checks that is at 0; `None` where none is."""
    for grade in grades(checks, answer, asked, own):
        if grade.value == 0:
            return Unfit(grade.check, f"the answer fails the check `{grade.check}`: {grade.reason}")
    return None


def unfit(checks: Sequence[Check], content: str | None, *, empty: bool, truncated: bool, schema: Mapping[str, Any] | None) -> Unfit | None:
    """The first check that an answer fails; `None` where it is fit. `schema`: the JSON schema that was asked for.

    What cannot be judged at a small cost refuses nothing.

    >>> unfit(("empty",), "", empty=True, truncated=False, schema=None)
    Unfit(check='empty', why='the answer is empty')
    >>> unfit(("schema",), "{}", empty=False, truncated=False, schema={"required": ["id"]}).check
    'schema'
    """
    if empty and "empty" in checks:
        return Unfit("empty", "the answer is empty")
    if truncated and "truncated" in checks:
        return Unfit("truncated", "the answer was cut off at its limit")
    if schema is not None and content is not None and "schema" in checks and keeps(schema, content) is False:
        return Unfit("schema", "the answer does not keep to the JSON schema that was asked for")
    return None
