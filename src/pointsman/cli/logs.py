"""The log that a command works on, and the files that belong to it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pointsman.build.audit import places_of
from pointsman.cli.source import argument, source
from pointsman.errors import ConfigError
from pointsman.stores.checkpoints import Checkpoint, read_checkpoints
from pointsman.stores.logfile import LogFile
from pointsman.stores.places import Places


def log_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which log."""
    argument(parser)
    parser.add_argument("--log", metavar="FILE", type=Path, help="the log's file (default: the configuration's `store.path`)")
    signed = "signed checkpoints, one a line (default: `audit.checkpoints`, else `<log>-checkpoints`)"
    parser.add_argument("--checkpoints", metavar="FILE", type=Path, help=signed)


def key_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--key`."""
    parser.add_argument("--key", metavar="FILE", type=Path, help="the private key (default: `audit.key`, else `<log>-audit-key`)")


def content_keys_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--content-keys`."""
    sealing = "what contents are sealed with (default: `audit.content_keys`, else `<log>-content-keys`)"
    parser.add_argument("--content-keys", metavar="FILE", type=Path, help=sealing)


def places(given: argparse.Namespace, option: str = "--log") -> Places:
    """The log's files. Raises `ConfigError` where there is no log, and tells the option that names one."""
    found = named_places(given)
    if not found.log.exists():
        raise ConfigError(f"{found.log}: no such log: start the gateway first, or name the file with {option}")
    return found


def named_places(given: argparse.Namespace) -> Places:
    """Where the log's files are, or are to be: as the arguments say, else as the configuration does, of a log named by itself beside it."""
    known = places_of(source(given, secrets=False).config) if given.log is None else Places.of(given.log)
    said = {name: getattr(given, name, None) for name in ("checkpoints", "key", "content_keys")}
    return replace(known, **{name: path for name, path in said.items() if path is not None})


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
