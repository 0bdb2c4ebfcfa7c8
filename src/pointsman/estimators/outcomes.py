"""Recorded outcomes: what models gave on queries that all of them were asked. What estimators are fitted on, and judged by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from pointsman.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

MATRICES = ("quality", "cost_usd", "input_tokens", "output_tokens", "latency_s")


@dataclass(frozen=True, slots=True)
class Query:
    """One query, as a router sees it. `group` is the key of its near-duplicates, which never stand on both sides of a split."""

    id: str
    text: str
    task: str = ""
    group: str = ""
    split: str = ""
    tools: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A table of outcomes: row i is `queries[i]`, column m is `models[m]`. NaN stands for what was not recorded.

    `quality` is in [0, 1], `cost_usd` in dollars a request, tokens in tokens. `answers[i][m]` is the model's text where it was kept.
    """

    models: tuple[str, ...]
    queries: tuple[Query, ...]
    quality: Matrix
    cost_usd: Matrix
    input_tokens: Matrix
    output_tokens: Matrix
    latency_s: Matrix
    answers: tuple[tuple[str | None, ...], ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.queries), len(self.models))
        for name in MATRICES:
            if getattr(self, name).shape != shape:
                raise ValueError(f"`{name}` is of shape {getattr(self, name).shape}, queries and models ask for {shape}")

    def rows(self, at: Sequence[int] | NDArray[np.intp]) -> Outcomes:
        """The queries at these places, in this order."""
        picked = [int(i) for i in at]
        return replace(
            self,
            queries=tuple(self.queries[i] for i in picked),
            answers=tuple(self.answers[i] for i in picked) if self.answers else (),
            **{name: getattr(self, name)[picked, :] for name in MATRICES},
        )

    def pool(self, models: Sequence[str]) -> Outcomes:
        """These models only, in this order. Raises `ConfigError` for one that is not there."""
        for model in models:
            if model not in self.models:
                raise ConfigError(f"`{model}` is not among the recorded models: name some of {', '.join(self.models)}")
        columns = [self.models.index(model) for model in models]
        return replace(
            self,
            models=tuple(models),
            answers=tuple(tuple(row[m] for m in columns) for row in self.answers),
            **{name: getattr(self, name)[:, columns] for name in MATRICES},
        )

    def digest(self) -> str:
        """SHA-256 of everything but the answers' text, as 64 hex digits: the same data has the same digest, whatever file it came from."""
        total = hashlib.sha256(json.dumps([self.models, [astuple(query) for query in self.queries]], separators=(",", ":")).encode())
        for name in MATRICES:
            total.update(getattr(self, name).astype("<f8").tobytes())
        return total.hexdigest()
