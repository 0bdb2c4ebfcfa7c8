"""The conformance kit of estimators: what every learner promises, checked on a small made-up table. A learner is done when it passes.

```python
from pointsman.estimators.table import Table
from pointsman.testing.estimators import check_estimator

check_estimator(Table())
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.errors import ConfigError
from pointsman.estimators.bundle import dump, load
from pointsman.estimators.learned import Fitted, Learner, Predicted
from pointsman.estimators.outcomes import Outcomes, Query

_ODD = ("", " ", "\n\n", "one", "☃ ünïcode ٣ \ud800", "a" * 50_000, "9" * 400, "A) x\nB) y\nAnswer:")


def sample_outcomes(queries: int = 160, models: int = 4, seed: int = 0) -> Outcomes:
    """A table in which the first model is good at sums and the last at poems, and dearer models cost more. Some cells are missing."""
    chance = np.random.default_rng(seed)
    sums = chance.random(queries) < 0.5
    texts = [f"add {chance.integers(99)} and {i}" if one else f"a poem about number {i} the sea" for i, one in enumerate(sums)]
    asked = tuple(Query(f"q{i}", text, "sums" if one else "poems", f"g{i}") for i, (text, one) in enumerate(zip(texts, sums, strict=True)))
    slope = np.linspace(0.9, 0.2, models)
    chances = np.where(sums[:, None], slope, slope[::-1])
    quality = (chance.random(chances.shape) < chances).astype(np.float64)
    tokens = np.ceil(np.exp(chance.normal(4, 0.3, chances.shape)))
    quality[chance.random(quality.shape) < 0.05] = np.nan
    cost, latency = tokens * np.geomspace(1e-6, 1e-4, models), tokens * 0.01
    return Outcomes(tuple(f"m{m}" for m in range(models)), asked, quality, cost, np.full_like(tokens, 9.0), tokens, latency)


def check_estimator(learner: Learner, embedder: Embedder | None = None) -> None:
    """Run all checks; raises `AssertionError` that names the broken promise. `embedder` is the one that the learner was made with."""
    for promise, check in CHECKS.items():
        try:
            check(learner, embedder)
        except AssertionError as error:
            raise AssertionError(f"{learner.name}: {promise}: {error}") from error


def _fitted(learner: Learner, seed: int = 1) -> tuple[Outcomes, Fitted]:
    outcomes = sample_outcomes()
    return outcomes, learner.fit(outcomes, seed=seed)


def _alike(one: Predicted, other: Predicted) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=True) for f in fields(Predicted))


def _learns_from_nothing(learner: Learner, _embedder: Embedder | None) -> None:
    for models in (0, 1, 3):
        few = sample_outcomes(160, models).rows([])
        found = learner.fit(few, seed=0).predict([Query("", "a text"), Query("", "")])
        assert found.quality.shape == (2, models), "the shape is wrong"
        assert np.isfinite(found.quality).all(), "a quality is no number"
        assert (found.evidence == 0).all(), "there is evidence"
        assert (found.high - found.low == 1).all(), "the bounds exclude something"


def _learns_from_little(learner: Learner, _embedder: Embedder | None) -> None:
    for count in (1, 2, 7, 60):
        outcomes = sample_outcomes().rows(range(count))
        found = learner.fit(outcomes, seed=0).predict(outcomes.queries[:3])
        assert np.isfinite(found.quality).all(), f"with {count} queries a quality is no number"


def _says_whole_figures(learner: Learner, _embedder: Embedder | None) -> None:
    _, fitted = _fitted(learner)
    found = fitted.predict([Query("", text, task) for text in _ODD for task in ("", "sums", "a task never seen")])
    assert found.quality.shape == (3 * len(_ODD), 4), "the shape is wrong"
    assert all(np.isfinite(getattr(found, f.name)).all() for f in fields(Predicted)), "a figure is no number"
    inside = np.clip(found.quality, 0, 1)
    assert ((found.low >= 0) & (found.low <= inside) & (inside <= found.high) & (found.high <= 1)).all(), "bounds do not hold the estimate"
    assert (found.evidence >= 0).all(), "evidence is negative"
    assert (found.cost_usd > 0).all(), "a cost is not positive"


def _says_nothing_of_the_unknown(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes = sample_outcomes()
    never = {name: getattr(outcomes, name).copy() for name in ("quality", "cost_usd", "output_tokens", "latency_s")}
    for values in never.values():
        values[:, 2] = np.nan
    found = learner.fit(replace(outcomes, **never), seed=0).predict(outcomes.queries[:5])
    assert (found.evidence[:, 2] == 0).all(), "a model without labels has evidence"
    assert (found.low[:, 2] == 0).all(), "a model without labels has a lower bound above 0"
    assert np.isnan(found.cost_usd[:, 2]).all(), "a model without costs has a cost"
    assert np.isfinite(found.quality).all(), "a quality is no number"


def _is_the_same_twice(learner: Learner, embedder: Embedder | None) -> None:
    outcomes, one = _fitted(learner)
    _, other = _fitted(learner)
    assert _alike(one.predict(outcomes.queries), other.predict(outcomes.queries)), "two fits with one seed differ"
    assert dump(one) == dump(other), "two fits with one seed are written differently"


def _answers_each_alone(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes, fitted = _fitted(learner)
    together = fitted.predict(outcomes.queries[:20])
    alone = [fitted.predict((query,)) for query in outcomes.queries[:20]]
    joined = Predicted(**{f.name: np.concatenate([getattr(one, f.name) for one in alone]) for f in fields(Predicted)})
    assert _alike(together, joined), "a query's figures depend on what else is asked"
    assert fitted.predict(()).quality.shape == (0, 4), "no queries do not give an empty table"


def _reads_text_and_task_only(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes, fitted = _fitted(learner)
    plain = [Query("", query.text, query.task) for query in outcomes.queries[:20]]
    assert _alike(fitted.predict(outcomes.queries[:20]), fitted.predict(plain)), "id, group or split change the figures"


def _leaves_its_input(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes = sample_outcomes()
    before = outcomes.digest()
    fitted = learner.fit(outcomes, seed=0)
    first = fitted.predict(outcomes.queries)
    outcomes.quality[:] = 0.0
    assert _alike(first, fitted.predict(outcomes.queries)), "what was fitted still looks at the table"
    assert sample_outcomes().digest() == before, "the table is not the same as before"


def _does_not_write_to_its_input(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes = sample_outcomes()
    before = outcomes.digest()
    learner.fit(outcomes, seed=0).predict(outcomes.queries)
    assert outcomes.digest() == before, "the table was changed"


def _learns(learner: Learner, _embedder: Embedder | None) -> None:
    outcomes, fitted = _fitted(learner)
    fresh = sample_outcomes(200, seed=5)
    first_leads = fitted.predict(fresh.queries).quality[:, [0, 3]] @ (1.0, -1.0)
    sums = np.array([query.task == "sums" for query in fresh.queries])
    assert first_leads[sums].mean() > first_leads[~sums].mean() + 0.2, "it does not see which model is good at what"
    assert (fitted.predict(fresh.queries).evidence.max(axis=1) <= len(outcomes.queries)).all(), "there is more evidence than labels"


def _survives_the_file(learner: Learner, embedder: Embedder | None) -> None:
    outcomes, fitted = _fitted(learner)
    bundle = dump(fitted)
    again = load(bundle, embedder)
    assert _alike(fitted.predict(outcomes.queries), again.predict(outcomes.queries)), "read back, it says something else"
    assert dump(again) == bundle, "written again, it is another file"
    for at in range(0, len(bundle), max(1, len(bundle) // 50)):
        broken = bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :]
        try:
            load(broken, embedder)
        except ConfigError:
            continue
        raise AssertionError(f"a file with byte {at} changed is believed")


CHECKS: Mapping[str, Callable[[Learner, Embedder | None], None]] = {
    "it fits on nothing": _learns_from_nothing,
    "it fits on little": _learns_from_little,
    "its figures are whole for any text and task": _says_whole_figures,
    "it claims nothing of a model never asked": _says_nothing_of_the_unknown,
    "the same seed gives the same estimator": _is_the_same_twice,
    "a query's figures are its own": _answers_each_alone,
    "it reads text, task and tools only": _reads_text_and_task_only,
    "it keeps nothing of its input": _leaves_its_input,
    "it does not write to its input": _does_not_write_to_its_input,
    "it learns": _learns,
    "it survives being written and read": _survives_the_file,
}
"""Promise -> check: each takes a learner and its embedder, and raises `AssertionError`."""
