"""The conformance kit of confidence: what a way to learn from judged answers promises, checked on made-up ones.

```python
from pointsman.estimators.confidence import fit
from pointsman.testing.confidence import check_confidence

check_confidence(fit)
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from pointsman.core.answer import Grade
from pointsman.errors import ConfigError
from pointsman.estimators.confidence import Confidence, Example, Fit, Further
from pointsman.estimators.confidence_file import dump, load

_ODD = ("", " ", "\n\n", "7", "☃ ünïcode ٣ \ud800", "a" * 50_000, "9" * 400, "1 / 0 = 7", "{" * 300, "-" * 5_000, "1e999 = 2")


class Learn(Protocol):
    """What is checked."""

    def __call__(self, examples: Sequence[Example], seed: int = 0) -> Fit:
        """Learn from judged answers."""
        ...


def sample_answers(questions: int = 90, seed: int = 0) -> list[Example]:
    """Answers of two models: wrong ones doubt themselves more often, the dearer model is right more often, a check tells a little."""
    chance = np.random.default_rng(seed)
    found = []
    for i in range(questions):
        right = {"small": float(chance.random() < 0.5), "large": float(chance.random() < 0.8)}
        for model, other in (("small", "large"), ("large", "small")):
            doubts = chance.random() < (0.1 if right[model] else 0.7)
            text = f"I am not sure, perhaps {i}" if doubts else f"It is {i} + 1 = {i + 1}. The answer is {i + 1}."
            prior = {"small": 0.5, "large": 0.8}
            grades = (Grade("hint", 0.2 + 0.6 * right[model] if chance.random() < 0.5 else None),)
            further = (Further(other, prior[other], right[other]),)
            found.append(Example(model, "sums", prior[model], right[model], text, f"{i} + 1?", grades, f"g{i}", further))
    return found


def check_confidence(learn: Learn) -> None:
    """Run all checks; raises `AssertionError` that names the broken promise."""
    for promise, check in CHECKS.items():
        try:
            check(learn)
        except AssertionError as error:
            raise AssertionError(f"{promise}: {error}") from error


def _said(learned: Confidence, shown: Sequence[Example]) -> list[float]:
    return [learned.predict(one.model, one.task, one.prior, one.grades, one.text, one.question) for one in shown]


def _is_honest_without_data(learn: Learn) -> None:
    for few in ([], sample_answers(2)):
        learned = learn(few).confidence
        assert not learned.learned, "it claims to have learned"
        assert learned.predict("m", "", 0.6, (Grade("a", 0.4), Grade("b", None), Grade("c", 1.0)), "text") == 0.4, (
            "the lowest grade is not it"
        )
        assert learned.predict("m", "", 0.6, (Grade("b", None),), "text") == 0.6, "without grades it is not what was expected"
        assert abs(learned.gain("m", 0.6, (), "text", [("n", 0.9)])[0] - 0.3) < 1e-9, "the gain is not what was expected"


def _says_shares(learn: Learn) -> None:
    learned = learn(sample_answers()).confidence
    for text in _ODD:
        for model, prior in (("small", 0.5), ("never seen", 0.0), ("large", 1.0)):
            said = learned.predict(model, "a task never seen", prior, (Grade("unknown", 0.5),), text, text)
            assert 0 <= said <= 1, "it is no share"
            assert all(-1 <= gain <= 1 for gain in learned.gain(model, prior, (), text, [("large", 0.8), ("new", 0.5)], text)), "no gain"


def _is_the_same_twice(learn: Learn) -> None:
    one, other = learn(sample_answers(), seed=3), learn(sample_answers(), seed=3)
    assert dump(one.confidence) == dump(other.confidence), "two fits with one seed differ"
    assert np.array_equal(one.unseen, other.unseen), "what two fits say of unseen answers differs"


def _learns(learn: Learn) -> None:
    fresh = sample_answers(seed=5)
    said, right = np.array(_said(learn(sample_answers()).confidence, fresh)), np.array([one.right for one in fresh])
    assert said[right == 1].mean() > said[right == 0].mean() + 0.15, "it does not tell right from wrong"
    assert abs(said.mean() - right.mean()) < 0.1, "it is not right as often as it says"


def _has_not_seen_what_it_judges(learn: Learn) -> None:
    shown = sample_answers(200)
    dealt = np.random.default_rng(0).permutation(len(shown))
    noise = [Example(one.model, "", 0.5, shown[at].right, "the same", "", (), one.group) for one, at in zip(shown, dealt, strict=True)]
    unseen, right = learn(noise).unseen, np.array([one.right for one in noise])
    small = np.array([one.model == "small" for one in noise])
    apart = [unseen[(right == 1) & which].mean() - unseen[(right == 0) & which].mean() for which in (small, ~small)]
    assert max(apart) < 0.05, "what it says of training answers knows their labels"


def _survives_the_file(learn: Learn) -> None:
    learned, shown = learn(sample_answers()).confidence, sample_answers(20, seed=9)
    file = dump(learned)
    again = load(file)
    assert _said(learned, shown) == _said(again, shown), "read back, it says something else"
    assert dump(again) == file, "written again, it is another file"
    for at in range(0, len(file), max(1, len(file) // 50)):
        try:
            load(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :])
        except ConfigError:
            continue
        raise AssertionError(f"a file with byte {at} changed is believed")


CHECKS: Mapping[str, Callable[[Learn], None]] = {
    "without data it says what checks say": _is_honest_without_data,
    "it says shares for any text": _says_shares,
    "the same seed gives the same": _is_the_same_twice,
    "it learns": _learns,
    "what it says of training answers, it would have said without them": _has_not_seen_what_it_judges,
    "it survives being written and read": _survives_the_file,
}
"""Promise -> check."""
