"""Which configuration a command works on: the file named, `pointsman.yaml` here, or the built-in default for this environment."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.config.defaults import default_config
from pointsman.config.load import load_file, load_without_secrets, warnings
from pointsman.config.schema import Config
from pointsman.config.servers import FoundServer, found_servers

DEFAULT_FILE = Path("pointsman.yaml")


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration, and what to tell about it."""

    config: Config
    origin: str
    notes: tuple[str, ...]
    path: Path | None = None  #: the file that was read, if any
    routes: Mapping[str, str] = field(default_factory=dict)  #: of notes that are about one route, which


def argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration file (default: pointsman.yaml if it exists, else the built-in pool)"
    )


def source(arguments: argparse.Namespace, servers: Sequence[FoundServer] | None = None, *, secrets: bool = True) -> Source:
    """Load what the arguments name. Raises `ConfigError` with every problem of the file.

    Without a file the pool is made of what is here: `servers`, or those that a probe of this machine's usual ports finds.
    Without `secrets` the variables that they come from need not be set.
    """
    path: Path | None = arguments.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path is None:
        config, notes = default_config(os.environ, probe() if servers is None else servers)
        return Source(config, "the built-in pool", tuple(notes))
    config, unset = (load_file(path, os.environ), ()) if secrets else load_without_secrets(path, os.environ)
    missing = [f"environment variable `{name}` is not set: `pointsman serve` refuses the file without it" for name in unset]
    doubts = {f"warning: {path}: {doubt}": doubt.path for doubt in warnings(config)}
    routes = {note: str(place[1]) for note, place in doubts.items() if len(place) > 1 and place[0] == "routes"}
    return Source(config, str(path), (*(f"warning: {path}: {said}" for said in missing), *doubts), path, routes)


def tell(notes: tuple[str, ...]) -> None:
    """Print notes where they do not mix with results."""
    for note in notes:
        print(note, file=sys.stderr)


_PROBE_TIMEOUT_S = 0.3
_PROBE_BYTES = 1_000_000


def probe(except_ports: Collection[int] = ()) -> tuple[FoundServer, ...]:
    """Model servers on this machine's usual loopback ports."""
    return found_servers(_fetch, except_ports=except_ports)


def _fetch(url: str) -> bytes | None:
    # No proxy: loopback is meant literally.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PROBE_TIMEOUT_S) as answer:
            body: bytes = answer.read(_PROBE_BYTES)
            return body
    except (OSError, ValueError, urllib.error.URLError):  # nobody there, or nobody who speaks HTTP
        return None
