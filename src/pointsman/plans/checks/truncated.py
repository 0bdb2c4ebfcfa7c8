"""Whether an answer was cut off."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import TAIL, as_json, split

_LIMITS = ("length", "max_tokens", "max_output_tokens")
_ENDS_OPEN = re.compile(r"[,;(\[{=+\-–—/&]$|(?:^|\s)(?:and|or|the|a|an|of|to|with|und|oder|der|die|das|et|ou|le|la|y|el)$", re.IGNORECASE)


def truncated(answer: Answer, asked: Asked) -> Grade:
    """0: cut off at its limit, or an open fence or bracket (0.5 where the provider says that it is whole); 0.5: ends in mid-sentence.

    Abstains where nothing is said.

    >>> truncated(Answer("It is", finish_reason="length"), Asked()).value
    0.0
    """
    if answer.finish_reason in _LIMITS:
        return Grade("truncated", 0.0, "it was cut off at its limit")
    end = answer.text[-TAIL:].strip()
    if not end:
        return Grade("truncated", None) if not answer.tool_calls else Grade("truncated", 1.0)
    open_end = 0.5 if answer.finish_reason == "stop" else 0.0
    if (answer.text.count("\n```") + answer.text.startswith("```")) % 2:
        block = split(answer.text[-TAIL:])[1]
        if not block or block[-1].closed or as_json(block[-1].body) is None:  # of JSON, only the mark was forgotten
            return Grade("truncated", open_end, "a fenced block is not closed")
    if len(answer.text) <= TAIL and end[0] in "{[" and _open(end):
        return Grade("truncated", open_end, "a bracket is not closed")
    if _ENDS_OPEN.search(end[-40:]):
        return Grade("truncated", 0.5, "it ends in the middle of a sentence")
    return Grade("truncated", 1.0)


def _open(text: str) -> bool:
    """Whether what begins like JSON lacks its end."""
    return text[-1] not in "}]" and text.count("{") + text.count("[") > text.count("}") + text.count("]") and as_json(text) is None
