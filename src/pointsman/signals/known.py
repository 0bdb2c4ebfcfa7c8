"""Vectors that are known already: what a remote encoder made of some texts, each under what is read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.errors import ConfigError
from pointsman.signals.canonical import ends, folded
from pointsman.signals.embedding import MOST_CHARS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An embedder of texts that were read before; of any other nothing is known, or `strict` raises `ConfigError`."""

    name: str
    dims: int
    vectors: Mapping[str, Vector] = field(default_factory=dict, repr=False)  #: by `under` of the text
    strict: bool = True

    def embed(self, texts: Sequence[str]) -> Vector:
        import numpy as np

        rows = np.zeros((len(texts), self.dims), np.float32)
        for row, text in zip(rows, texts, strict=True):
            found = self.vectors.get(text)  # most come folded already
            if found is None:
                found = self.vectors.get(under(text))
            if found is not None:
                row[:] = found
            elif self.strict and text.strip():
                raise ConfigError("a text was not read beforehand, and a remote encoder reads nothing by itself")
        return rows


def under(text: str) -> str:
    """What of a text tells it from others that are read as the same.

    >>> under("What is  THE time?")
    'what is the time?'
    """
    return folded(ends(text, MOST_CHARS))


def direction(numbers: Sequence[float], dims: int) -> Vector | None:
    """A vector of length 1; `None` for numbers that are none: too many, too few, endless, or all of them 0."""
    import numpy as np

    if len(numbers) != dims:
        return None
    vector = np.asarray(numbers, np.float64)
    length = float(np.sqrt(vector @ vector))
    return (vector / length).astype(np.float32) if 0 < length < float("inf") else None
