"""What is promised of the learned estimator besides good choices: new models, bounds, floors, noise, unseen tasks.

Each part gives a dictionary for the result file. Choices are those of `blend-untagged`, by the prompt alone, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from functools import partial
from typing import Any

import numpy as np
from quality_data import TRACKS, outcomes_of, progress

from pointsman.estimators import mixing
from pointsman.estimators.blend import Blend
from pointsman.estimators.cold import Borrowed, borrow
from pointsman.estimators.features import read
from pointsman.estimators.floors import boldest
from pointsman.estimators.forest import Growth
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.steady import ending
from pointsman.evals import calibration, frontier
from pointsman.evals.baselines import named
from pointsman.evals.crossfit import cross_fit
from pointsman.evals.evaluate import SEEDS
from pointsman.evals.figures import weak_and_strong
from pointsman.evals.folds import Fold, k_fold
from pointsman.evals.sweep import rates, sweep, taken
from pointsman.evals.synthetic import World, generate
from pointsman.evals.unseen import unseen_tasks
from pointsman.signals.embedding import shipped
from pointsman.signals.noise import NOISES, flipped, greedy_prefix, worst_prefix

OURS = "blend-untagged"
PROBES = (50, 100)
AGAIN = 4  #: draws of probes for each seed
FEWER = Growth(trees=30)  # of 55 fits the trees take most of the time
SEARCHED = 30  #: texts on which prefixes are searched
WORDS, LONGER = 12, (20, 30)  #: of a prefix, at most
UNSEEN = {"mmlu-pro": 1000, "bfcl": 1000, "zeroeval": 1000, "ulab": 1000, "mmlu-1500": 1000}
WORLDS = {
    "as it comes": World(queries=2500),
    "few words tell": World(queries=2500, telling=0.6),
    "coin-flip labels": World(queries=2500, noise=0.2),
    "two models": World(queries=2500, models=2),
    "twelve models": World(queries=2500, models=12),
}
FRESH = 100  # the first of the worlds' seeds: how wide bounds are was chosen on earlier ones


def probes(seeds: int) -> dict[str, Any]:
    """Each model of RouterBench in turn is new: AIQ lost against its full labels, over draws of its probes."""
    some = [(seed, again) for again in range(AGAIN) for seed in SEEDS[:seeds]]
    outcomes, _ = outcomes_of(TRACKS["routerbench"].data)
    tell, folds = progress("probes"), list(k_fold(outcomes.queries, 5, SEEDS[0]))
    tell("every model with all labels")
    learner = Blend(shipped(), mixing.Settings(growth=FEWER, tasks=False))
    full = _aiq(outcomes, cross_fit(learner, outcomes, folds, SEEDS[0]).predicted)
    lost: dict[str, Any] = {}
    for model in outcomes.models:
        tell(f"without {model}")
        parts = [_Without(outcomes, fold, model) for fold in folds]
        lost[model] = {"left_out": full - _aiq(outcomes, _joined(outcomes, folds, [part.excluded() for part in parts]))}
        for count in PROBES:
            drawn = [full - _aiq(outcomes, _joined(outcomes, folds, [part.probed(count, draw) for part in parts])) for draw in some]
            lost[model][str(count)] = {"mean": float(np.mean(drawn)), "worst_draw": float(max(drawn)), "draws": drawn}
    worst = {str(count): max(lost[model][str(count)]["mean"] for model in lost) for count in PROBES}
    return {"full_aiq": full, "lost": lost, "worst_model": worst, "worst_draw": _worst_draws(lost)}


def _worst_draws(lost: Mapping[str, Any]) -> dict[str, float]:
    return {str(count): max(lost[model][str(count)]["worst_draw"] for model in lost) for count in PROBES}


class _Without:
    """One fold's fit without a model, so that many draws of its probes share it."""

    def __init__(self, outcomes: Outcomes, fold: Fold, model: str) -> None:
        others = [name for name in outcomes.models if name != model]
        self.column, self.fold = outcomes.models.index(model), fold
        self.new = outcomes.pool([model]).rows(fold.train)
        self.known = _untagged(outcomes.pool(others).rows(fold.train))
        self.fitted = mixing.fit(self.known, shipped(), mixing.Settings(growth=FEWER, tasks=False), SEEDS[0])
        mixture = self.fitted.mixture
        judged = _untagged(outcomes.rows(fold.judged)).queries
        expected = [mixture.expect(read(query, shipped(), ending(query.text) if mixture.holds else None)) for query in judged]
        self.quality = np.stack([one.quality for one in expected])
        self.cost = np.stack([mixture.quantities.back(one.scores).reshape(3, -1)[0] for one in expected])

    def excluded(self) -> tuple[Any, Any]:
        return np.insert(self.quality, self.column, -9.0, axis=1), np.insert(self.cost, self.column, 1.0, axis=1)

    def probed(self, count: int, draw: tuple[int, int]) -> tuple[Any, Any]:
        hidden = np.random.default_rng(draw).permutation(len(self.fold.train))[count:]
        model = borrow(_hidden(self.new, hidden), self.known, self.fitted.unseen)
        return self._with(model)

    def _with(self, model: Borrowed) -> tuple[Any, Any]:
        quality = [model.quality(row) for row in self.quality]
        cost = [model.quantity(0, row) for row in self.cost]
        return np.insert(self.quality, self.column, quality, axis=1), np.insert(self.cost, self.column, cost, axis=1)


def _untagged(outcomes: Outcomes) -> Outcomes:
    return replace(outcomes, queries=tuple(replace(query, task="") for query in outcomes.queries))


def _hidden(outcomes: Outcomes, rows: Any) -> Outcomes:
    values = {}
    for name in ("quality", "cost_usd", "input_tokens", "output_tokens", "latency_s"):
        values[name] = getattr(outcomes, name).copy()
        values[name][rows] = np.nan
    return Outcomes(outcomes.models, outcomes.queries, **values)


def _joined(outcomes: Outcomes, folds: Sequence[Fold], parts: Sequence[tuple[Any, Any]]) -> Predicted:
    quality, cost = np.empty_like(outcomes.quality), np.empty_like(outcomes.quality)
    for fold, (said, spent) in zip(folds, parts, strict=True):
        quality[fold.judged], cost[fold.judged] = said, spent
    return Predicted(**{f.name: cost if f.name == "cost_usd" else quality for f in fields(Predicted)})


def _aiq(outcomes: Outcomes, predicted: Predicted) -> float:
    cheapest = np.full((len(outcomes.queries), 1), int(np.argmin(outcomes.cost_usd.mean(axis=0))))
    chosen = np.concatenate((sweep(predicted, rates(predicted)), cheapest), axis=1)
    single = outcomes.cost_usd.mean(axis=0)
    hull = frontier.hull(taken(outcomes.cost_usd, chosen).mean(axis=0), taken(outcomes.quality, chosen).mean(axis=0))
    return frontier.aiq_range(hull, float(single.min()), float(single.max()))


def intervals(seeds: int) -> dict[str, Any]:
    """How often the 90 % bounds hold the true quality: in worlds of which it is known, 1,500 labels."""
    found: dict[str, Any] = {}
    for name, world in WORLDS.items():
        held, error = [], []
        for seed in range(seeds):
            progress("intervals")(f"{name}, world {seed + 1} of {seeds}")
            made = generate(world, FRESH + seed)
            said = Blend(shipped()).fit(made.outcomes.rows(range(1500)), seed=0).predict(made.outcomes.queries[1500:])
            models = range(world.models)
            held.append([calibration.coverage(said.low[:, m], said.high[:, m], made.expected[1500:, m]) for m in models])
            error.append([calibration.ece(np.clip(said.quality[:, m], 0, 1), made.outcomes.quality[1500:, m]) for m in models])
        found[name] = {
            "coverage": float(np.mean(held)),
            "by_seed": np.mean(held, axis=1).tolist(),
            "ece": float(np.mean(error, axis=0).max()),
        }
    return {"worlds": found, "coverage": [min(one["coverage"] for one in found.values()), max(one["coverage"] for one in found.values())]}


def floors(redraws: int) -> dict[str, Any]:
    """How much of MMLU may go to the weak model at a stated loss, with 2,000 calibration labels, at a risk of 10 %."""
    outcomes, _ = outcomes_of(TRACKS["mmlu-1500"].data)
    progress("floors")("scores from the other folds")
    judged = cross_fit(named(OURS), outcomes, list(k_fold(outcomes.queries, 5, SEEDS[0])), SEEDS[0])
    weak, strong = weak_and_strong(outcomes)
    score = judged.predicted.quality[:, strong] - judged.predicted.quality[:, weak]
    loss = outcomes.quality[:, strong] - outcomes.quality[:, weak]
    hindsight = np.cumsum(loss[np.argsort(score, kind="stable")]) / len(loss)
    found: dict[str, Any] = {}
    for limit in (0.01, 0.02, 0.03):
        progress("floors")(f"{redraws} redraws at {limit:.0%}")
        drawn = np.array([_floor(score, loss, limit, redraw) for redraw in range(redraws)])
        broken = int(drawn[:, 1].sum())
        found[f"{limit:g}"] = {
            "weak_share": float(drawn[:, 0].mean()),
            "weak_share_sd": float(drawn[:, 0].std()),
            "broken": broken / redraws,
            "hindsight": float((np.flatnonzero(hindsight <= limit).max(initial=-1) + 1) / len(loss)),
        }
    return {"redraws": redraws, "calibration_labels": 2000, "limits": found}


def _floor(score: Any, loss: Any, limit: float, redraw: int) -> tuple[float, bool]:
    order = np.random.default_rng(redraw).permutation(len(score))
    known, fresh = order[:2000], order[2000:]
    thresholds = np.quantile(score[known], np.arange(101) / 100)
    said = boldest((score[known][:, None] <= thresholds) * loss[known][:, None], limit, 0.1, seed=redraw)
    if said.setting is None:
        return 0.0, False
    weak = score[fresh] <= thresholds[said.setting]
    return float(weak.mean()), bool((loss[fresh] * weak).mean() > limit)


def noise(tries: int) -> dict[str, Any]:
    """Choices of fitted blends between two models, half of the queries each, under noise, and under the worst prefix of many."""
    return {name: _noise(name, tries) for name in ("mmlu-1500", "gsm8k")}


def _noise(name: str, tries: int) -> dict[str, Any]:
    outcomes, _ = outcomes_of(TRACKS[name].data)
    split = np.array([query.split for query in outcomes.queries])
    train = np.flatnonzero(split == "train")
    some = np.sort(np.random.default_rng(SEEDS[0]).permutation(train)[:1500])
    progress("noise")(f"{name}: fitting")
    fitted = named(OURS).fit(outcomes.rows(some), seed=SEEDS[0])
    weak, strong = weak_and_strong(outcomes)

    def score(texts: Sequence[str]) -> Any:
        said = fitted.predict([Query("", text) for text in texts]).quality
        return said[:, strong] - said[:, weak]

    texts = [outcomes.queries[i].text for i in np.flatnonzero(split == "val")][:300]
    middle = float(np.median(score(texts)))

    def choose(some: Sequence[str]) -> list[str]:
        return ["strong" if one > middle else "weak" for one in score(some)]

    changed = {kind: np.array(flipped(choose, texts, change, seed=1)) for kind, change in NOISES.items()}
    found: dict[str, Any] = {"texts": len(texts), "flips": {kind: float(flags.mean()) for kind, flags in changed.items()}}
    found["flips_95"] = {kind: _resampled(flags) for kind, flags in changed.items()}
    over_all = np.mean(list(changed.values()), axis=0)
    found |= {"flips_over_all": float(over_all.mean()), "flips_over_all_95": _resampled(over_all)}
    words = sorted({word for i in some for word in outcomes.queries[i].text.split() if word.isalpha()})
    prefixed = partial(_prefixed, score, middle, texts, words, tries)
    return found | prefixed(name, WORDS) | {"longer": {str(most): prefixed(f"{name}, {most} words", most) for most in LONGER}}


def _prefixed(
    score: Callable[[Sequence[str]], Any], middle: float, texts: Sequence[str], words: Sequence[str], tries: int, name: str, most: int
) -> Any:
    """The strong share under prefixes of `most` words, searched in two ways: on the texts of the search, and on all."""

    def share(some: Sequence[str]) -> float:
        return float((score(some) > middle).mean())

    def wanted(some: Sequence[str]) -> float:  # of prefixes with the same share, the one that lifts scores more
        lead = score(some) - middle
        return float((lead > 0).mean() + 1e-3 * np.tanh(20 * lead).mean())

    searched = texts[:SEARCHED]
    tell = progress("noise")
    tell(f"{name}: {tries} prefixes")
    prefixes = {"random, then changed": worst_prefix(wanted, searched, words, 1, tries, most)[1].text}
    tell(f"{name}: {tries} prefixes, word by word")
    prefixes["word by word"] = greedy_prefix(wanted, searched, words, 1, tries, most).text
    searches = {}
    for way, prefix in prefixes.items():
        here, everywhere = ([f"{prefix} {text}" for text in some] for some in (searched, texts))
        lifted = (score(everywhere) > middle).astype(float) - (score(texts) > middle)
        searches[way] = {"prefix": prefix, "share": share(here), "rise_on_all": float(lifted.mean()), "rise_on_all_95": _resampled(lifted)}
    worst = max(searches.values(), key=lambda one: one["share"])
    plain = {"strong_share": share(searched), "searched_on": len(searched), "tries": tries}
    return plain | {"under_the_worst_prefix": worst["share"], "prefix": worst["prefix"], "searches": searches}


def _resampled(values: Any) -> list[float]:
    """A 95 % bootstrap interval of the mean over texts."""
    drawn = np.random.default_rng(SEEDS[0]).integers(0, len(values), (1_000, len(values)))
    return [float(bound) for bound in np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))]


def unseen(draws: int) -> dict[str, Any]:
    """Each task left out whole: what was lost on it beside the model that is best on the others. Tags are given."""
    found: dict[str, Any] = {}
    for name, labels in UNSEEN.items():
        outcomes, _ = outcomes_of(TRACKS[name].data)
        tasks = unseen_tasks(named("blend"), outcomes, SEEDS[0], progress(f"unseen tasks of {name}"), draws, labels=labels, least=60)
        found[name] = [{"task": one.task, "queries": one.queries, "over_best": list(astuple(one.over_best))} for one in tasks]
    return {"labels": 1000, "tasks_of_at_least": 60, "tasks": found, "worst": {name: tasks[0] for name, tasks in found.items()}}
