"""How well a detector does on samples whose labels are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Protocol

from pointsman.signals.sensitivity.detect import Detector
from pointsman.signals.sensitivity.texts import pieces

NOTHING = "nothing"
_KEY = b"only for measuring."


class Labelled(Protocol):
    """A request whose label is known."""

    @property
    def body(self) -> Mapping[str, object]:
        """As a client would send it."""

    @property
    def type(self) -> str:
        """What is in it; `none`: nothing."""

    @property
    def kind(self) -> str:
        """The label that it should raise; empty: none."""

    @property
    def way(self) -> str:
        """How it is written."""

    @property
    def group(self) -> str:
        """Whose share it counts towards."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson (1927).

    >>> Share(95, 100).interval
    (0.888, 0.978)
    """

    hits: int
    of: int

    @property
    def rate(self) -> float:
        """From 0 to 1; 0 of nothing."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true rate is, in 95 of 100 cases."""
        if not self.of:
            return 0.0, 1.0
        z, n, p = 1.96, self.of, self.rate
        middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return round(max(0.0, (middle - half) / (1 + z * z / n)), 3), round(min(1.0, (middle + half) / (1 + z * z / n)), 3)


@dataclass(frozen=True, slots=True)
class Confusion:
    """What was in the samples, and what was found."""

    table: Mapping[str, Mapping[str, int]]  #: type of what was in it -> recognisers that found something, or `nothing` -> samples
    recall: Mapping[str, Share]  #: by group: samples of which the label was raised
    by_way: Mapping[str, Share]
    by_type: Mapping[str, Share]
    false_positives: Share  #: samples without anything in which something was found
    false_kinds: Mapping[str, int] = field(default_factory=dict)  #: recogniser -> samples without anything in which it found something
    misses: tuple[tuple[str, str], ...] = ()  #: type and way of each sample of which the label was not raised


def confusion(detector: Detector, samples: Iterable[Labelled]) -> Confusion:
    """What the detector finds in the samples."""
    table: dict[str, Counter[str]] = {}
    groups, ways, types = (_Shares() for _ in range(3))
    wrong: Counter[str] = Counter()
    misses: list[tuple[str, str]] = []
    empty = false = 0
    for sample in samples:
        found = detector.detect(tuple(pieces(sample.body)), _KEY)
        names = sorted({finding.recogniser for finding in found.findings}) or [NOTHING]
        table.setdefault(sample.type, Counter()).update(names)
        if not sample.kind:
            empty += 1
            false += bool(found.labels)
            wrong.update(name for name in names if name != NOTHING)
            continue
        hit = sample.kind in found.labels
        for shares, name in ((groups, sample.group), (ways, sample.way), (types, sample.type)):
            shares.add(name, hit)
        if not hit:
            misses.append((sample.type, sample.way))
    return Confusion(
        table={name: dict(counts.most_common()) for name, counts in table.items()},
        recall=groups.shares,
        by_way=ways.shares,
        by_type=types.shares,
        false_positives=Share(false, empty),
        false_kinds=dict(wrong.most_common()),
        misses=tuple(misses),
    )


class _Shares:
    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}

    def add(self, name: str, hit: bool) -> None:
        share = self.shares.get(name, Share(0, 0))
        self.shares[name] = Share(share.hits + hit, share.of + 1)
