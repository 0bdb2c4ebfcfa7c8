"""Signals: everything routing may look at, and nothing else. No prompt text is among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutputSource = Literal["default", "max_tokens", "task", "history"]
"""Where the expected answer length comes from: nothing known, the client's limit, the configuration, or earlier answers."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The input's length in the tokens of one tokenizer; `exact` is false for an estimate from characters."""

    tokenizer: str
    tokens: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of a request.

    >>> Tokens(counts=(TokenCount("o200k", 90, True), TokenCount("chars", 100, False)), output=50).input
    100
    """

    counts: tuple[TokenCount, ...] = (TokenCount("chars", 0, False),)
    output: int = 256  #: expected output tokens of one choice
    room: int | None = None  #: output tokens that must fit into a context beside the input; `None`: as many as are expected
    output_source: OutputSource = "default"

    @property
    def input(self) -> int:
        """The largest count over the tokenizers of the pool: what a rule's `tokens.input` sees."""
        return max(count.tokens for count in self.counts)

    def input_for(self, tokenizer: str) -> TokenCount:
        """The count in this tokenizer, else the largest one, marked as inexact."""
        for count in self.counts:
            if count.tokenizer == tokenizer:
                return count
        largest = max(self.counts, key=lambda count: count.tokens)
        return TokenCount(largest.tokenizer, largest.tokens, exact=False)


@dataclass(frozen=True, slots=True)
class Needs:
    """Capabilities without which a model cannot serve the request."""

    tools: bool = False
    json_mode: bool = False
    json_schema: bool = False
    vision: bool = False


@dataclass(frozen=True, slots=True)
class Signals:
    """What was found out about a request before any model is looked at."""

    task: str = "general"
    task_source: Literal["declared", "default"] = "default"
    tokens: Tokens = Tokens()
    needs: Needs = Needs()
    labels: tuple[str, ...] = ()  #: declared and detected, not yet closed
    keywords: tuple[str, ...] = ()  #: names of the configured word lists that occur in the text
