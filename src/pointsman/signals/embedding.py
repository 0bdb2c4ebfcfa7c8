"""Embeddings: texts as vectors of which near ones mean the like, worked out in this process in a tenth of a millisecond.

```python
from pointsman.signals.embedding import shipped

near, far = shipped().embed(["how do I boil an egg", "cooking eggs"])
```

The shipped table (`catalogue/NOTICE` says whose it is) holds a vector for each piece of a vocabulary; a text is the mean of its pieces'.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from pointsman.signals.wordpiece import WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CHARS = 8_192  # of a text that are read: half from its beginning, half from its end
SHIPPED = "minilm-static-256-75388957"  #: name of the shipped table: what it is, and how its SHA-256 begins


class Embedder(Protocol):
    """What turns texts into vectors. The same text gives the same vector, whatever stands beside it in a batch."""

    @property
    def name(self) -> str:
        """Tells it from every other one, weights included: what was learned from one's vectors is of no use with another's."""
        ...

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, of length 1; a text of which nothing is known is a row of zeros."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StaticEmbedder:
    """Looks up the vector of each piece and takes their mean: no model is run."""

    name: str
    pieces: WordPiece
    table: NDArray[np.int8]  #: one row a piece

    @property
    def dims(self) -> int:
        return int(self.table.shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np  # 0.1 s, and not needed to route by price

        rows = np.zeros((len(texts), self.dims), np.float32)
        for row, text in zip(rows, texts, strict=True):
            ids = self.pieces.ids(_ends(text))
            # Whole numbers add up to the same on every machine; their length is the only thing that is rounded.
            total = self.table.take(ids, axis=0).sum(axis=0, dtype=np.int32) if ids else row
            length = float(np.sqrt(np.dot(total.astype(np.float64), total)))
            if length:
                row[:] = total / length
        return rows


@cache
def shipped() -> StaticEmbedder:
    """The table that ships with Pointsman, read on first use (20 ms) and mapped into memory: processes share it.

    >>> shipped().dims
    256
    """
    import numpy as np

    folder = resources.files("pointsman.catalogue") / "embedding"
    vocabulary = gzip.decompress((folder / "vocabulary.txt.gz").read_bytes()).decode().splitlines()
    table = np.load(str(folder / "table.npy"), mmap_mode="r", allow_pickle=False)
    return StaticEmbedder(SHIPPED, WordPiece(vocabulary), table.view(np.ndarray))


def _ends(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    half = MOST_CHARS // 2
    return f"{text[:half]} {text[-half:]}"
