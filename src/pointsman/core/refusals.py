"""Fields of a request that a model answers with an error, though the API it speaks has words for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HINTS: Final = frozenset(
    {"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "logit_bias", "seed", "verbosity", "budget_tokens"}
)
"""What may be left out, if the client is told: the answer has the same shape without it."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Fields of one model, as Chat Completions calls them; `top_k` and `budget_tokens` (of `thinking`) as Messages does."""

    always: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()  #: only while it reasons
    by_default: bool = True  #: it reasons if no effort is stated

    def at(self, effort: str | None) -> tuple[str, ...]:
        """What it refuses at this reasoning effort; `None`: not stated.

        >>> Refusals(("max_tokens",), ("temperature",), by_default=False).at(None)
        ('max_tokens',)
        """
        reasons = self.by_default if effort is None else effort != "none"
        return (*self.always, *self.reasoning) if reasons else self.always


NOTHING: Final = Refusals()
