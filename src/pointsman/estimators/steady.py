"""What is put in front of a question must not lift the strong models: what is said of a whole text is held to what its end says.

A prefix moves the whole and, if it is short beside the question, not the end. Whoever looks for words that send everything to the dearest
model finds them for one reading; for two of different length, one of which does not hold them, there is little to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.features import fits

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

WORDS = 24  #: of a text's end that are read by themselves
SLACK = -0.01  #: added to how much more the whole usually says for strong models than its end; with less, prefixes move less


def ending(text: str) -> str | None:
    """The last words of a text; none where there are no others, or where a text is so long that they are few of it.

    >>> ending("one two three"), ending("more " * 30)[:9]
    (None, 'more more')
    """
    words = text.rsplit(None, WORDS) if fits(text) else ()
    return " ".join(words[1:]) if len(words) > WORDS else None


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """How far the strong models may be lifted."""

    strong: Vector  #: direction in which models differ in mean quality, of length 1; 0: nothing is held
    usual: float = 0.0  #: how much more the whole of a text says for them than its end, on average
    taken: float = 0.0  #: what is taken from them on average, and given back to all texts alike

    @property
    def holds(self) -> bool:
        """Whether there is anything to hold: else ends need not be read."""
        return bool(self.strong.any())

    @classmethod
    def of(cls, mean: Vector, whole: Matrix, ends: Matrix) -> Steady:
        """Learn from what was said of some queries (rows) and of their ends."""
        centred = mean - mean.mean()
        strong = centred / max(float(np.sqrt(centred @ centred)), 1e-9)
        more = (whole - ends) @ strong
        usual = float(more.mean()) if len(more) else 0.0
        return cls(strong, usual, float(np.maximum(more - usual - SLACK, 0).mean()) if len(more) else 0.0)

    def held(self, whole: Vector, end: Vector | None) -> Vector:
        """Quality by model, from what is said of the whole and of its end."""
        over = 0.0 if end is None else max(float((whole - end) @ self.strong) - self.usual - SLACK, 0.0)
        return np.asarray(whole - (over - self.taken) * self.strong)
