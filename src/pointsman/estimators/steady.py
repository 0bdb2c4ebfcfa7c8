"""What is put in front of a question must not lift the strong models: what is said of a whole text is held to what its end says.

A prefix moves the whole and, if it is short beside the question, not the end. Whoever looks for words that send everything to the dearest
model finds them for one reading; for two of different length, one of which does not hold them, there is little to find. Where nobody
attacks, two readings know more than one: what counts is their mean, or a little less than the end says if that is less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.features import ends

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

LEAST, MOST = 20, 40  #: words of an end
MARGIN = 0.01  #: by which the whole must say less for strong models than its end usually lets expect; with more, prefixes move less
_LONG = 12  # letters; longer words count as several: else words written together would hide a prefix


def ending(text: str) -> str | None:
    """The last half of the words that are read of a text, some at least and some at most; none where there are no others.

    >>> ending("one two three"), ending("before " * 20 + "after " * 20)[:11]
    (None, 'after after')
    """
    text = ends(text)
    words = text.split()
    # Half of so many words is more than are read; else long ones are counted, too.
    half = MOST if len(words) >= 2 * MOST else min(max(sum(map(_counts_as, words)) // 2, LEAST), MOST)
    left = half
    for place, word in enumerate(reversed(words), 1):
        left -= _counts_as(word)
        if left <= 0 and (place < len(words) or left < 0):
            before = text.rsplit(None, place)[0] if place < len(words) else ""
            return text[len(before) :].lstrip()[-left * _LONG :]
    return None


def _counts_as(word: str) -> int:
    return -(-len(word) // _LONG)


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """How far the strong models may be lifted."""

    strong: Vector  #: direction in which models differ in mean quality, of length 1; 0: nothing is held
    usual: float = 0.0  #: how much more the whole of a text says for them than its end, on average
    taken: float = 0.0  #: what is taken from them on average where there is an end, and given back there

    def __post_init__(self) -> None:
        if not np.isfinite([*self.strong.ravel(), self.usual, self.taken]).all():
            raise ValueError("how far strong models may be lifted is no number")

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
        return cls(strong, usual, float(_over(more - usual).mean()) if len(more) else 0.0)

    def held(self, whole: Vector, end: Vector) -> Vector:
        """Quality by model, from what is said of the whole and of its end."""
        more = (whole - end) @ self.strong - self.usual
        return np.asarray(whole - (_over(more) - self.taken) * self.strong)


def _over(more: Vector) -> Vector:
    """What to take off: all that the whole says beyond the end, and the margin; or half of what it says less, which leaves the mean."""
    return np.maximum(more + MARGIN, more / 2)
