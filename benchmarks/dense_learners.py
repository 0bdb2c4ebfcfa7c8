"""The blend with a sentence encoder in the place of the shipped table, to be judged beside it.

    python benchmarks/quality.py --learner blend-untagged --learner dense_learners:blend_untagged --parts gsm8k,routerbench

The encoder's folder (all-MiniLM-L6-v2 in 8 bits) is found through POINTSMAN_MODELS (default: ../shared/models beside the project).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.build.embedding import embedder
from pointsman.catalogue.embedder import Embedder
from pointsman.estimators.blend import Blend
from pointsman.estimators.mixing import Settings

ENCODER = Path(os.environ.get("POINTSMAN_MODELS", Path(__file__).parents[2] / "shared" / "models")) / "minilm-int8"


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """An embedder that embeds each text once: every seed and fold asks for the same ones."""

    name: str
    dims: int
    inner: Embedder = field(repr=False)
    known: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows as the inner one gives them."""
        rows = np.zeros((len(texts), self.dims), np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text not in self.known:
                self.known[text] = self.inner.embed((text,))[0]
            row[:] = self.known[text]
        return rows


@cache
def encoder() -> Embedder:
    """The encoder, read once."""
    found = embedder(ENCODER, "POINTSMAN_MODELS")
    return Kept(found.name, found.dims, found)


def blend() -> Blend:
    """With task tags."""
    return Blend(encoder(), name="blend-dense")


def blend_untagged() -> Blend:
    """By the prompt alone."""
    return Blend(encoder(), Settings(tasks=False), "blend-dense-untagged")
