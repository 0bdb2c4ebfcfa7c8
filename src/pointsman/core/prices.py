"""Prices and the cost of one call, in whole picodollars: 1e-12 USD, so $1 per million tokens is 1,000,000 picodollars per token.

Integers because money is added up, compared with budgets and checked by others: no rounding, on any machine, in any order.
`None` means unknown and stays unknown through every sum; a price of 0 is a price somebody stated.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

PICO = 10**12  #: picodollars in a dollar
_LARGEST_POWER = 15  # of ten dollars: beyond it a figure is a mistake, and 1e999999999 as an int would fill the memory


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices of a request whose whole input is longer than `above_input_tokens`: they apply to ALL its tokens, not only those above.

    A tier is complete: what is `None` here is not taken from the base price, but falls back as in `Price`.
    """

    above_input_tokens: int
    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs; each rate in picodollars per token unless its name says otherwise.

    Raises ValueError for a negative rate, and for tiers out of order.

    >>> Price(input=per_mtok("2.50"), output=per_mtok(10), source="contract", as_of="2026-11-01").output
    10000000
    """

    input: int | None = None  #: `None`: unknown
    output: int | None = None  #: `None`: unknown
    cached_input: int | None = None  #: input read from the provider's cache; `None`: as `input`
    cache_write: int | None = None  #: input written to the provider's cache; `None`: as `input`
    cache_write_1h: int | None = None  #: the same, kept for an hour; `None`: as `cache_write`
    reasoning: int | None = None  #: hidden thinking tokens; `None`: as `output`
    per_request: int = 0  #: picodollars for each call
    per_second: int | None = None  #: picodollars for a second of owned hardware; token rates left out then cost nothing
    tiers: tuple[Tier, ...] = ()  #: prices of long inputs
    source: str = "stated"  #: who says so
    as_of: str = ""  #: ISO date on which it was so

    def __post_init__(self) -> None:
        _refuse_negative_rates(self)
        for tier in self.tiers:
            _refuse_negative_rates(tier)
        starts = [tier.above_input_tokens for tier in self.tiers]
        if starts != sorted(set(starts)):
            raise ValueError(f"price tiers must start at rising input lengths, got {starts}: sort them")

    def rates(self, input_tokens: int) -> Price | Tier:
        """The rates for an input of this length."""
        for tier in reversed(self.tiers):
            if input_tokens > tier.above_input_tokens:
                return tier
        return self


def _refuse_negative_rates(rates: Price | Tier) -> None:
    for field in fields(rates):
        value = getattr(rates, field.name)
        if isinstance(value, int) and value < 0:
            raise ValueError(f"prices cannot be negative: `{field.name}` is {value}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as OpenAI counts: the cached, written and reasoning ones are among the input and output tokens.

    Raises ValueError for a negative count, which would make a call earn money.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0  #: of the input, read from the provider's cache
    cache_write_tokens: int = 0  #: of the input, written to the provider's cache
    cache_write_1h_tokens: int = 0  #: of those written, the ones kept for an hour
    reasoning_tokens: int = 0  #: of the output, hidden thinking

    def __post_init__(self) -> None:
        if (
            self.input_tokens < 0
            or self.output_tokens < 0
            or self.cached_input_tokens < 0
            or self.cache_write_tokens < 0
            or self.cache_write_1h_tokens < 0
            or self.reasoning_tokens < 0
        ):
            name = next(field.name for field in fields(self) if getattr(self, field.name) < 0)
            raise ValueError(f"token counts cannot be negative: `{name}` is {getattr(self, name)}")


def cost_picousd(price: Price, usage: Usage, seconds: float | None = None) -> int | None:
    """Cost of a call in picodollars, or `None` when a price that it needs is unknown.

    Needed are: `input` if there are input tokens, `output` if there are output tokens, `seconds` if the price has `per_second`.
    Zero tokens need no price. Falling back: `cached_input` and `cache_write` to `input`, `cache_write_1h` to `cache_write`,
    `reasoning` to `output`. With `per_second` the hardware's time is the price, and token rates left out cost nothing.
    A breakdown larger than its total is charged in full, and the remainder as none.

    >>> usage = Usage(input_tokens=200, output_tokens=50)
    >>> usd(cost_picousd(Price(per_mtok(15), per_mtok(15)), usage)), usd(cost_picousd(Price(per_mtok("0.4"), per_mtok("0.4")), usage))
    ('0.00375', '0.0001')
    >>> cost_picousd(Price(input=per_mtok(15)), usage) is None
    True
    """
    rates = price.rates(usage.input_tokens) if price.tiers else price
    input_rate, output_rate = rates.input, rates.output
    total = price.per_request
    if price.per_second is not None:
        if seconds is None:
            return None
        total += _seconds_cost(price.per_second, seconds)
        input_rate, output_rate = input_rate or 0, output_rate or 0
    if usage.cached_input_tokens or usage.cache_write_tokens or usage.cache_write_1h_tokens:
        if input_rate is None:
            return None
        total += _cached_input_cost(rates, input_rate, usage)
    elif usage.input_tokens:
        if input_rate is None:
            return None
        total += usage.input_tokens * input_rate
    if usage.reasoning_tokens and rates.reasoning is not None:
        if output_rate is None:
            return None
        total += usage.reasoning_tokens * rates.reasoning
        total += max(usage.output_tokens - usage.reasoning_tokens, 0) * output_rate
    elif usage.output_tokens:
        if output_rate is None:
            return None
        total += usage.output_tokens * output_rate
    return total


def _cached_input_cost(rates: Price | Tier, input_rate: int, usage: Usage) -> int:
    cached, written, hour = usage.cached_input_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    cost = cached * (input_rate if rates.cached_input is None else rates.cached_input)
    plain = usage.input_tokens - cached
    if written or hour:
        written = max(written - hour, 0)
        write_rate = input_rate if rates.cache_write is None else rates.cache_write
        cost += written * write_rate + hour * (write_rate if rates.cache_write_1h is None else rates.cache_write_1h)
        plain -= written + hour
    return cost + plain * input_rate if plain > 0 else cost


def _seconds_cost(per_second: int, seconds: float) -> int:
    # Whole nanoseconds, then rounded up: a float times a large rate would carry the float's noise into the ledger.
    nanoseconds = round(max(seconds, 0.0) * 1e9)
    return -(-per_second * nanoseconds // 10**9)


def usd(picousd: int) -> str:
    """An amount as exact decimal text in dollars.

    >>> usd(3_750_000_000), usd(15 * 10**12), usd(-1), usd(0)
    ('0.00375', '15', '-0.000000000001', '0')
    """
    whole, part = divmod(abs(picousd), PICO)
    sign = "-" if picousd < 0 else ""
    decimals = f"{part:012d}".rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def picousd(amount_usd: float | str | Decimal) -> int:
    """An amount in dollars as picodollars, exactly; a float counts as the decimal that Python prints for it.

    Raises ValueError if it is no finite number, beyond 1e15 dollars, or finer than a picodollar.

    >>> picousd("0.00375"), picousd(0.1)
    (3750000000, 100000000000)
    >>> picousd("0.0000000000001")
    Traceback (most recent call last):
    ValueError: `0.0000000000001` is finer than a picodollar (1e-12 USD): round it
    """
    return _scaled(amount_usd, 12, "a picodollar (1e-12 USD)")


def per_mtok(usd_per_million: float | str | Decimal) -> int:
    """A price in dollars per million tokens as picodollars per token; raises ValueError as `picousd` does.

    >>> per_mtok(15), per_mtok("0.4"), per_mtok(0.003625)
    (15000000, 400000, 3625)
    """
    return _scaled(usd_per_million, 6, "a picodollar per token (1e-6 USD per million)")


def _scaled(amount: float | str | Decimal, places: int, unit: str) -> int:
    value = _decimal(amount)
    if not value:
        return 0
    if value.adjusted() > _LARGEST_POWER:
        raise ValueError(f"`{amount}` is not an amount of money: it is beyond 1e{_LARGEST_POWER} USD")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # the letters stand for NaN and infinity, refused before
    shift = exponent + places
    if any(digits[shift:] if shift < 0 else ()):
        raise ValueError(f"`{amount}` is finer than {unit}: round it")
    kept = digits[:shift] if shift < 0 else digits + (0,) * shift
    number = int("".join(map(str, kept)))
    return -number if sign else number


def _decimal(amount: float | str | Decimal) -> Decimal:
    try:
        # `repr` for a bool as well: `True` is no amount, though Decimal would take it for 1.
        value = Decimal(repr(amount) if isinstance(amount, float | bool) else amount)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"`{amount}` is not an amount of money: write it like `0.15`") from None
    if not value.is_finite():
        raise ValueError(f"`{amount}` is not an amount of money: it is not finite")
    return value
