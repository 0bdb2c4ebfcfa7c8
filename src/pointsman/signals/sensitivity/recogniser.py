"""Recognisers: what a kind of sensitive data looks like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pointsman.errors import ConfigError
from pointsman.signals.sensitivity.checks import Check, find_check
from pointsman.signals.sensitivity.fold import fold
from pointsman.signals.sensitivity.linear import pattern as compile_pattern

SPREAD = 0.25  # added to the confidence in what was spread out and stands without explaining words
_BEFORE_CHARS = 80  # of text in which words are looked for that say what a candidate is
_AFTER_CHARS = 40
_UNBOUNDED = re.compile(r"(?<!\\)(?:[*+]|\{\d+,\})")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_MOST_LONG_MISSES = 200


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A pattern for one kind of data, and what must hold besides.

    The pattern is in the syntax of RE2, so it takes linear time. Where it has a group, the first one is the value. It sees folded text:
    full-width, accented and look-alike letters are plain ones already.
    """

    name: str
    kind: str  #: label that it raises
    pattern: str
    confidence: float = 0.8  #: 0 to 1, of what passes the check, with a word of `context` near it where there are such words
    check: str | None = None  #: name of a check, see `checks`
    context: tuple[str, ...] = ()  #: words one of which stands near, in lower case
    alone: float = 0.0  #: confidence without such a word; only asked for when there is `context`


@dataclass(frozen=True, slots=True)
class Compiled:
    """A recogniser, ready to look."""

    source: Recogniser
    pattern: Any
    group: int  #: of the pattern, that is the value
    check: Check | None
    context: Any
    most_misses: int | None  #: candidates in one text that may turn out to be none; few where each may take a pass over the text

    def confidence(self, text: bytes, start: int, end: int, *, spread: bool = False) -> float:
        """How sure a match is, given the words around it; who spreads a number out has a reason."""
        source = self.source
        if self.context is None:
            return source.confidence
        around = b"%b\n%b" % (text[max(0, start - _BEFORE_CHARS) : start], text[end : end + _AFTER_CHARS])
        if self.context.search(around):
            return source.confidence
        return source.alone + SPREAD if spread and source.alone else source.alone


def compile_one(source: Recogniser) -> Compiled:
    """Raises `ConfigError` when the pattern or the check cannot be used."""
    compiled = compile_pattern(fold(source.pattern), f"recogniser `{source.name}`")
    if compiled.match("") is not None:
        raise ConfigError(f"recogniser `{source.name}`: the pattern matches the empty text; let it ask for a character at least")
    if not 0 <= source.confidence <= 1 or not 0 <= source.alone <= 1:
        raise ConfigError(f"recogniser `{source.name}`: confidence is from 0 to 1")
    endless = _UNBOUNDED.search(_CLASS.sub("", source.pattern)) is not None
    check = find_check(source.check) if source.check else None
    return Compiled(source, compiled, min(1, compiled.groups), check, _context(source.context), _MOST_LONG_MISSES if endless else None)


def _context(words: tuple[str, ...]) -> Any:
    return compile_pattern("(?i)" + "|".join(_word(word) for word in spelt(words))) if words else None


def spelt(words: tuple[str, ...]) -> list[str]:
    """The words as they stand in folded text, longest first."""
    return sorted({fold(word.casefold()).lower() for word in words}, key=len, reverse=True)


def _word(word: str) -> str:
    """The word by itself, or in the plural; in scripts without spaces, anywhere."""
    return rf"(?:^|[^a-z]){re.escape(word)}(?:e?s)?(?:[^a-z]|$)" if word.isascii() else re.escape(word)
