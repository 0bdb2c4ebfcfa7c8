"""Texts in which sensitive spans were marked by hand, and how many of the spans a detector finds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pointsman.errors import ConfigError
from pointsman.signals.sensitivity.detect import Detector
from pointsman.signals.sensitivity.measure import NOTHING, Share
from pointsman.signals.sensitivity.texts import Piece

_KEY = b"only for measuring."


@dataclass(frozen=True, slots=True)
class Span:
    """A marked stretch of a text, in characters."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and what is marked in it."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector finds in marked texts."""

    spans: Mapping[str, Share]  #: by type: spans of which a finding covers some part
    table: Mapping[str, Mapping[str, int]]  #: type -> recognisers that found it, or `nothing` -> spans
    clean: Share  #: texts without spans in which something is found


def read_marked(path: Path, splits: tuple[str, ...] = ()) -> Iterator[Marked]:
    """The texts of a `.jsonl` or `.parquet` file, or of `rows.parquet` in a folder; with `splits` those of these splits only.

    A row has `text`, `spans` (each with `entity_type`, `start` and `end`) and maybe `split`. Raises `ConfigError`.
    """
    path = path / "rows.parquet" if path.is_dir() else path
    if not path.exists():
        raise ConfigError(f"{path}: no such file: name a file of marked texts, .jsonl or .parquet")
    rows = {".parquet": _parquet, ".jsonl": _jsonl}.get(path.suffix)
    if rows is None:
        raise ConfigError(f"{path}: unknown format `{path.suffix}`: give .jsonl or .parquet")
    for number, row in enumerate(rows(path), 1):
        try:
            if splits and row.get("split") not in splits:
                continue
            spans = tuple(Span(str(span["entity_type"]), int(span["start"]), int(span["end"])) for span in row["spans"])
            yield Marked(str(row["text"]), spans)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}: row {number} is no marked text: give `text`, and `spans` with `entity_type`, `start`, `end`"
            ) from error


def found_in(detector: Detector, texts: Iterable[Marked]) -> Found:
    """How many of the marked spans the detector finds, and what finds them."""
    hits: Counter[str] = Counter()
    total: Counter[str] = Counter()
    table: dict[str, Counter[str]] = {}
    clean = false = 0
    for text in texts:
        findings = detector.detect((Piece(text.text),), _KEY).findings
        if not text.spans:
            clean += 1
            false += bool(findings)
        for span in text.spans:
            names = {one.recogniser for one in findings if one.start < span.end and one.end > span.start}
            total[span.type] += 1
            hits[span.type] += bool(names)
            table.setdefault(span.type, Counter()).update(names or {NOTHING})
    shares = {name: Share(hits[name], count) for name, count in sorted(total.items())}
    return Found(shares, {name: dict(counts.most_common()) for name, counts in table.items()}, Share(false, clean))


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(f"{path}: parquet needs pyarrow: `pip install 'pointsman[parquet]'`, or give .jsonl") from error
    for batch in parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


def _jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}: line {number} is not JSON") from error
