"""How checks read an answer: not all of a long one, its fenced blocks, the JSON in it."""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from typing import Any, NoReturn

HEAD, TAIL = 16_000, 8_000
"""Characters that are read of a text: what it begins and what it ends with."""

_LONGEST = 400  # characters of a value that is not cut
_WORD = 40
_APART = frozenset(" \t\n\u00a0")
_JOINED = frozenset(string.ascii_letters + string.digits + "@._%+-/=:~#&?$!*")
# With a blank between, what has digits on both sides may be one number: 3782 822463 10005, DE89 3704 0044.
_GROUP_ENDS = re.compile(r"\d\w*\s?$")
_GROUP_BEGINS = re.compile(r"\s?\w*\d")

MOST_JSON = 100_000
"""Characters of a text that is read as JSON."""


_SPOKEN = ("", "json", "text", "txt", "markdown", "md", "latex", "tex", "plaintext")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str  #: as it is written behind the fence, in lower case
    body: str
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """JSON in a text."""

    value: Any
    whole: bool  #: nothing else is there


def read(text: str) -> str:
    """A text, cut in the middle where it is long.

    What stands across a cut is read to its end: half a number is none that anybody would find and mask.

    >>> len(read("a" * 1_000_000))
    24001
    >>> read("," * 15_990 + " 378282246310005" + "," * 90_000)[15_991:16_008]
    '378282246310005\\n,'
    """
    if len(text) <= HEAD + TAIL:
        return text
    end, start = _between(text, HEAD, 1), _between(text, len(text) - TAIL, -1)
    return text if end >= start else f"{text[:end]}\n{text[start:]}"


def _between(text: str, at: int, step: int) -> int:
    """The next place, in the direction of `step`, where a text can be cut without cutting a value; `at` where none is near."""
    return next((place for place in range(at, at + step * _LONGEST, step) if 0 < place < len(text) and not _inside(text, place)), at)


def _inside(text: str, at: int) -> bool:
    """Whether a cut there would part what belongs together: a word, an address, groups of digits."""
    left, right = text[at - 1], text[at]
    if left in _APART or right in _APART:
        return bool(_GROUP_ENDS.search(text[max(0, at - _WORD) : at]) and _GROUP_BEGINS.match(text[at : at + _WORD]))
    return left in _JOINED and right in _JOINED


def split(text: str) -> tuple[str, tuple[Block, ...]]:
    """A text without its fenced blocks, and these.

    >>> split("See:\\n```python\\nx = 1\\n```\\nDone.")
    ('See:\\nDone.', (Block(language='python', body='x = 1', closed=True),))
    """
    prose: list[str] = []
    blocks: list[Block] = []
    inside: list[str] | None = None
    language = ""
    for line in text.split("\n"):
        mark = line.strip()
        if not mark.startswith("```"):
            (prose if inside is None else inside).append(line)
        elif inside is None:
            language, inside = mark[3:].strip().lower(), []
            if mark.count("```") > 1:  # opened and closed on one line: a piece of the sentence
                prose.append(line)
                inside = None
        else:
            blocks.append(Block(language, "\n".join(inside)))
            inside = None
    if inside is not None:
        blocks.append(Block(language, "\n".join(inside), closed=False))
    return "\n".join(prose), tuple(blocks)


def said(text: str) -> str:
    """A text without fenced code: what stands in a fence as JSON or as text is said all the same.

    >>> said("See:\\n```json\\n[1]\\n```\\n```python\\nx = 1\\n```")
    'See:\\n[1]'
    """
    prose, blocks = split(text)
    return "\n".join([prose, *(block.body for block in blocks if block.language in _SPOKEN)])


def as_json(text: str) -> Found | None:
    """The text as JSON; `None` where it is none, or very long."""
    if not text or len(text) > MOST_JSON:
        return None
    try:
        return Found(json.loads(text, parse_constant=_no_constant), whole=True)
    except (ValueError, RecursionError):
        return None


def json_in(text: str) -> Found | None:
    """The JSON that a text is, or else the last object or list that it holds, in a fence or between its outermost brackets.

    >>> json_in("[1]"), json_in('It is {"a": 1}.')
    (Found(value=[1], whole=True), Found(value={'a': 1}, whole=False))
    """
    if (found := as_json(text)) is not None:
        return found
    if len(text) > MOST_JSON or not ("{" in text or "[" in text):
        return None
    pieces = [block.body for block in reversed(split(text)[1][-3:])]
    pieces += [text[text.find(left) : text.rfind(right) + 1] for left, right in ("{}", "[]")]
    for piece in pieces:
        found = as_json(piece)
        if found is not None and isinstance(found.value, dict | list):
            return Found(found.value, whole=False)
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
