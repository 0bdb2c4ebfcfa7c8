"""Whether an answer has the form that was asked for: JSON, a fenced block, a list, a table, one letter, one number, yes or no."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import MOST_JSON, json_in, read

_ONLY = r"(?:only|just|simply|nothing but|exactly)(?: with)?"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.MULTILINE | re.IGNORECASE)


_JSON = _any(
    rf"\b{_ONLY} (?:(?:return|output|an?|the) ){{0,3}}(?:valid |single )?json\b",
    r"\b(?:valid|raw|pure|strict) json\b",
    r"\bjson only\b",
    r"\bas (?:a )?json\b",
    r"\b(?:in|using|following) (?:the |this )?(?:following )?json\b",
    r"\b(?:return|output|(?:respond|reply|answer) with) (?:a |an |the )?json\b",
)
_WISHES = (
    (
        "a fenced block",
        _any(r"\b(?:in|as|inside|within|using) (?:a |one |single )?(?:markdown )?(?:fenced )?code ?(?:block|fence)"),
        _any(r"^[ \t]{0,8}```"),
    ),
    (
        "one letter",
        _any(
            rf"\b{_ONLY} (?:a |one |the )?(?:single )?(?:letter|choice\s{{1,3}}from)",
            r"\bsingle letter\b",
            r"\bletter (?:of the (?:correct )?(?:option|answer|choice) )?only\b",
        ),
        _any(r"\A[\s*_`\"'(\[]{0,5}(?:answer: ?)?[(\[]?[A-Z][)\].]?[\s*_`\"')\].]{0,5}\Z"),
    ),
    (
        "one number",
        _any(rf"\b{_ONLY} (?:a|one|the) (?:single |final )?(?:number|integer|numeric)", r"\bnumber only\b"),
        _any(r"\A[\s*_`$€£]{0,5}[-+−]?\d[\d,. ]{0,40}(?:/\d{1,20})?[\s*_`%.]{0,5}\Z"),
    ),
    (
        "yes or no",
        _any(rf"\b{_ONLY} ['\"]?yes['\"]? or ['\"]?no\b", r"\bwith (?:either )?['\"]?yes['\"]? or ['\"]?no['\"]?\s{0,2}(?:only|\.|$)"),
        _any(r"\A\W{0,5}(?:yes|no)\W{0,5}\Z"),
    ),
    (
        "a table",
        _any(r"\b(?:in|as) (?:a |an )?(?:markdown )?table\b"),
        _any(r"^[ \t]{0,8}\|.{1,2000}\|[ \t]{0,8}$", "<table", r"\t.{1,200}\t"),
    ),
    ("a numbered list", _any(r"\b(?:in|as|with) (?:a )?numbered list\b"), _any(r"^[ \t*]{0,8}1[.)]")),
    ("bullet points", _any(r"\b(?:in|as|with|using) (?:a )?(?:bullet(?:ed)? (?:points|list)|bullets)\b"), _any(r"^[ \t]{0,8}[-*•]\s")),
)
"""Form, the wish for it, what it looks like."""


def format(answer: Answer, asked: Asked) -> Grade:  # noqa: A001  the name of the check
    """The share of the wished-for forms that it keeps; JSON among words counts half. Abstains where none is wished for.

    >>> format(Answer("It is {}"), Asked(response_format="json_object")).value
    0.5
    """
    if answer.tool_calls or answer.empty:
        return Grade("format", None)
    wishes = asked.wishes
    text = read(answer.text)
    found = [(form, float(look.search(text) is not None)) for form, wish, look in _WISHES if wish.search(wishes)]
    strict = asked.response_format != "text"
    if strict or _JSON.search(wishes):
        if len(answer.text) > MOST_JSON:
            return Grade("format", None, "it is too long to be read")
        found.append(("JSON", _json(answer.text, "object" if asked.response_format == "json_object" else "")))
    if not found:
        return Grade("format", None, "no form was asked for")
    missed = [form for form, share in found if share < 1]
    return Grade("format", sum(share for _, share in found) / len(found), f"not kept: {', '.join(missed)}" if missed else "")


def _json(text: str, kind: str) -> float:
    found = json_in(text)
    if found is None or (kind == "object" and not isinstance(found.value, dict)):
        return 0.0
    return 1.0 if found.whole else 0.5
