"""The most that one call can cost: what is held of its budgets before it goes out.

A token of a byte-level vocabulary stands for at least one byte, so a letter has no more tokens than bytes; the JSON around each message
is longer than what a chat template puts around it. A file, or an address, may fill the model's context. No answer is longer than the
limit that was sent, and no provider takes an input beyond the model's context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pointsman.core.budget import Spend
from pointsman.core.prices import Price, Tier, Usage, cost_picousd

OVERHEAD_TOKENS: Final = 64  #: marks around the whole input that are not in the letter
TOOLS_TOKENS: Final = 1_024  #: a provider's own instructions for using tools, which it adds where tools are offered
IMAGE_TOKENS: Final = 50_000  #: an image at the dearest reading there is (2,833 tokens, and 5,667 for each of eight tiles), rounded up


@dataclass(frozen=True, slots=True)
class Size:
    """How large a call can become."""

    input_bytes: int  #: UTF-8 bytes of the letter, without the data of images
    output_tokens: int  #: the limit in the letter, for one answer
    context_tokens: int  #: of the model: no input is longer
    choices: int = 1
    images: int = 0
    tools: bool = False
    seconds: float = 0.0  #: longest time of the call, for hardware paid by the second
    whole_context: bool = False  #: something in it is longer than it looks

    @property
    def input_tokens(self) -> int:
        """The most tokens that the input can have."""
        if self.whole_context:
            return self.context_tokens
        tokens = self.input_bytes + OVERHEAD_TOKENS + self.images * IMAGE_TOKENS + (TOOLS_TOKENS if self.tools else 0)
        return min(tokens, self.context_tokens)


def upper_bound(price: Price | None, size: Size) -> Spend:
    """The most that a call of this size can cost. The money is `None` where a price that it may need is unknown.

    >>> from pointsman.core.prices import per_mtok, usd
    >>> bound = upper_bound(Price(per_mtok(2), per_mtok(10)), Size(input_bytes=936, output_tokens=100, context_tokens=8_192))
    >>> usd(bound.picousd), bound.tokens
    ('0.003', 1100)
    """
    output = size.choices * size.output_tokens
    return Spend(None if price is None else _dearest(price, size.input_tokens, output, size.seconds), size.input_tokens + output)


def _dearest(price: Price, input_tokens: int, output_tokens: int, seconds: float) -> int | None:
    fixed = cost_picousd(Price(per_request=price.per_request, per_second=price.per_second), Usage(), seconds)
    reachable: list[Price | Tier] = [price, *(tier for tier in price.tiers if input_tokens > tier.above_input_tokens)]
    costs = [_tokens_cost(rates, input_tokens, output_tokens, free=price.per_second is not None) for rates in reachable]
    known = [cost for cost in costs if cost is not None]
    return None if fixed is None or len(known) < len(costs) else fixed + max(known)


def _tokens_cost(rates: Price | Tier, input_tokens: int, output_tokens: int, *, free: bool) -> int | None:
    """At the dearest kind of token there is; `free`: rates that are not stated cost nothing."""
    read, written = (0 if rate is None and free else rate for rate in (rates.input, rates.output))
    if (read is None and input_tokens) or (written is None and output_tokens):
        return None
    dearest_read = max(rate or 0 for rate in (read, rates.cached_input, rates.cache_write, rates.cache_write_1h))
    return input_tokens * dearest_read + output_tokens * max(written or 0, rates.reasoning or 0)
