"""The weighted score that ranks the survivors.

Two published forms, one implementation. With every term in [0, 1] and higher better:

    additive     w_quality*Quality + w_cost*Cost + w_latency*Latency + w_security*Security + w_energy*Energy
    subtractive  w_quality*quality - w_cost*cost' - w_latency*latency' - w_energy*energy'

where Cost = 1 - cost' and so on. The second is therefore the first, less the constant w_cost + w_latency + w_energy and the security
term; both rank alike when security is equal. Cost = 1 - (cost - min) / (max - min), where min and max come from the surviving
candidates (`pool`) or from fixed bounds (`Bounds`); equal values give 1 to all; an unknown value gives 0.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from pointsman.errors import ConfigError

Form = Literal["additive", "subtractive"]

# Terms are kept in millionths, weights in billionths and totals in their product. All are whole numbers, in floats because these are
# faster: below 2**53 a float holds them exactly, so rounding can neither make nor break a tie, and turning the dial is monotone.
_ONE = 1e6
_WEIGHT_ONE = 1e9
_TOTAL_ONE = _ONE * _WEIGHT_ONE
_NO_DIFFERENCE = 1e-300  # between the best and the worst: what is divided by less is no number


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the score's terms; they sum to 1. Make them with `normalised` or `dial`."""

    quality: float = 0.30
    cost: float = 0.30
    latency: float = 0.25
    security: float = 0.15
    energy: float = 0.0

    @property
    def total(self) -> float:
        """Their sum."""
        return self.quality + self.cost + self.latency + self.security + self.energy

    def normalised(self) -> Weights:
        """The same proportions summing to 1.

        >>> Weights(quality=3, cost=1, latency=0, security=0).normalised()
        Weights(quality=0.75, cost=0.25, latency=0.0, security=0.0, energy=0.0)
        """
        shares = (self.quality, self.cost, self.latency, self.security, self.energy)
        # `not (x >= 0)` rather than `x < 0`, so that NaN is refused as well.
        if any(not 0 <= share < float("inf") for share in shares):
            raise ConfigError(f"weights must be finite and not negative, got {shares}")
        if (total := self.total) <= 0:
            raise ConfigError("weights are all zero: give at least one of quality, cost, latency, security, energy")
        return Weights(*(round(share / total, 9) for share in shares))


def dial(quality: float) -> Weights:
    """The one-number form: 0 weighs cost alone, 1 quality alone. Turning it up never lowers the expected quality of the choice.

    >>> dial(0.3)
    Weights(quality=0.3, cost=0.7, latency=0.0, security=0.0, energy=0.0)
    """
    if not 0 <= quality <= 1:
        raise ConfigError(f"dial must lie between 0 (cost) and 1 (quality), got {quality}")
    quality = round(quality, 9)
    return Weights(quality=quality, cost=round(1 - quality, 9), latency=0.0, security=0.0, energy=0.0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Fixed (best, worst) bounds for `reference` normalisation: an irrelevant candidate then cannot change the order of others."""

    cost_picousd: tuple[float, float]
    latency_ms: tuple[float, float]
    energy_wh: tuple[float, float] = (0.0, 1.0)


class Estimate(NamedTuple):
    """What one candidate is expected to give for one request."""

    quality: float  #: expected, 0 to 1, on a grid of 1e-6
    quality_low: float  #: lower bound, one-sided 95 %
    evidence: int  #: graded answers behind it
    cost_picousd: int | None  #: `None`: the price is unknown
    ttft_ms: float
    total_ms: float  #: median
    p95_ms: float
    energy_wh: float | None
    input_tokens: int
    tokenizer: str  #: what `input_tokens` was counted with; ends in `~` where that is an estimate


class Estimates(NamedTuple):
    """Estimates of several candidates, a column a quantity: all that ranking looks at. `row` makes the whole estimate of one on demand."""

    quality: Sequence[float]  #: in millionths
    cost_picousd: Sequence[int | None]
    total_ms: Sequence[float]
    energy_wh: Sequence[float | None]
    row: Callable[[int], Estimate]

    @classmethod
    def of(cls, rows: Sequence[Estimate]) -> Estimates:
        """The columns of estimates that exist already."""
        return cls(
            [millionths(row.quality) for row in rows],
            [row.cost_picousd for row in rows],
            [row.total_ms for row in rows],
            [row.energy_wh for row in rows],
            rows.__getitem__,
        )

    def among(self, places: Sequence[int]) -> Estimates:
        """The estimates at these places."""
        return Estimates(
            [self.quality[at] for at in places],
            [self.cost_picousd[at] for at in places],
            [self.total_ms[at] for at in places],
            [self.energy_wh[at] for at in places],
            lambda at: self.row(places[at]),
        )


class Score(NamedTuple):
    """The terms of one candidate, each in [0, 1], higher is better, and their weighted total."""

    quality: float
    cost: float
    latency: float
    security: float
    energy: float
    total: float


class Scores(NamedTuple):
    """Scores of several candidates, a column a term, in millionths. `row` makes the score of one."""

    quality: Sequence[float]
    cost: Sequence[float]
    latency: Sequence[float]
    security: Sequence[float]
    energy: Sequence[float]
    total: Sequence[float]  #: as in `Score`

    def row(self, at: int) -> Score:
        """The score of one candidate."""
        return Score(
            quality=self.quality[at] / _ONE,
            cost=self.cost[at] / _ONE,
            latency=self.latency[at] / _ONE,
            security=self.security[at] / _ONE,
            energy=self.energy[at] / _ONE,
            total=self.total[at],
        )


def score(
    estimates: Estimates,
    security: Sequence[float],
    weights: Weights,
    form: Form = "additive",
    bounds: Bounds | None = None,
    latency_budget_ms: float | None = None,
    late: Container[int] = (),
) -> Scores:
    """Score candidates that passed the gates, in the order given.

    `security` holds each candidate's security term in millionths. A candidate slower (at the median) than `latency_budget_ms` gets a
    latency term of 0, as do those at the places `late`.
    """
    quality = estimates.quality
    cost = _terms(estimates.cost_picousd, None if bounds is None else bounds.cost_picousd)
    latency = _terms(estimates.total_ms, None if bounds is None else bounds.latency_ms)
    energy = _terms(estimates.energy_wh, None if bounds is None else bounds.energy_wh)
    if latency_budget_ms is not None and max(estimates.total_ms, default=0.0) > latency_budget_ms:
        latency = [0.0 if ms > latency_budget_ms else term for ms, term in zip(estimates.total_ms, latency, strict=True)]
    if late:
        latency = [0.0 if at in late else term for at, term in enumerate(latency)]
    return Scores(quality, cost, latency, security, energy, totals(quality, cost, latency, security, energy, weights, form))


def millionths(value: float) -> float:
    """A number in [0, 1] as the score reckons with it.

    >>> millionths(0.62)
    620000.0
    """
    return (value * _ONE + 0.5) // 1


def totals(
    quality: Sequence[float],
    cost: Sequence[float],
    latency: Sequence[float],
    security: Sequence[float],
    energy: Sequence[float],
    weights: Weights,
    form: Form = "additive",
) -> list[float]:
    """Weigh terms given in millionths.

    >>> totals([620_000], [1_000_000], [950_000], [1_000_000], [0], Weights())
    [0.8735]
    """
    w_quality, w_cost, w_latency = _billionths(weights.quality), _billionths(weights.cost), _billionths(weights.latency)
    w_security, w_energy, constant = _billionths(weights.security), _billionths(weights.energy), 0.0
    if form == "subtractive":
        w_security, constant = 0.0, (w_cost + w_latency + w_energy) * _ONE
    if not (w_latency or w_security or w_energy):
        return [(w_quality * q + w_cost * c - constant) / _TOTAL_ONE for q, c in zip(quality, cost, strict=True)]
    if not w_energy:
        return [
            (w_quality * q + w_cost * c + w_latency * t + w_security * s - constant) / _TOTAL_ONE
            for q, c, t, s in zip(quality, cost, latency, security, strict=True)
        ]
    return [
        (w_quality * q + w_cost * c + w_latency * t + w_security * s + w_energy * e - constant) / _TOTAL_ONE
        for q, c, t, s, e in zip(quality, cost, latency, security, energy, strict=True)
    ]


def _billionths(weight: float) -> float:
    return (weight * _WEIGHT_ONE + 0.5) // 1


def _terms(values: Sequence[float | None], bounds: tuple[float, float] | None = None) -> list[float]:
    """Lower is better; a million for the best, 0 for the worst and for unknown."""
    unknown = values.count(None)
    if unknown == len(values):
        return [0.0] * unknown
    known = cast("Sequence[float]", values) if not unknown else [value for value in values if value is not None]
    low, high = bounds or (min(known), max(known))
    if high - low < _NO_DIFFERENCE:
        return [_ONE if value is not None and value <= low else 0.0 for value in values]
    scale = _ONE / (high - low)
    if bounds is None and not unknown:
        return [((high - value) * scale + 0.5) // 1 for value in known]
    return [0.0 if value is None else min(_ONE, max(0.0, ((high - value) * scale + 0.5) // 1)) for value in values]
