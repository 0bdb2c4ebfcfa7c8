"""`pointsman audit export` and `prove`: the log, or a word about it, for somebody who does not have it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from pointsman.cli.logs import known_checkpoints, places, reading
from pointsman.cli.times import moment
from pointsman.errors import ConfigError
from pointsman.stores.checkpoints import Checkpoint
from pointsman.stores.export import write_csv, write_jsonl, write_parquet
from pointsman.stores.logfile import LogFile
from pointsman.stores.proofs import prove_growth, prove_record


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    parser.add_argument(
        "--format", choices=["jsonl", "csv", "parquet"], default="jsonl", help="JSON Lines can be verified (default: jsonl)"
    )
    parser.add_argument("--after", metavar="N", type=int, default=0, help="only records after that number: to go on from an earlier export")
    parser.add_argument("--since", metavar="TIME", help="only from the first record of that time on: 2026-01-31, or 90d, 12h or 2w ago")
    parser.add_argument("--until", metavar="TIME", help="only up to the first record of that time, without it")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write it (default: standard output)")


def export(given: argparse.Namespace) -> int:
    """Write the log's records to a file that can be verified, and read, without a database."""
    found = places(given)
    with reading(found.log) as log, _output(given.out) as out:
        rows = log.chain(max(given.after, _before(log, given.since, 0)), _before(log, given.until, log.head().seq))
        if given.format == "jsonl":
            count = write_jsonl(rows, log.get_snapshot, out)
        elif given.format == "parquet":
            count = write_parquet(rows, out)
        else:
            text = TextIOWrapper(out, "utf-8", newline="")
            try:
                count = write_csv(rows, text)
            finally:
                text.detach()  # or it would close what it writes to
    print(f"{count:,} records", file=sys.stderr)
    return 0


def _before(log: LogFile, time: str | None, otherwise: int) -> int:
    """Number of the record before the first one of that time."""
    if time is None:
        return otherwise
    at_ns = int(moment(time, datetime.now(UTC)).timestamp() * 1e9)
    ((first,),) = log.rows("SELECT min(seq) FROM log WHERE at_ns >= ?", (at_ns,))
    return log.head().seq if first is None else first - 1


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        return
    part = path.with_name(path.name + ".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def prove_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `prove`."""
    parser.add_argument("--record", metavar="N", type=int, help="prove that this record is in the log")
    parser.add_argument("--decision", metavar="ID", help="the same for the record of a decision")
    parser.add_argument("--growth", metavar="N", type=int, help="prove that the log has only grown since the checkpoint at record N")


def prove(given: argparse.Namespace) -> int:
    """Print a proof against a signed checkpoint, for somebody who does not have the log."""
    if sum(asked is not None for asked in (given.record, given.decision, given.growth)) != 1:
        raise ConfigError("name one thing to prove: --record N, --decision ID or --growth N")
    found = places(given)
    known = sorted(known_checkpoints(found.checkpoints), key=lambda each: each.size)
    with reading(found.log) as log:
        if given.growth is not None:
            print(prove_growth(log, _checkpoint_at(known, given.growth, exactly=True), known[-1]))
        else:
            seq = given.record if given.record is not None else _seq_of(log, given.decision)
            print(prove_record(log, seq, _checkpoint_at(known, seq)))
    return 0


def _seq_of(log: LogFile, decision: str) -> int:
    for entry in log.read(decision):
        if entry.kind == "decision":
            return entry.seq
    raise ConfigError(f"no decision `{decision}` in the log")


def _checkpoint_at(known: list[Checkpoint], seq: int, *, exactly: bool = False) -> Checkpoint:
    for each in known:
        if each.size == seq if exactly else each.size >= seq:
            return each
    raise ConfigError(f"no checkpoint {'is at' if exactly else 'covers'} record {seq}: make one with `pointsman audit checkpoint`")
