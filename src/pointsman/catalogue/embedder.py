"""What turns texts into vectors of which near ones mean the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
