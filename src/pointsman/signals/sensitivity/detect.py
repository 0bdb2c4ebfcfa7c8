"""What a request's text holds that is sensitive.

One pass of a set of patterns says which recognisers could have anything to say; only those look, and only where words that they ask for
occur at all. Work is bounded: a text that is too long, or of which too many candidates turn out to be none, is reported as not wholly
searched, and its label is one that nobody defined, so it counts as the strictest there is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Any, NamedTuple

from pointsman.core.labels import UNSEARCHED as UNSEARCHED
from pointsman.signals.sensitivity import decode
from pointsman.signals.sensitivity.checks import LONGEST
from pointsman.signals.sensitivity.known import KNOWN_RECOGNISERS
from pointsman.signals.sensitivity.linear import PatternSet
from pointsman.signals.sensitivity.recogniser import SPREAD, Compiled, Recogniser, compile_one, spelt
from pointsman.signals.sensitivity.seams import seams
from pointsman.signals.sensitivity.texts import Piece
from pointsman.signals.sensitivity.view import View, Way

_WARMING = "%34 +44 20 7946 0018 GB82 WEST 1234 5698 7654 32"  # so that no request waits for what is imported when first needed
_LEAST_REST = 4  # characters of the rest of a value, of which the first part would do
_REST = re.compile(r"[\w/+=-]+")
_NOT_VALUE = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of sensitive data: what it is and where, never what it says."""

    kind: str  #: label that it raises
    recogniser: str
    confidence: float  #: 0 to 1
    where: str  #: path in the body, without words of the user's
    piece: int  #: which of the texts, from 0
    start: int  #: in that text, in characters
    end: int
    digest: str  #: keyed digest of the value without gaps and case, in hex: equal for equal values under one key
    ways: tuple[Way, ...] = ("plain",)  #: how the text was read to find it

    @property
    def whole(self) -> bool:
        """Whether the span holds all of it; of a value that is split over turns it holds the first part."""
        return "split" not in self.ways


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found in a request."""

    findings: tuple[Finding, ...] = ()  #: in the order of the text; of each recogniser at most `Settings.most_findings`
    complete: bool = True  #: whether everything was searched
    every: bool = True  #: whether no recogniser found more than `Settings.most_findings`, of which the rest is not here

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that follow, not yet closed, sorted."""
        kinds = {finding.kind for finding in self.findings}
        return tuple(sorted(kinds if self.complete else kinds | {UNSEARCHED}))


@dataclass(frozen=True, slots=True)
class Settings:
    """What is looked for, and how far."""

    recognisers: tuple[Recogniser, ...] = KNOWN_RECOGNISERS
    least_confidence: float = 0.5  #: findings below it are none
    most_chars: int = 1_000_000  #: of text that is searched; a longer one is not
    most_findings: int = 100  #: of one recogniser
    most_misses: int = 20_000  #: candidates that turn out to be none, of all recognisers together; with more the search ends


class Detector:
    """Looks for everything in `Settings`. Made once, off the hot path (half a second); safe to share between threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Raises `ConfigError` for a recogniser that cannot be used."""
        self._settings = settings or Settings()
        self._compiled = tuple(compile_one(source) for source in self._settings.recognisers)
        self._everything = PatternSet(one.pattern.pattern for one in self._compiled)
        self._wordy = {at: words for at, one in enumerate(self._compiled) if (words := _needed_words(one, self._settings.least_confidence))}
        self._words = PatternSet(self._wordy.values())
        self.detect((Piece(_WARMING),), b"nothing is kept")

    def detect(self, pieces: Sequence[Piece], key: bytes) -> Detected:
        """What the texts hold. `key`, 16 to 64 bytes and kept secret, is for the digests."""
        texts = [piece.text for piece in pieces]
        if sum(map(len, texts)) > self._settings.most_chars:
            return Detected(complete=False)
        search = _Search(self._settings, pieces, key)
        everything = View("\n".join(texts))
        for view in decode.views(everything):
            self._look(view, search)
        split = seams(pieces, search.starts, everything)
        if split is not None:
            for view in decode.views(split):
                self._look(view, search)
        return search.result()

    def _look(self, view: View, search: _Search) -> None:
        raw = view.text.encode()
        spread = view.ways[-1] == "spaced"
        for one in self._possible(raw):
            found = misses = 0
            for match in one.pattern.finditer(raw):
                if found >= self._settings.most_findings:
                    search.every = False
                    break
                if (hit := self._hit(one, match, raw, spread)) is None:
                    misses += 1
                    search.misses += 1
                    if search.misses > self._settings.most_misses or (one.most_misses is not None and misses > one.most_misses):
                        search.complete = False
                        break
                else:
                    found += 1
                    search.add(one.source, view, raw, hit)

    def _possible(self, raw: bytes) -> Iterator[Compiled]:
        possible = self._everything.matching(raw)
        if not possible:
            return
        explained = self._words.matching(raw)
        mute = {at for place, at in enumerate(self._wordy) if place not in explained}
        for index in sorted(possible - mute):
            yield self._compiled[index]

    def _hit(self, one: Compiled, match: Any, raw: bytes, spread: bool) -> _Hit | None:
        whole = match.span()
        start, end = match.span(one.group)
        if start < 0:  # the group took no part
            start, end = whole
        confidence = one.confidence(raw, start, end, spread=spread)
        if confidence < self._settings.least_confidence:
            return None
        if one.check is None:
            return _Hit(start, end, confidence, whole)
        if end - start > LONGEST:
            return None
        span = one.check(raw[start:end].decode("ascii", "replace"))
        return None if span is None else _Hit(start + span[0], start + span[1], confidence, whole if whole != (start, end) else None)


def _needed_words(one: Compiled, least: float) -> str:
    """A pattern for the words without which a recogniser has nothing to say; empty when it does not need any."""
    words = one.source.context
    return "" if not words or one.source.alone + SPREAD >= least else "(?i)" + "|".join(re.escape(word) for word in spelt(words))


class _Hit(NamedTuple):
    """A value in a view, in bytes; `whole` is the match when it is longer than the value."""

    start: int
    end: int
    confidence: float
    whole: tuple[int, int] | None


class _Search:
    """One search: what was found so far."""

    def __init__(self, settings: Settings, pieces: Sequence[Piece], key: bytes) -> None:
        self.misses = 0
        self.complete = self.every = True
        self._pieces = pieces
        self._key = key
        self._found: dict[tuple[str, int, int, int], Finding] = {}

    @cached_property
    def starts(self) -> list[int]:
        """Where each text begins in all of them together."""
        return list(accumulate((len(piece.text) + 1 for piece in self._pieces), initial=0))

    def add(self, source: Recogniser, view: View, raw: bytes, hit: _Hit) -> None:
        start, end = hit.start, hit.end
        value = raw[start:end].decode("utf-8", "replace")
        if len(raw) > len(view.text):
            start, end = (len(raw[:position].decode("utf-8", "replace")) for position in (start, end))
        start, end = view.origin(start, end)
        first, last = self._piece_at(start), self._piece_at(max(start, end - 1))
        if view.ways[-1] == "spaced" and self._pieces[first].role != self._pieces[last].role:
            return  # put together over two speakers
        if "split" in view.ways and first == last and not self._across(view, raw, hit):
            return  # it was found where it stands whole
        piece = self._pieces[first]
        base = self.starts[first]
        begin, stop = start - base, min(end - base, len(piece.text))
        digest = blake2b(_NOT_VALUE.sub("", value).casefold().encode(), key=self._key, digest_size=12).hexdigest()
        ways = view.ways if first == last or "split" in view.ways else (*view.ways, "split")
        finding = Finding(source.kind, source.name, hit.confidence, piece.where, first, begin, stop, digest, ways)
        if first != last and "split" in view.ways and _is_rest(self._pieces[last].text[: end - self.starts[last]]):
            self._found[source.name, first, begin, stop] = finding  # also where the first part alone would do
        self._found.setdefault((source.name, first, begin, stop), finding)

    def _across(self, view: View, raw: bytes, hit: _Hit) -> bool:
        """Whether what explains a value stands in another text than the value."""
        if hit.whole is None:
            return False
        start, end = view.origin(*(len(raw[:position].decode("utf-8", "replace")) for position in hit.whole))
        return self._piece_at(start) != self._piece_at(max(start, end - 1))

    def _piece_at(self, position: int) -> int:
        return min(bisect_right(self.starts, position), len(self._pieces)) - 1

    def result(self) -> Detected:
        return Detected(tuple(_surest(self._found.values())), self.complete, self.every)


def _is_rest(text: str) -> bool:
    """Whether what a text begins with looks like the rest of a value, and not like a word or a number of its own.

    >>> _is_rest("J5h2XWm92"), _is_rest("2026"), _is_rest("and 7Xb3")
    (True, False, False)
    """
    word = text.strip()
    return len(word) >= _LEAST_REST and _REST.fullmatch(word) is not None and not word.isdigit() and any(map(str.isdigit, word))


def _surest(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Of findings of one kind that overlap, the surest, in the order of the text."""
    kept: list[Finding] = []
    taken: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for finding in sorted(findings, key=lambda found: (-found.confidence, found.start - found.end)):
        spans = taken.setdefault((finding.kind, finding.piece), [])
        at = bisect_right(spans, (finding.start, finding.end))
        before = at > 0 and spans[at - 1][1] > finding.start
        after = at < len(spans) and spans[at][0] < finding.end
        if not before and not after:
            spans.insert(at, (finding.start, finding.end))
            kept.append(finding)
    yield from sorted(kept, key=lambda found: (found.piece, found.start, found.end))
