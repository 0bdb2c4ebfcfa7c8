"""Embeddings: texts as vectors of which near ones mean the like, worked out in this process in a tenth of a millisecond.

```python
from pointsman.signals.embedding import shipped

near, far = shipped().embed(["how do I boil an egg", "cooking eggs"])
```

The shipped table (`catalogue/NOTICE` says whose it is) holds a vector for each piece of a vocabulary; a text is the mean of its pieces'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import sqrt
from typing import TYPE_CHECKING

from pointsman.native import core
from pointsman.signals.canonical import ends, words_of
from pointsman.signals.wordpiece import WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CHARS = 768  #: of a text that are read, from its beginning and its end
SHIPPED = "minilm-static-256-folded-768-75388957"  #: what the shipped table is, what is read of a text, how its SHA-256 begins


@dataclass(frozen=True, slots=True, eq=False)
class Spelt:
    """A folded text: hashes of its words, which pieces they hold, and the direction of those."""

    hashes: NDArray[np.int64]  #: CRC-32, in the words' order
    pieces: NDArray[np.intp]  #: each once
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class StaticEmbedder:
    """Looks up the vector of each piece and takes their mean: no model is run."""

    name: str
    pieces: WordPiece = field(repr=False)
    table: NDArray[np.int8] = field(repr=False)  #: one row a piece
    _latest: list[tuple[str, Spelt]] = field(default_factory=list, repr=False)  # one request asks several times for the same text

    @property
    def dims(self) -> int:
        return int(self.table.shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np  # 0.1 s, and not needed to route by price

        rows = np.zeros((len(texts), self.dims), np.float32)
        for row, text in zip(rows, texts, strict=True):
            spelt = self._known(text)
            if spelt is None:  # it is not asked for again
                pieces = self.pieces.look_up(words_of(ends(text, MOST_CHARS)))[0]
                row[:] = self._direction(pieces, np.ones(len(pieces), np.float32))
            else:
                row[:] = spelt.vector
        return rows

    def spell(self, text: str) -> Spelt:
        """Fold a text and look up its pieces; of a long one, those of its beginning and its end."""
        import numpy as np

        spelt = self._known(text)
        if spelt is not None:
            return spelt
        pieces, hashes = self.pieces.look_up(words_of(ends(text, MOST_CHARS)))
        new = np.ones(len(pieces) + 1, np.bool_)
        np.not_equal(pieces[1:], pieces[:-1], out=new[1:-1])
        at = new.nonzero()[0]
        pieces = pieces.take(at[:-1])
        spelt = Spelt(hashes, pieces, self._direction(pieces, (at[1:] - at[:-1]).astype(np.float32)))
        self._latest[:] = ((text, spelt),)
        return spelt

    def _known(self, text: str) -> Spelt | None:
        return next((spelt for known, spelt in self._latest if known == text), None)

    def _direction(self, pieces: NDArray[np.intp], times: NDArray[np.float32]) -> NDArray[np.float32]:
        """The direction of the mean of the pieces' vectors, each as often as it is there; zeros where there is none."""
        import numpy as np

        # Whole numbers below 2**24 add up to the same on every machine; their length is the only thing that is rounded.
        if core is None:
            total = times @ self.table.take(pieces, axis=0).astype(np.float32)
        else:
            total = np.zeros(self.dims, np.float32)
            core.summed(self.table, pieces, times, total)
        length = sqrt(float(total.dot(total.astype(np.float64))))
        direction: NDArray[np.float32] = total * np.float32(1 / (length or 1.0))
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
