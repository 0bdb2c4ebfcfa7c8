"""Whether the sources that an answer refers to exist."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import read, split

_WISH = re.compile(
    r"\bcit(?:e|es|ing|ation|ations)\b"
    r"|\b(?:give|list|include|name|provide|with|add|state) (?:your |the |all |any |its )?(?:sources?|references?)\b"
    r"|\bquellen(?:angaben?)?\b|\bcite[zr]\b|\bfuentes\b|\bfonti\b|引用"
)
_MARK = re.compile(r"(?<![\w\])])\[(\d{1,3}(?:[,–-] ?\d{1,3}){0,8})\](?!\()")
_ENTRY = re.compile(r"^[ \t]{0,8}(?:[-*] )?(?:\[(\d{1,3})\]|\[\^(\d{1,3})\]:|(\d{1,3})\.) ?\S", re.MULTILINE)
_OTHER = re.compile(r"https?://\w|\bdoi:|\]\(\w|\((?:[^()\d]{2,60}, )?(?:1[5-9]|20)\d\d[a-z]?\)|\bet al\.|\bISBN\b")


def citations(answer: Answer, asked: Asked) -> Grade:
    """The share of references such as `[2]` that lead to a source of the request or of the answer's own list; 0 where sources were asked
    for and none is there. Abstains where none was asked for or given.

    >>> citations(Answer("So it is [1], but see [7]."), Asked(sources=frozenset({1, 2}))).value
    0.5
    """
    wished = _WISH.search(asked.wishes) is not None
    if not (wished or asked.sources) or answer.empty or answer.tool_calls or answer.refusal:
        return Grade("citations", None, "no sources were asked for or given")
    prose = split(read(answer.text))[0]
    own = {int(number) for groups in _ENTRY.findall(prose) for number in groups if number}
    body = _ENTRY.sub("", prose)
    marks = {number for found in _MARK.findall(body) for number in _numbers(found)}
    if marks:
        held = len(marks & (asked.sources | own))
        return Grade("citations", held / len(marks), f"{held} of {len(marks)} references lead to a source")
    if _OTHER.search(prose):
        return Grade("citations", 1.0, "it names sources in another form")
    if wished:
        return Grade("citations", 0.0, "it names no source")
    return Grade("citations", None, "sources were given, but none was asked for")


def _numbers(mark: str) -> list[int]:
    """The numbers of `[1, 3]` and the ends of `[2-4]`."""
    return [int(number) for number in re.findall(r"\d+", mark)]
