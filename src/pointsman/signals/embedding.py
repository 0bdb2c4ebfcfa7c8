"""Embeddings: texts as vectors of which near ones mean the like, worked out in this process in a tenth of a millisecond.

```python
from pointsman.signals.embedding import shipped

near, far = shipped().embed(["how do I boil an egg", "cooking eggs"])
```

The shipped table (`catalogue/NOTICE` says whose it is) holds a vector for each piece of a vocabulary; a text is the mean of its pieces'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pointsman.signals.wordpiece import WordPiece, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CHARS = 8_192  # of a text that are read: half from its beginning, half from its end
SHIPPED = "minilm-static-256-75388957"  #: name of the shipped table: what it is, and how its SHA-256 begins


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
            row[:] = self.mean(self.pieces.counts(words(ends(text))))
        return rows

    def mean(self, counts: Mapping[int, int]) -> NDArray[np.float32]:
        """The direction of the mean of pieces' vectors, each as often as is said; zeros where there is none."""
        import numpy as np

        rows = self.table.take(list(counts), axis=0).astype(np.float32) if counts else np.zeros((0, self.dims), np.float32)
        # Whole numbers below 2**24 add up to the same on every machine; their length is the only thing that is rounded.
        total = (np.array(list(counts.values()), np.float32) @ rows).astype(np.float64)
        length = float(np.sqrt(total @ total))
        direction: NDArray[np.float32] = (total / (length or 1.0)).astype(np.float32)
        return direction


@cache
def shipped() -> StaticEmbedder:
    """The table that ships with Pointsman, read on first use (20 ms) and mapped into memory: processes share it.

    >>> shipped().dims
    256
    """
    import gzip
    from importlib import resources

    import numpy as np

    folder = resources.files("pointsman.catalogue") / "embedding"
    vocabulary = gzip.decompress((folder / "vocabulary.txt.gz").read_bytes()).decode().splitlines()
    table = np.load(str(folder / "table.npy"), mmap_mode="r", allow_pickle=False)
    return StaticEmbedder(SHIPPED, WordPiece(vocabulary), table.view(np.ndarray))


def ends(text: str) -> str:
    """What is read of a text."""
    if len(text) <= MOST_CHARS:
        return text
    half = MOST_CHARS // 2
    return f"{text[:half]} {text[-half:]}"
