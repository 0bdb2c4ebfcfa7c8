"""The log that a command works on, and the files that belong to it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointsman.cli.source import argument, source
from pointsman.errors import ConfigError
from pointsman.stores.checkpoints import Checkpoint, read_checkpoints
from pointsman.stores.logfile import LogFile
from pointsman.stores.places import Places


def log_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which log."""
    argument(parser)
    parser.add_argument("--log", metavar="FILE", type=Path, help="the log's file (default: the configuration's `store.path`)")
    parser.add_argument("--checkpoints", metavar="FILE", type=Path, help="signed checkpoints, one a line (default: <log>-checkpoints)")


def key_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--key`."""
    parser.add_argument("--key", metavar="FILE", type=Path, help="the private key (default: <log>-audit-key)")


def content_keys_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--content-keys`."""
    parser.add_argument("--content-keys", metavar="FILE", type=Path, help="what contents are sealed with (default: <log>-content-keys)")


def places(given: argparse.Namespace) -> Places:
    """The log's files. Raises `ConfigError` where there is no log."""
    log = given.log or Path(source(given).config.store.path)
    if not log.exists():
        raise ConfigError(f"{log}: no such log: start the gateway first, or name the file with --log")
    return Places.of(log, getattr(given, "checkpoints", None), getattr(given, "key", None), getattr(given, "content_keys", None))


@contextmanager
def reading(log: Path) -> Iterator[LogFile]:
    """The log, open for reading."""
    file = LogFile(log)
    try:
        yield file
    finally:
        file.close()


def known_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints of a file, none where there is no such file."""
    return read_checkpoints(path) if path.exists() else []
