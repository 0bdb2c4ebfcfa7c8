"""The estimate before there is anything to learn from: priors and prices of the catalogue and the configuration.

cost     tokens x price, or seconds x price for hardware by the second
latency  round trip + time to first token (+ prompt reading) + output tokens x time per token
quality  the task class's prior, with the Wilson score interval's lower bound (one-sided 95 %) over its graded answers
energy   tokens x watt-hours per token
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from pointsman.core.gate import Ask
from pointsman.core.model import Model, Prior
from pointsman.core.prices import Price, Usage, cost_picousd
from pointsman.core.score import Estimate

_Z95 = 1.6448536269514722  # standard normal quantile, one-sided 95 %


class _Quality(NamedTuple):
    mean: float
    low: float
    evidence: int


@dataclass(frozen=True, slots=True)
class _Row:
    """What is fixed about one model, worked out once."""

    tokenizer: str
    start_ms: float
    ms_per_input_token: float
    ms_per_output_token: float
    p95_over_p50: float
    token_rates: tuple[int, int] | None  #: (input, output) picodollars, where that is the whole price
    price: Price | None
    wh_per_token: tuple[float, float] | None
    quality: Mapping[str, _Quality]
    otherwise: _Quality


class PriorEstimator:
    """Estimates from priors; knows the models it was made for."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._rows = {model.id: _row(model) for model in models}

    def __call__(self, ask: Ask, models: Sequence[Model]) -> list[Estimate]:
        """One estimate a model, in order. Choices are generated side by side: they cost, but hardly delay."""
        tokens, task = ask.signals.tokens, ask.ruling.task
        each, output = tokens.output, tokens.output * ask.request.choices
        counts = {count.tokenizer: count for count in tokens.counts}
        estimates = []
        for model in models:
            row = self._rows[model.id]
            count = counts.get(row.tokenizer) or tokens.input_for(row.tokenizer)
            inputs = count.tokens
            ttft_ms = row.start_ms + inputs * row.ms_per_input_token
            total_ms = ttft_ms + each * row.ms_per_output_token
            if row.token_rates is not None:
                cost: int | None = inputs * row.token_rates[0] + output * row.token_rates[1]
            else:
                cost = None if row.price is None else cost_picousd(row.price, Usage(inputs, output), total_ms / 1000)
            quality = row.quality.get(task, row.otherwise)
            energy = row.wh_per_token
            estimates.append(
                Estimate(
                    quality.mean,
                    quality.low,
                    quality.evidence,
                    cost,
                    ttft_ms,
                    total_ms,
                    total_ms * row.p95_over_p50,
                    None if energy is None else inputs * energy[0] + output * energy[1],
                    inputs,
                    count.tokenizer if count.exact else f"{count.tokenizer}~",
                )
            )
        return estimates


def _row(model: Model) -> _Row:
    speed, energy, price = model.speed, model.energy, model.price
    return _Row(
        tokenizer=model.tokenizer,
        start_ms=speed.round_trip_ms + speed.ttft_ms,
        ms_per_input_token=speed.ms_per_input_ktok / 1000,
        ms_per_output_token=speed.ms_per_output_token,
        p95_over_p50=speed.p95_over_p50,
        token_rates=_token_rates(price),
        price=price,
        wh_per_token=None if energy is None else (energy.wh_per_input_ktok / 1000, energy.wh_per_output_ktok / 1000),
        quality={task: _quality(prior) for task, prior in model.quality.items()},
        otherwise=_quality(model.prior("general")),
    )


def _token_rates(price: Price | None) -> tuple[int, int] | None:
    if price is None or price.input is None or price.output is None:
        return None
    return None if price.tiers or price.per_request or price.per_second is not None else (price.input, price.output)


def _quality(prior: Prior) -> _Quality:
    # On the grid of the score's terms, so that what is compared is what is shown.
    return _Quality(round(prior.mean, 6), round(wilson_low(prior.mean, prior.evidence), 6), prior.evidence)


def wilson_low(mean: float, evidence: int, z: float = _Z95) -> float:
    """Lower end of the Wilson score interval (Wilson 1927, eq. for a binomial proportion).

    A prior with no graded answers is a statement, not a measurement: its bound is the statement itself, and `evidence` says 0.

    >>> round(wilson_low(0.8, 50), 3), wilson_low(0.8, 0)
    (0.693, 0.8)
    """
    if evidence <= 0:
        return mean
    n, zz = evidence, z * z
    centre = mean + zz / (2 * n)
    return max(0.0, (centre - z * sqrt(mean * (1 - mean) / n + zz / (4 * n * n))) / (1 + zz / n))
