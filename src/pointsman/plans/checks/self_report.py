"""How sure an answer says that it is, where it was asked to say so."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import TAIL

_WISH = re.compile(
    r"\bconfiden(?:ce|t)\b"
    r"|\bhow (?:sure|certain) (?:are you|you are)\b|\bprobability that (?:you|the answer)|\bsicherheit\b|\bconfiance\b"
)
_SAID = re.compile(
    r"\b(?:confidence(?: level| score)?|certainty|probability|sicherheit|confiance)\b[\"'*_]{0,4}(?: is| of| at)?"
    r"[ \t]{0,3}[:=]?[\s*_\"'~]{0,5}"
    r"(\d{1,3}(?:[.,]\d{1,6})?)[ \t]{0,2}(%|percent|/ ?10(?!\d)0?|/ ?100?|out of 100?)?"
    r"|(\d{1,3}(?:\.\d{1,6})?)[ \t]{0,2}(%|percent) (?:sure|certain|confident|sicher)",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"\bconfidence(?: level)?\b[\"'*_]{0,4}(?: is)?[ \t]{0,3}[:=]?[\s*_\"']{0,5}(very low|very high|low|medium|moderate|high)\b",
    re.IGNORECASE,
)
_WORDS = {"very low": 0.1, "low": 0.25, "medium": 0.5, "moderate": 0.5, "high": 0.8, "very high": 0.95}


def self_report(answer: Answer, asked: Asked) -> Grade:
    """What the answer's last "Confidence: 85%" says, as a share. Abstains where the request did not ask for it, or nothing is said.

    >>> self_report(Answer("It is 7. Confidence: 85%"), Asked("Which? State your confidence in percent.")).value
    0.85
    """
    if not _WISH.search(asked.wishes):
        return Grade("self_report", None, "it was not asked for")
    end = answer.text[-TAIL:]
    if said := list(_SAID.finditer(end)):
        value = _share(said[-1])
        return Grade("self_report", value, "by its own word" if value is not None else "what it says is no share")
    if words := _WORD.findall(end):
        return Grade("self_report", _WORDS[words[-1].lower()], "by its own word")
    return Grade("self_report", None, "nothing is said")


def _share(found: re.Match[str]) -> float | None:
    value = float((found[1] or found[3]).replace(",", "."))
    unit = (found[2] or found[4] or "").replace(" ", "").lower()
    if unit in ("/10", "outof10"):
        value /= 10
    elif unit or value > 1:
        value /= 100
    return round(value, 4) if value <= 1 else None
