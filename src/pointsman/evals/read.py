"""Files of outcomes: which formats are read, and how they are told apart."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import routellm, routerbench
from pointsman.evals.rows import COLUMNS, Row, assemble

NO_PICKLE = "a pickle may run code when it is read: have whoever made it write CSV, JSONL or parquet"


def read(path: Path, *, answers: bool = False) -> Outcomes:
    """The outcomes in a file, or in a folder with `outcomes.parquet` or with RouteLLM's CSV files; see docs/evals.md for the formats.

    Raises `ConfigError` for a missing file, an unknown format, and the first bad row.
    """
    if path.is_dir():
        return read(path / "outcomes.parquet", answers=answers) if (path / "outcomes.parquet").exists() else _folder(path, answers=answers)
    if not path.exists():
        raise ConfigError(f"{path}: no such file: name a file or a folder of outcomes")
    if path.suffix in (".pkl", ".pickle"):
        raise ConfigError(f"{path}: {NO_PICKLE}")
    if path.suffix == ".csv":
        return _csv(path, answers=answers)
    rows = {".parquet": _parquet, ".jsonl": _jsonl}.get(path.suffix)
    if rows is None:
        raise ConfigError(f"{path}: unknown format `{path.suffix}`: give .parquet, .jsonl or .csv")
    return assemble(rows(path, answers), str(path), answers=answers)


def _folder(path: Path, *, answers: bool) -> Outcomes:
    files = sorted(path.glob("*.csv"))
    if not files:
        raise ConfigError(f"{path}: neither outcomes.parquet nor *.csv in it: name the folder of one data set")
    return assemble((row for file in files for row in routellm.rows(_table(file), file.stem)), str(path), answers=answers)


def _csv(path: Path, *, answers: bool) -> Outcomes:
    with path.open(encoding="utf-8", newline="") as lines:
        head = csv.DictReader(lines).fieldnames or []
    if {"query_id", "model"} <= set(head):
        return assemble(_table(path), str(path), answers=answers)
    if routerbench.is_wide(head):
        return assemble(routerbench.rows(_table(path)), str(path), answers=answers)
    if "prompt" in head:
        return assemble(routellm.rows(_table(path), path.stem), str(path), answers=answers)
    raise ConfigError(f"{path}: its first line is of no known format: give the columns {', '.join(COLUMNS[:4])}")


def _table(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            if None in row or None in row.values():
                raise ConfigError(f"{path}: record {number}: more or fewer fields than the first line names: quote texts that hold commas")
            yield row


def _jsonl(path: Path, _answers: bool) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}: line {number}: not JSON: {error}: write one object a line") from None
            if not isinstance(row, dict):
                raise ConfigError(f"{path}: line {number}: not an object: write one object a line")
            yield row


def _parquet(path: Path, answers: bool) -> Iterator[Row]:
    file = parquet().ParquetFile(path)
    there = set(file.schema_arrow.names)
    columns = [name for name in (*COLUMNS, *(("response",) if answers else ())) if name in there]
    for batch in file.iter_batches(columns=columns):
        yield from batch.to_pylist()


def parquet() -> Any:
    """The parquet reader. Raises `ConfigError` where it is not installed."""
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("parquet files need pyarrow: pip install 'pointsman[parquet]'") from None
