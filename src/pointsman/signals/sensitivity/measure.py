"""How well a detector does on samples whose labels are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Protocol

from pointsman.signals.sensitivity.detect import Detected
from pointsman.signals.sensitivity.mask import Masked, mask
from pointsman.signals.sensitivity.texts import Piece, pieces

NOTHING = "nothing"
_KEY = b"only for measuring."


class Detects(Protocol):
    """What looks for sensitive data."""

    def detect(self, pieces: Sequence[Piece], key: bytes) -> Detected:
        """What the texts hold."""


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

    @property
    def written(self) -> str:
        """What must not be left, as it stands in the texts."""


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
    leak_free: Mapping[str, Share]  #: by group: samples of which no letter or digit of the value is left once masked, or that are not sent
    unharmed: Mapping[str, Share]  #: by group: of the samples that were masked, those of which everything else is left
    false_positives: Share  #: samples without anything in which something was found
    false_kinds: Mapping[str, int] = field(default_factory=dict)  #: recogniser -> samples without anything in which it found something
    misses: tuple[tuple[str, str], ...] = ()  #: type and way of each sample of which the label was not raised
    leaks: tuple[tuple[str, str], ...] = ()  #: of each of which something of the value is left
    harms: tuple[tuple[str, str], ...] = ()  #: of each of which more than the value is gone


def confusion(detector: Detects, samples: Iterable[Labelled]) -> Confusion:
    """What the detector finds in the samples, and what masking does to them."""
    table: dict[str, Counter[str]] = {}
    groups, ways, types, kept, whole = (_Shares() for _ in range(5))
    wrong: Counter[str] = Counter()
    empty = false = 0
    for sample in samples:
        texts = tuple(pieces(sample.body))
        found = detector.detect(texts, _KEY)
        names = sorted({finding.recogniser for finding in found.findings}) or [NOTHING]
        table.setdefault(sample.type, Counter()).update(names)
        if not sample.kind:
            empty += 1
            false += bool(found.labels)
            wrong.update(name for name in names if name != NOTHING)
            continue
        hit = sample.kind in found.labels
        told = sample.type, sample.way
        for shares, name in ((groups, sample.group), (ways, sample.way), (types, sample.type)):
            shares.add(name, hit, told)
        masked = mask(sample.body, texts, found.findings, _KEY)
        kept.add(sample.group, bool(masked.left) or _leak_free(texts, masked, sample.written), told)
        if masked.spans and not masked.left:
            whole.add(sample.group, _unharmed(texts, masked, sample.written), told)
    return Confusion(
        table={name: dict(counts.most_common()) for name, counts in table.items()},
        recall=groups.shares,
        by_way=ways.shares,
        by_type=types.shares,
        leak_free=kept.shares,
        unharmed=whole.shares,
        false_positives=Share(false, empty),
        false_kinds=dict(wrong.most_common()),
        misses=tuple(groups.missed),
        leaks=tuple(kept.missed),
        harms=tuple(whole.missed),
    )


def _leak_free(texts: Sequence[Piece], masked: Masked, written: str) -> bool:
    """Whether the value stands somewhere, and no letter or digit of it does once masked; what is not ASCII may be either in disguise."""
    places = [
        (index, at)
        for index, piece in enumerate(texts)
        for at in _places(piece.text, written)
        if piece.text[at].isalnum() or piece.text[at] > "~"
    ]
    return bool(places) and all(any(start <= at < end for start, end in masked.spans.get(index, ())) for index, at in places)


def _unharmed(texts: Sequence[Piece], masked: Masked, written: str) -> bool:
    """Whether all letters, digits and dots that are gone are of the value."""
    for index, spans in masked.spans.items():
        text = texts[index].text
        gone = {at for start, end in spans for at in range(start, end) if text[at].isalnum() or text[at] == "."}
        if not gone.issubset(_places(text, written)):
            return False
    return True


def _places(text: str, written: str) -> Iterable[int]:
    """Of every character of every occurrence."""
    start = text.find(written)
    while start >= 0:
        yield from range(start, start + len(written))
        start = text.find(written, start + len(written))


class _Shares:
    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}
        self.missed: list[tuple[str, str]] = []

    def add(self, name: str, hit: bool, told: tuple[str, str]) -> None:
        share = self.shares.get(name, Share(0, 0))
        self.shares[name] = Share(share.hits + hit, share.of + 1)
        if not hit:
            self.missed.append(told)
