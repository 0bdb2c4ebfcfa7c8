"""Whether an answer keeps to the JSON schema that was asked for."""

from __future__ import annotations

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.judging import keeps
from pointsman.plans.checks.reading import MOST_JSON


def schema(answer: Answer, asked: Asked) -> Grade:
    """1: it keeps to the schema, 0: it does not, or is no JSON. Abstains without one, with tool calls, and where judging would cost much.

    >>> schema(Answer('{"id": "x"}'), Asked(schema={"properties": {"id": {"type": "integer"}}})).value
    0.0
    """
    if asked.schema is None or answer.tool_calls or answer.refusal:
        return Grade("schema", None)
    kept = keeps(asked.schema, answer.text) if len(answer.text) <= MOST_JSON else None
    if kept is None:
        return Grade("schema", None, "it cannot be judged at a small cost")
    return Grade("schema", 1.0) if kept else Grade("schema", 0.0, "it does not keep to the JSON schema that was asked for")
