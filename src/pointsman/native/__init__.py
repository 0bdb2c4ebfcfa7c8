"""Loops over bytes and numbers, compiled from C: `core`, or `None` where it was not built and their definitions in Python run instead.

What they give is the same, but for the last digit of sums; a decision in which much was learned takes three fifths of the time.
`POINTSMAN_NATIVE=0` does without. In a checkout, one that was compiled from other sources than those that lie here is not used. A loop
keeps nothing between calls, and reads and writes only within the buffers that it is given: arrays of numpy, or bytes. Buffers that do not
fit each other raise `ValueError`, places beyond them `IndexError`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Buffer = bytes | NDArray[Any]


VARIABLE = "POINTSMAN_NATIVE"


class Core(Protocol):
    """What is compiled. Each is defined, in Python, where it is used; arrays that are written to stand last."""

    def surface(self, raw: Buffer, counted: Buffer, cues: Buffer, numbers: Buffer, /) -> None:
        """What a text looks like (`estimators/surface.py`)."""

    def counted(self, raw: Buffer, damped: Buffer, rarity: Buffer, bucket: Buffer, weight: Buffer, /) -> int:
        """Its words, pairs and pieces; returns how many were written (`estimators/features.py`)."""
        ...

    def weighed(self, rarity: Buffer, bucket: Buffer, weight: Buffer, rarities: Buffer, weights: Buffer, /) -> None:
        """The same by how rare they are (`estimators/features.py`)."""

    def leaves(self, features: Buffer, feature: Buffer, threshold: Buffer, below: Buffer, roots: Buffer, found: Buffer, /) -> None:
        """Where texts end in each tree (`estimators/forest.py`)."""

    def gathered(self, values: Buffer, places: Buffer, rows: Buffer, total: Buffer, /) -> None:
        """Adds up weighed rows (`estimators/heads.py`)."""

    def summed(self, table: Buffer, places: Buffer, times: Buffer, total: Buffer, /) -> None:
        """Adds up rows of small whole numbers (`signals/embedding.py`)."""

    def slotted(self, words: Buffer, damped: Buffer, slots: Buffer, weights: Buffer, /) -> int:
        """The slots of hashed words and pairs; returns how many were written (`signals/grams.py`)."""
        ...

    def bounded(
        self,
        expected: Buffer,
        evidence: Buffer,
        square: Buffer,
        out: Buffer,
        edge: float,
        steadier: float,
        z: float,
        low: Buffer,
        high: Buffer,
        /,
    ) -> None:
        """Bounds of what is expected (`estimators/bounds.py`)."""

    def tally(self, raw: Buffer, groups: Buffer, kinds: Buffer, /) -> tuple[int, ...]:
        """How often groups of bytes are there, and runs of kinds of them (`signals/characters.py`)."""
        ...

    def words(self, raw: Buffer, kinds: Buffer, /) -> list[str]:
        """The words of a text (`signals/canonical.py`)."""
        ...

    def spelled(self, words: list[str], lexicon: dict[str, int], pieces: Buffer, hashes: Buffer, /) -> tuple[int, list[int]]:
        """The pieces and hashes of words; returns how many are a piece, and places of the others (`signals/wordpiece.py`)."""
        ...


def _compiled() -> Core | None:
    if sys.maxsize < 2**32 or sys.byteorder != "little":  # as its arrays are
        return None
    try:
        found = import_module("pointsman.native._core")
    except ImportError:  # no compiler where it was installed
        return None
    sources = sorted(Path(__file__).parent.glob("*.[ch]"))
    current = not sources or hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest() == getattr(found, "SOURCES", "")
    return cast("Core", found) if current else None


_wanted = os.environ.get(VARIABLE, "1") != "0"
core = _compiled() if _wanted else None
missing = _wanted and core is None  #: whether somebody who did not say so does without
