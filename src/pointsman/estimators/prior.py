"""The estimate: prices and priors of the catalogue and the configuration, and of quality what was learned from outcomes, where it was.

cost     tokens x price, or seconds x price for hardware by the second
latency  round trip + time to first token (+ prompt reading) + output tokens x time per token;
         of a model whose speed is nobody's figure, what was learned of its times
quality  what was learned of the model for this request, where there is a bundle that knows it; else
         the task class's prior, with the Wilson score interval's lower bound (one-sided 95 %) over its graded answers
energy   tokens x watt-hours per token

Output tokens are those learned of the model for this request, where the bundle's outcomes tell any; else what the task class usually takes.
Prices are today's. Outcomes that tell costs and no lengths give costs as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from pointsman.core.gate import Ask
from pointsman.core.model import Model, Prior
from pointsman.core.prices import Price, Usage, cost_picousd
from pointsman.core.score import Estimate, Estimates, millionths
from pointsman.core.signals import Prediction, TokenCount

_Z95 = 1.6448536269514722  # standard normal quantile, one-sided 95 %
_MOST_COLUMNS = 256


class _Quality(NamedTuple):
    mean: float
    low: float
    evidence: int
    points: float  #: the mean in millionths


class _Row(NamedTuple):
    """What is fixed about one model, worked out once."""

    tokenizer: str
    start_ms: float
    ms_per_input_token: float
    ms_per_output_token: float
    input_rate: int | None  #: picodollars a token, where token rates are the whole price
    output_rate: int
    wh_per_token: tuple[float, float] | None
    quality: Mapping[str, _Quality]
    otherwise: _Quality
    untimed: bool  #: its speed was neither measured nor stated
    model: Model


class _Columns(NamedTuple):
    """The same of several models side by side."""

    models: Sequence[Model]
    rows: Sequence[_Row]
    tokenizers: Sequence[str]
    same: str | None  #: the tokenizer that all of them have
    times: tuple[Sequence[float], Sequence[float], Sequence[float]]
    rates: tuple[Sequence[int], Sequence[int]]
    apart: Sequence[int]  #: places of those whose price is more than token rates, or unknown
    energies: Sequence[tuple[float, float] | None] | None  #: `None`: nobody's is known
    quality: Mapping[str, _Priors]  #: by task class, as far as one of them has a prior for it
    otherwise: _Priors


class _Priors(NamedTuple):
    """Qualities of several models, and their means in millionths."""

    known: Sequence[_Quality]
    points: Sequence[float]

    @classmethod
    def of(cls, known: Sequence[_Quality]) -> _Priors:
        return cls(known, [one.points for one in known])


class _Found(NamedTuple):
    """What was worked out of several models: the whole estimate of one is told from it on demand."""

    rows: Sequence[_Row]
    known: Sequence[_Quality]
    counts: Mapping[str, TokenCount]
    told: Sequence[Prediction | None]
    total_ms: Sequence[float]
    cost: Sequence[int | None]
    energy: Sequence[float | None]

    def row(self, at: int) -> Estimate:
        own, one = self.rows[at], self.told[at] if self.told else None
        count, total_ms = self.counts[own.tokenizer], self.total_ms[at]
        return Estimate(
            *(self.known[at][:3] if one is None else (one.quality, one.low, one.evidence)),
            self.cost[at],
            own.start_ms + count.tokens * own.ms_per_input_token,
            total_ms,
            total_ms * own.model.speed.p95_over_p50,
            self.energy[at],
            count.tokens,
            count.tokenizer if count.exact else f"{count.tokenizer}~",
        )


class PriorEstimator:
    """Estimates from priors; knows the models it was made for."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._rows = {model.id: _row(model) for model in models}
        self._tokenizers = sorted({row.tokenizer for row in self._rows.values()})
        self._columns: dict[int, _Columns] = {}  #: of tuples of models that were asked about, by identity: a pool's come again and again

    def __call__(self, ask: Ask, models: Sequence[Model]) -> Estimates:
        """One estimate a model, in order. Choices are generated side by side: they cost, but hardly delay."""
        tokens, choices, columns = ask.signals.tokens, ask.request.choices, self._of(models)
        rows, (known, points) = columns.rows, columns.quality.get(ask.ruling.task, columns.otherwise)
        counts = {name: tokens.input_for(name) for name in self._tokenizers}
        inputs, outputs = _inputs(columns, counts), [tokens.output] * len(rows)
        told = _told(ask.signals.predicted, models)
        if told:
            points = [prior if one is None else millionths(one.quality) for one, prior in zip(told, points, strict=True)]
            outputs = _lengths(told, tokens.output, ask.request.max_output_tokens)
        total_ms = [
            start + count * ms_in + output * ms_out
            for count, output, start, ms_in, ms_out in zip(inputs, outputs, *columns.times, strict=True)
        ]
        cost: list[int | None] = [
            count * rate + output * choices * output_rate
            for count, output, rate, output_rate in zip(inputs, outputs, *columns.rates, strict=True)
        ]
        for at in columns.apart:
            cost[at] = _cost(rows[at].model, inputs[at], outputs[at] * choices, total_ms[at])
        for at, one in enumerate(told):
            if one is not None and one.cost_picousd is not None and cost[at] is not None:  # a model whose price is unknown stays one
                cost[at] = one.cost_picousd * choices
            if one is not None and one.latency_ms is not None and rows[at].untimed:
                total_ms[at] = float(one.latency_ms)
        energy = _energy(columns.energies, inputs, outputs, choices)
        return Estimates(points, cost, total_ms, energy, _Found(rows, known, counts, told, total_ms, cost, energy).row)

    def _of(self, models: Sequence[Model]) -> _Columns:
        known = self._columns.get(id(models))
        if known is not None and known.models is models:
            return known
        columns = _side_by_side(models, [self._rows[model.id] for model in models])
        if isinstance(models, tuple):  # a list was made for this request
            if len(self._columns) >= _MOST_COLUMNS:
                self._columns.clear()
            self._columns[id(models)] = columns
        return columns


def _side_by_side(models: Sequence[Model], rows: Sequence[_Row]) -> _Columns:
    tokenizers, energies = [row.tokenizer for row in rows], [row.wh_per_token for row in rows]
    tasks = {task for row in rows for task in row.quality}
    return _Columns(
        models,
        rows,
        tokenizers,
        tokenizers[0] if len(set(tokenizers)) == 1 else None,
        ([row.start_ms for row in rows], [row.ms_per_input_token for row in rows], [row.ms_per_output_token for row in rows]),
        ([row.input_rate or 0 for row in rows], [row.output_rate for row in rows]),
        [at for at, row in enumerate(rows) if row.input_rate is None],
        energies if any(wh is not None for wh in energies) else None,
        {task: _Priors.of([row.quality.get(task, row.otherwise) for row in rows]) for task in tasks},
        _Priors.of([row.otherwise for row in rows]),
    )


def _inputs(columns: _Columns, counts: Mapping[str, TokenCount]) -> list[int]:
    if columns.same is not None:
        return [counts[columns.same].tokens] * len(columns.rows)
    return [counts[name].tokens for name in columns.tokenizers]


def _told(predicted: Sequence[Prediction], models: Sequence[Model]) -> Sequence[Prediction | None]:
    """What was learned of each model; empty where nothing was learned."""
    if not predicted:
        return ()
    learned = {one.model: one for one in predicted}
    return [learned.get(model.id) for model in models]


def _energy(
    energies: Sequence[tuple[float, float] | None] | None, inputs: Sequence[int], outputs: Sequence[int], choices: int
) -> list[float | None]:
    if energies is None:
        return [None] * len(inputs)
    return [
        None if wh is None else count * wh[0] + output * choices * wh[1]
        for count, output, wh in zip(inputs, outputs, energies, strict=True)
    ]


def _lengths(told: Sequence[Prediction | None], otherwise: int, limit: int | None) -> list[int]:
    """Output tokens of one choice: what was learned of a model's answers, within the client's limit."""
    lengths = [otherwise if one is None or one.output_tokens is None else one.output_tokens for one in told]
    return lengths if limit is None else [min(length, limit) for length in lengths]


def _row(model: Model) -> _Row:
    speed, energy, rates = model.speed, model.energy, _token_rates(model.price)
    return _Row(
        tokenizer=model.tokenizer,
        start_ms=speed.round_trip_ms + speed.ttft_ms,
        ms_per_input_token=speed.ms_per_input_ktok / 1000,
        ms_per_output_token=speed.ms_per_output_token,
        input_rate=rates[0],
        output_rate=rates[1],
        wh_per_token=None if energy is None else (energy.wh_per_input_ktok / 1000, energy.wh_per_output_ktok / 1000),
        quality={task: _quality(prior) for task, prior in model.quality.items()},
        otherwise=_quality(model.prior("general")),
        untimed=speed.source == "default",
        model=model,
    )


def _cost(model: Model, inputs: int, output: int, ms: float) -> int | None:
    return None if model.price is None else cost_picousd(model.price, Usage(inputs, output), ms / 1000)


def _token_rates(price: Price | None) -> tuple[int | None, int]:
    if price is None or price.input is None or price.output is None:
        return None, 0
    return (None, 0) if price.tiers or price.per_request or price.per_second is not None else (price.input, price.output)


def _quality(prior: Prior) -> _Quality:
    # On the grid of the score's terms, so that what is compared is what is shown.
    mean, low = round(prior.mean, 6), round(wilson_low(prior.mean, prior.evidence), 6)
    return _Quality(mean, low, prior.evidence, millionths(mean))


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
