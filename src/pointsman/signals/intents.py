"""Intents: classes of requests known by a few examples each, and when a request is none of them.

```python
from pointsman.signals.embedding import shipped
from pointsman.signals.intents import fit

intents = fit({"refund": ["I want my money back", "a refund"], "login": ["I cannot sign in", "login fails"]}, shipped())
intents.guess("how do I get my money back?").label
```

`nearness` says how near a text is to each class. From what each example would be taken for if it were not one (it is held back, and what
is left is fitted anew) come the score under which a text is none of them, and the probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf
from typing import TYPE_CHECKING

from pointsman.errors import ConfigError
from pointsman.signals.background import GENERAL
from pointsman.signals.canonical import folded
from pointsman.signals.embedding import StaticEmbedder
from pointsman.signals.guess import Guess
from pointsman.signals.nearness import Known, Nearness, nearness, vocabulary_of
from pointsman.signals.reading import Linear, Reading, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder
    from pointsman.signals.nearness import Floats, Numbers

KEEP = 0.95  #: of the requests that belong to an intent, those that shall be recognised as belonging to one
FOLDS = 5  #: in so many parts the examples are held back

_SHARPNESS = tuple(1.5**step for step in range(1, 11))
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Intents:
    """Fitted intents. `threshold` is the score under which a text is none of them."""

    labels: tuple[str, ...]
    examples: tuple[str, ...]
    embedder: Embedder
    nearness: Nearness
    rows: Floats  #: the examples, as the nearness sees them
    threshold: float
    sharpness: float

    def guess(self, text: str) -> Guess:
        """The nearest intent, none where it is too far."""
        return self.judge(read(text, self.embedder))

    def judge(self, reading: Reading) -> Guess:
        """The same of a text that was read, with this embedder, already."""
        row = self.nearness.row(reading.vector)
        scores = self.nearness.score(row, self.linear.of(reading), reading.pieces).tolist()
        first = scores.index(best := max(scores))
        top = max(best, self.threshold)
        weights = sum([exp(self.sharpness * (score - top)) for score in (*scores, self.threshold)])
        scores[first] = -inf
        return Guess(
            label=self.labels[first] if best >= self.threshold else None,
            confidence=exp(self.sharpness * (best - top)) / weights,
            best=self.labels[first],
            margin=best - self.threshold,
            runner_up=self.labels[scores.index(max(scores))] if len(scores) > 1 else None,
            why=self.examples[int((self.rows @ row).argmax())],
        )

    @property
    def linear(self) -> Linear:
        """What `label` wants to know of a text."""
        import numpy as np

        near = self.nearness
        blank = np.zeros((len(near.middle), len(self.labels)), np.float32)
        return Linear(blank, blank[0], near.rarity, near.same)

    def label(self, reading: Reading, linear: Floats) -> str | None:
        """The label of `judge`, given what `linear` makes of the text."""
        near = self.nearness
        scores = near.score(near.row(reading.vector), linear, reading.pieces)
        best = int(scores.argmax())
        return self.labels[best] if float(scores[best]) >= self.threshold else None


def fit(examples: Mapping[str, Sequence[str]], embedder: Embedder, keep: float = KEEP) -> Intents:
    """Learn intents from two or more examples each (0.2 s for a hundred examples); ConfigError for what cannot be learned from.

    The threshold recognises a share of `keep` of the examples, each judged by what the others say.
    """
    import numpy as np

    labels, texts, owner, turn = _checked(examples)
    readings = [read(text, embedder) for text in texts]
    vectors = np.stack([reading.vector for reading in readings])
    known = Known(owner, vectors, tuple(reading.grams for reading in readings), tuple(reading.pieces for reading in readings))
    for text, row in zip(texts, known.vectors, strict=True):
        if not row.any():
            raise ConfigError(f"intent example `{text}` holds no word that is known: say it in other words")
    general: Floats = embedder.embed([folded(text) for text in GENERAL]).mean(axis=0)
    vocabulary = vocabulary_of(embedder) if isinstance(embedder, StaticEmbedder) else None
    occurring = sorted({number for ids in known.pieces for number in ids.tolist()})
    scores = np.zeros((len(texts), len(labels)), np.float32)
    for out in (turn == fold for fold in np.unique(turn)):
        scores[out] = _scores(nearness(known.only(~out), general, vocabulary, occurring), known.only(out))
    threshold = float(np.quantile(scores.max(axis=1), 1 - keep))
    fitted = nearness(known, general, vocabulary)
    rows = np.stack([fitted.row(vector) for vector in known.vectors])
    return Intents(labels, texts, embedder, fitted, rows, threshold, _sharpness(scores, owner, threshold))


def _checked(examples: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...], Numbers, Numbers]:
    """Labels, texts, and of each text its class and the part in which it is held back."""
    import numpy as np

    if not examples:
        raise ConfigError("no intents: name at least one, with examples")
    for label, texts in examples.items():
        if len(set(texts)) < 2:
            raise ConfigError(f"intent `{label}` has fewer than two examples: give at least two, about ten are good")
    owner = np.array([number for number, texts in enumerate(examples.values()) for _ in texts], np.intp)
    turn = np.array([at % FOLDS for texts in examples.values() for at in range(len(texts))], np.intp)
    return tuple(examples), tuple(text for texts in examples.values() for text in texts), owner, turn


def _scores(fitted: Nearness, known: Known) -> Floats:
    import numpy as np

    scored = zip(known.vectors, known.grams, known.pieces, strict=True)
    return np.stack([fitted.score(fitted.row(vector), held.through(fitted.rarity, fitted.same), ids) for vector, held, ids in scored])


def _chances(scores: Floats, threshold: float, sharpness: float) -> NDArray[np.float64]:
    """Probabilities of the classes, none of them being one more, with the threshold for its score."""
    import numpy as np

    top = np.maximum(scores.max(axis=1, keepdims=True), threshold)
    weights = np.exp(sharpness * (scores - top).astype(np.float64))
    chances: NDArray[np.float64] = weights / (weights.sum(axis=1, keepdims=True) + np.exp(sharpness * (threshold - top)))
    return chances


def _sharpness(scores: Floats, owner: Numbers, threshold: float) -> float:
    """The one under which what the examples are is most probable."""
    import numpy as np

    def likelihood(sharpness: float) -> float:
        chances = _chances(scores, threshold, sharpness)[np.arange(len(owner)), owner]
        return float(np.log(np.maximum(chances, _LEAST)).mean())

    return max(_SHARPNESS, key=likelihood)
