"""What makes a whole answer unfit for delivery while another model is left to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.core.answer import Answer
from pointsman.core.plan import Check
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.judging import keeps
from pointsman.plans.checks.own import Check as Made
from pointsman.plans.checks.table import grades

QUICK = ("empty", "schema", "truncated")
"""Checks that `unfit` makes."""


def failing(checks: Iterable[str], answer: Answer, asked: Asked, own: Mapping[str, Made]) -> str | None:
    """The first of the other checks that is at 0, as a sentence; `None` where none is."""
    for grade in grades(checks, answer, asked, own):
        if grade.value == 0:
            return f"the answer fails the check `{grade.check}`: {grade.reason}"
    return None


def unfit(checks: Sequence[Check], content: str | None, *, empty: bool, truncated: bool, schema: Mapping[str, Any] | None) -> str | None:
    """The first check that an answer fails, as a sentence; `None` where it is fit. `schema`: the JSON schema that was asked for.

    What cannot be judged at a small cost refuses nothing.

    >>> unfit(("empty",), "", empty=True, truncated=False, schema=None)
    'the answer is empty'
    >>> unfit(("schema",), "{}", empty=False, truncated=False, schema={"required": ["id"]})
    'the answer does not keep to the JSON schema that was asked for'
    """
    if empty and "empty" in checks:
        return "the answer is empty"
    if truncated and "truncated" in checks:
        return "the answer was cut off at its limit"
    if schema is not None and content is not None and "schema" in checks and keeps(schema, content) is False:
        return "the answer does not keep to the JSON schema that was asked for"
    return None
