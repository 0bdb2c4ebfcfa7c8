"""Signals: everything routing may look at, and nothing else. No prompt text is among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pointsman.core.budget import Pressure
from pointsman.core.premium import PremiumShare
from pointsman.core.value import value

OutputSource = Literal["default", "max_tokens", "task", "history"]
"""Where the expected answer length comes from: nothing known, the client's limit, the configuration, or earlier answers."""


@value
class TokenCount:
    """The input's length in the tokens of one tokenizer; `exact` is false for an estimate from characters."""

    tokenizer: str
    tokens: int
    exact: bool


@value
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
        return max([count.tokens for count in self.counts])

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
    parallel_tools: bool = False
    strict_tools: bool = False


@value
class Finding:
    """A piece of sensitive data in the request: what it is and where, never what it says."""

    kind: str  #: label that it raises
    recogniser: str
    confidence: float  #: 0 to 1
    where: str  #: path in the client's body, without words of the user's
    digest: str  #: keyed digest of the value, in hex: equal for equal values in one store


@value
class Prediction:
    """What one model is expected to give for this request, as learned from outcomes; rounded as it is recorded."""

    model: str
    quality: float  #: 0 to 1
    low: float  #: lower bound, one-sided 95 %
    evidence: int  #: outcomes behind it, at least 1
    output_tokens: int | None = None  #: of one choice; `None`: its outcomes tell no lengths
    cost_picousd: int | None = None  #: of one choice, at the prices of its outcomes; only where those tell no lengths
    latency_ms: int | None = None  #: until the whole answer is there; `None`: its outcomes tell no times


Predictor = Callable[[str, str, str], tuple[tuple[Prediction, ...], tuple[str, ...]]]
"""From what is asked, its task class (empty: not told) and its tools' definitions to predictions, and to the past queries behind them."""


@value
class Signals:
    """What was found out about a request before any model is looked at."""

    task: str = "general"
    task_source: Literal["declared", "intent", "classifier", "tools", "default"] = "default"
    tokens: Tokens = Tokens()
    needs: Needs = Needs()
    labels: tuple[str, ...] = ()  #: declared and detected, not yet closed
    keywords: tuple[str, ...] = ()  #: names of the configured word lists that occur in the text
    budget: Pressure | None = None  #: what the budgets that pay for it ask; `None`: there are none
    findings: tuple[Finding, ...] = ()  #: what the detected labels follow from; of each recogniser a few
    intent: str = ""  #: the configured intent that was recognised
    domain: str = ""  #: as the client declares, else the classifier of domains; empty where there is none, or it is not sure
    difficulty: str = ""  #: the same of difficulties
    predicted: tuple[Prediction, ...] = ()  #: qualities learned from outcomes; models that are not among them have their priors
    neighbours: tuple[str, ...] = ()  #: ids of the nearest past queries behind them
    premium: tuple[PremiumShare, ...] = ()  #: how the caps on premium models stand that it counts for
    unread: str = ""  #: why no model was asked to read it, or in vain; empty: read, or there is none to ask
