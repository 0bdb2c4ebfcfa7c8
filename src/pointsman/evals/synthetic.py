"""Outcomes whose truth is known: models with latent skills, queries with a skill they need and a difficulty. Seeded, pure, nobody's data.

The probability that model m answers query i well is a logistic function of its skill in the query's task minus the difficulty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals.ranking import Matrix, Vector

TOPICS = ("algebra", "poetry", "chemistry", "law", "tables", "travel", "code", "medicine")
_EASY = ("short", "plain", "simple", "basic", "quick", "usual")
_HARD = ("rigorous", "nested", "subtle", "adversarial", "multistep", "obscure")
_FILLER = ("please", "about", "this", "question", "answer", "given", "the", "following", "case", "with")


@dataclass(frozen=True, slots=True)
class World:
    """How outcomes come about. Every field is a knob of the generator."""

    queries: int = 1000
    models: int = 5
    tasks: int = 4  #: at most 8
    skill_spread: float = 1.0  #: how far the dearest model is ahead of the cheapest, in logits over both sides of the mean
    specialism: float = 1.0  #: SD of a model's skill from task to task, in logits
    difficulty: float = 1.5  #: SD of the queries' difficulty, in logits
    telling: float = 0.9  #: how well the text gives difficulty away, 0 to 1
    noise: float = 0.0  #: share of outcomes that are dealt by a fair coin
    price_spread: float = 100.0  #: dearest price by cheapest
    drift: float = 0.0  #: what each model's skill in each task gains or loses from the first query to the last, SD in logits
    cold: int = 0  #: this many models, dearest first, recorded on `cold_labels` queries only
    cold_labels: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Synthetic:
    """Outcomes, and the truth behind them: `expected` quality of each cell, and the model that the oracle of expectations takes."""

    outcomes: Outcomes
    expected: Matrix
    oracle: NDArray[np.intp]

    @property
    def oracle_quality(self) -> float:
        """Mean expected quality of the best model of each query: what no router can pass but by luck."""
        return float(self.expected.max(axis=1).mean())


def generate(world: World, seed: int) -> Synthetic:
    """Outcomes of a world. The same world and seed give the same outcomes.

    >>> made = generate(World(queries=50), seed=1)
    >>> made.outcomes.quality.shape, len(made.oracle)
    ((50, 5), 50)
    """
    chance = np.random.default_rng(seed)
    task, difficulty = chance.integers(world.tasks, size=world.queries), chance.normal(0, world.difficulty, world.queries)
    level = np.linspace(-world.skill_spread, world.skill_spread, world.models)
    skill = level + chance.normal(0, world.specialism, (world.tasks, world.models))
    change = chance.normal(0, world.drift, (world.tasks, world.models))
    when = np.linspace(0, 1, world.queries)[:, None]
    certain = 1 / (1 + np.exp(-(skill[task] + when * change[task] - difficulty[:, None])))
    expected = (1 - world.noise) * certain + world.noise / 2
    quality = (chance.random(expected.shape) < expected).astype(np.float64)
    queries = tuple(_query(i, int(task[i]), float(difficulty[i]), world, chance) for i in range(world.queries))
    outcomes = _priced(queries, quality, difficulty, world, chance)
    return Synthetic(_chilled(outcomes, world, chance), expected, np.argmax(expected, axis=1))


def _query(at: int, task: int, difficulty: float, world: World, chance: np.random.Generator) -> Query:
    """Six words: topic, filler, and words of difficulty that tell the truth as often as the world says."""
    hard = 1 / (1 + np.exp(-2 * difficulty / max(world.difficulty, 1e-9)))
    words = [TOPICS[task]]
    for _ in range(5):
        honest = chance.random() < world.telling
        said = _HARD if chance.random() < (hard if honest else 0.5) else _EASY
        words += [said[chance.integers(len(said))], _FILLER[chance.integers(len(_FILLER))]]
    return Query(f"synthetic/{at:06}", " ".join(words), TOPICS[task], f"g{at:06}", "test" if at % 5 == 4 else "train")


def _priced(queries: tuple[Query, ...], quality: Matrix, difficulty: Vector, world: World, chance: np.random.Generator) -> Outcomes:
    shape = quality.shape
    price = np.geomspace(1e-7, 1e-7 * world.price_spread, world.models)  # dollars a token, the same in and out
    tokens_in = np.tile(np.array([float(len(query.text.split())) for query in queries])[:, None], (1, world.models))
    mean_out = np.exp(4 + 0.4 * difficulty / max(world.difficulty, 1e-9))[:, None]
    tokens_out = np.ceil(mean_out * np.exp(chance.normal(0, 0.3, shape)))
    names = tuple(f"model-{m}" for m in range(world.models))
    latency = 0.2 + tokens_out * np.linspace(0.005, 0.03, world.models)
    return Outcomes(names, queries, quality, (tokens_in + tokens_out) * price, tokens_in, tokens_out, latency)


def _chilled(outcomes: Outcomes, world: World, chance: np.random.Generator) -> Outcomes:
    """Forget what cold models gave but on a few queries."""
    forgotten = np.zeros(outcomes.quality.shape, dtype=bool)
    for m in range(world.models - world.cold, world.models):
        forgotten[:, m] = True
        forgotten[chance.choice(world.queries, world.cold_labels, replace=False), m] = False
    quality, cost, tokens, latency = (
        np.where(forgotten, np.nan, known) for known in (outcomes.quality, outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s)
    )
    return replace(outcomes, quality=quality, cost_usd=cost, output_tokens=tokens, latency_s=latency)
