"""Every learner that ships, small enough for a test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.estimators.blend import Blend
from pointsman.estimators.forest import Growth
from pointsman.estimators.heads import Views
from pointsman.estimators.learned import Learner
from pointsman.estimators.mixing import Settings
from pointsman.estimators.neighbours import Neighbours
from pointsman.estimators.table import Table


class Letters:
    """An embedder of 26 numbers: how often each letter occurs."""

    name = "letters"
    dims = 26

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array([[text.lower().count(chr(97 + at)) for at in range(26)] for text in texts], np.float32).reshape(len(texts), 26)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


LETTERS = Letters()
SMALL = Settings(views=Views(penalties=(8.0,)), growth=Growth(trees=8), topics=4)

LEARNERS: dict[str, tuple[Learner, Embedder | None]] = {
    "table": (Table(), None),
    "neighbours": (Neighbours(LETTERS), LETTERS),
    "blend": (Blend(LETTERS, SMALL), LETTERS),
    "blend without embedder": (Blend(None, SMALL), None),
    "blend without tasks": (Blend(LETTERS, Settings(SMALL.views, SMALL.growth, 4, tasks=False)), LETTERS),
}
