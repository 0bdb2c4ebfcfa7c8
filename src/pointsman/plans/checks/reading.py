"""How checks read an answer: not all of a long one, its fenced blocks, the JSON in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

HEAD, TAIL = 16_000, 8_000
"""Characters that are read of a text: what it begins and what it ends with."""

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

    >>> len(read("a" * 1_000_000))
    24001
    """
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


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
