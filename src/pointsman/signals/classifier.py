"""Classifiers learned from labelled texts: task, domain, difficulty, or whatever the labels say.

```python
from pointsman.signals.classifier import fit, load
from pointsman.signals.embedding import shipped

fitted = fit(["2 + 2?", "Sum of 3 and 4?", "Who was Kant?", "Who was Hume?"], ["maths", "maths", "people", "people"], shipped())
load(fitted.dump(), shipped()).guess("Who was Hegel?").label
```

Ridge regression onto the classes (Rifkin, Yeo and Poggio 2003) over the embedding and hashed words and pairs of words, weighted by how
rare they are. What each example would be taken for without itself has a closed form (Allen's PRESS, 1974); from that, probabilities are
calibrated. The same examples give the same classifier.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p
from typing import TYPE_CHECKING, Any

from pointsman.errors import ConfigError
from pointsman.signals.grams import SLOTS, dense, rarity
from pointsman.signals.guess import Guess
from pointsman.signals.reading import Linear, Reading, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.intp]

MOST_EXAMPLES = 4_000  # that are learned from; memory grows with their square
MOST_LABELS = 200
SURE = 0.5  #: confidence under which a classifier abstains
MAGIC = b"pointsman-classifier-1\n"

_RIDGE = 0.5
_STEPS = 20  # of Newton's method, which needs fewer
_SHARPNESS = tuple(1.25**step for step in range(-4, 20))
_LEAST = 1e-9
_HEAD_BYTES = 100_000  # of a file's description: labels are names, not texts


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a classifier is, each example judged by what the others say."""

    examples: int  #: learned from
    left_out: int  #: given, but more than can be learned from
    accuracy: float
    baseline: float  #: accuracy of always naming the most common label
    kept: float  #: share for which it does not abstain
    accuracy_of_kept: float
    calibration_error: float  #: expected calibration error over ten bins of equal width


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A fitted classifier."""

    labels: tuple[str, ...]
    embedder: Embedder
    middle: Floats
    rarity: Floats  #: of each slot
    weights: Floats  #: of the embedding's numbers, then of the slots; one column a label
    shares: Floats  #: of the labels
    sharpness: float
    line: tuple[float, float]  #: slope and offset from the logit of a label's share to that of its being right
    sure: float
    quality: Quality

    def guess(self, text: str) -> Guess:
        """The most probable label, none where that is less than `sure`."""
        return self.judge(read(text, self.embedder))

    def judge(self, reading: Reading) -> Guess:
        """The same of a text that was read, with this embedder, already."""
        scores = self.linear.of(reading).tolist()
        first, confidence = self._best(scores)
        scores[first] = -inf
        return Guess(
            label=self.labels[first] if confidence >= self.sure else None,
            confidence=confidence,
            best=self.labels[first],
            margin=confidence - self.sure,
            runner_up=self.labels[scores.index(max(scores))],
        )

    @property
    def linear(self) -> Linear:
        """What `label` wants to know of a text."""
        by_vector, by_words = self.weights[: len(self.middle)], self.weights[len(self.middle) :]
        return Linear(by_vector, self.shares - self.middle @ by_vector, self.rarity, by_words)

    def label(self, reading: Reading, linear: Floats) -> str | None:
        """The label of `judge`, given what `linear` makes of the text."""
        first, confidence = self._best(linear.tolist())
        return self.labels[first] if confidence >= self.sure else None

    def _best(self, scores: Sequence[float]) -> tuple[int, float]:
        first = scores.index(top := max(scores))
        chance = min(1 / sum([exp(self.sharpness * (score - top)) for score in scores]), 1 - _LEAST)
        return first, 1 / (1 + exp(-(self.line[0] * (log(chance) - log1p(-chance)) + self.line[1])))

    def dump(self) -> bytes:
        """As a file: a line that says what it is, a line of JSON that describes it, numbers, and a SHA-256 over all of that."""
        import numpy as np

        head = {
            "labels": list(self.labels),
            "embedder": self.embedder.name,
            "sharpness": self.sharpness,
            "line": list(self.line),
            "sure": self.sure,
            "quality": {name: getattr(self.quality, name) for name in Quality.__slots__},
        }
        body = MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n"
        body += b"".join(np.asarray(each, "<f4").tobytes() for each in (self.middle, self.rarity, self.shares, self.weights))
        return body + hashlib.sha256(body).digest()


def fit(texts: Sequence[str], labels: Sequence[str], embedder: Embedder, sure: float = SURE) -> Classifier:
    """Learn from labelled texts (seconds for thousands); ConfigError for what cannot be learned from."""
    import numpy as np

    names, owner, chosen = _checked(texts, labels)
    readings = [read(texts[at], embedder) for at in chosen]
    vectors = np.stack([reading.vector for reading in readings])
    middle = vectors.mean(axis=0)
    held = [reading.grams for reading in readings]
    rare = rarity(held)
    features = np.hstack((vectors - middle, dense(held, rare)))
    shares = np.bincount(owner, minlength=len(names)) / len(owner)
    wanted = np.eye(len(names))[owner] - shares
    inverse = np.linalg.inv(features @ features.T + _RIDGE * np.eye(len(readings)))
    duals = inverse @ wanted
    left_out = (shares + wanted - duals / inverse.diagonal()[:, None]).astype(np.float32)
    sharpness = _sharpness(left_out, owner)
    chances = _chances(left_out, sharpness)
    right = chances.argmax(axis=1) == owner
    line = _line(chances.max(axis=1), right)
    return Classifier(
        labels=names,
        embedder=embedder,
        middle=middle,
        rarity=rare,
        weights=(features.T @ duals).astype(np.float32),
        shares=shares.astype(np.float32),
        sharpness=sharpness,
        line=line,
        sure=sure,
        quality=_quality(right, _confidence(chances.max(axis=1), line), owner, sure, len(texts) - len(readings)),
    )


def load(content: bytes, embedder: Embedder) -> Classifier:
    """A dumped classifier; ConfigError for anything else, and for one that was learned with another embedder."""
    import numpy as np

    head, body = _opened(content)
    labels = tuple(head["labels"])
    if head["embedder"] != embedder.name:
        raise ConfigError(f"the classifier was learned with the embedder `{head['embedder']}`, this is `{embedder.name}`: train it again")
    sizes = (embedder.dims, SLOTS, len(labels), (embedder.dims + SLOTS) * len(labels))
    if len(body) != 4 * sum(sizes):
        raise ConfigError("not a classifier: its numbers are not as many as it says")
    numbers = np.frombuffer(body, "<f4").astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ConfigError("not a classifier: one of its numbers is not finite")
    middle, rare, shares, weights = np.split(numbers, np.cumsum(sizes)[:-1])
    return Classifier(
        labels=labels,
        embedder=embedder,
        middle=middle,
        rarity=rare,
        weights=weights.reshape(-1, len(labels)),
        shares=shares,
        sharpness=head["sharpness"],
        line=(head["line"][0], head["line"][1]),
        sure=head["sure"],
        quality=Quality(**head["quality"]),
    )


def _opened(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The description and the numbers of a file that is whole."""
    if not content.startswith(MAGIC):
        raise ConfigError("not a classifier: it does not begin like one")
    if hashlib.sha256(content[:-32]).digest() != content[-32:]:
        raise ConfigError("not a whole classifier: its SHA-256 is another than it says")
    end = content.find(b"\n", len(MAGIC), len(MAGIC) + _HEAD_BYTES)
    try:
        head = json.loads(content[len(MAGIC) : max(end, 0)])
        known = _described(head)
    except (ValueError, RecursionError):
        known = False
    if not known:
        raise ConfigError("not a classifier: its description cannot be read")
    return head, content[end + 1 : -32]


def _described(head: Any) -> bool:
    """Whether a description says all that it has to, and nothing else."""
    if not isinstance(head, dict) or head.keys() != {"labels", "embedder", "sharpness", "line", "sure", "quality"}:
        return False
    labels, quality = head["labels"], head["quality"]
    return (
        isinstance(labels, list)
        and 2 <= len(labels) <= MOST_LABELS
        and all(isinstance(label, str) for label in labels)
        and isinstance(head["embedder"], str)
        and isinstance(head["line"], list)
        and len(head["line"]) == 2
        and all(isinstance(value, float) and abs(value) < 1e6 for value in (head["sharpness"], head["sure"], *head["line"]))
        and isinstance(quality, dict)
        and quality.keys() == set(Quality.__slots__)
        and all(type(value) in (int, float) for value in quality.values())
    )


def _checked(texts: Sequence[str], labels: Sequence[str]) -> tuple[tuple[str, ...], Numbers, list[int]]:
    """Names of the labels, and of the examples that are learned from the label's number and the place."""
    import numpy as np

    if len(texts) != len(labels):
        raise ConfigError(f"{len(texts)} texts and {len(labels)} labels: give one label a text")
    counts = Counter(labels)
    if not 2 <= len(counts) <= MOST_LABELS:
        raise ConfigError(f"{len(counts)} labels: a classifier tells from 2 to {MOST_LABELS} apart")
    rare = min(counts, key=lambda label: (counts[label], label))
    if counts[rare] < 2:
        raise ConfigError(f"label `{rare}` has one example: give at least two, some tens are good")
    names = tuple(sorted(counts))
    number = {name: at for at, name in enumerate(names)}
    chosen = list(range(len(texts)))
    if len(chosen) > MOST_EXAMPLES:  # evenly over the labels, whatever order they come in
        by_label = sorted(chosen, key=lambda at: (labels[at], at))
        chosen = sorted(by_label[int(at)] for at in np.linspace(0, len(texts) - 1, MOST_EXAMPLES))
    return names, np.array([number[labels[at]] for at in chosen], np.intp), chosen


def _chances(scores: Floats, sharpness: float) -> Floats:
    import numpy as np

    weights = np.exp(sharpness * (scores - scores.max(axis=1, keepdims=True)))
    chances: Floats = weights / weights.sum(axis=1, keepdims=True)
    return chances


def _sharpness(scores: Floats, owner: Numbers) -> float:
    """The one under which what the examples are is most probable, each label's share held below 1 by how few there are (Platt 1999)."""
    import numpy as np

    counts = np.bincount(owner)[owner]
    wanted = np.repeat((1 / ((counts + 2) * (scores.shape[1] - 1)))[:, None], scores.shape[1], axis=1)
    wanted[np.arange(len(owner)), owner] = (counts + 1) / (counts + 2)

    def likelihood(sharpness: float) -> float:
        return float((wanted * np.log(np.maximum(_chances(scores, sharpness), _LEAST))).sum(axis=1).mean())

    return max(_SHARPNESS, key=likelihood)


def _line(chances: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Logistic regression of being right on the logit of the chance (Platt 1999), held near the identity where there is little to see."""
    import numpy as np

    rights, wrongs = right.sum(), (~right).sum()
    wanted = np.where(right, (rights + 1) / (rights + 2), 1 / (wrongs + 2))
    columns = np.stack((_logit(chances), np.ones(len(chances))))
    line = identity = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-(line @ columns)))
        slope = columns @ (said - wanted) + line - identity
        line = line - np.linalg.solve((columns * (said * (1 - said))) @ columns.T + np.eye(2), slope)
    return float(line[0]), float(line[1])


def _confidence(chances: Floats, line: tuple[float, float]) -> Floats:
    import numpy as np

    confidence: Floats = 1 / (1 + np.exp(-(line[0] * _logit(chances) + line[1])))
    return confidence


def _logit(chances: Floats) -> Floats:
    import numpy as np

    bounded = np.clip(np.asarray(chances, np.float64), _LEAST, 1 - _LEAST)
    logit: Floats = np.log(bounded) - np.log1p(-bounded)
    return logit


def _quality(right: NDArray[np.bool_], confidence: Floats, owner: Numbers, sure: float, left_out: int) -> Quality:
    import numpy as np

    kept = confidence >= sure
    bins = np.minimum((confidence * 10).astype(np.intp), 9)
    errors = [abs(float(right[bins == at].mean() - confidence[bins == at].mean())) * float((bins == at).mean()) for at in np.unique(bins)]
    return Quality(
        examples=len(owner),
        left_out=left_out,
        accuracy=float(right.mean()),
        baseline=float(np.bincount(owner).max() / len(owner)),
        kept=float(kept.mean()),
        accuracy_of_kept=float(right[kept].mean()) if kept.any() else 0.0,
        calibration_error=sum(errors),
    )
