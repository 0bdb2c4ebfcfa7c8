"""Check the decision log's hash chain."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pointsman.cli.source import argument, source
from pointsman.errors import ConfigError
from pointsman.stores.log import Head
from pointsman.stores.logfile import verify


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("action", choices=["verify"], help="walk the chain from its first record to its last")
    argument(parser)
    parser.add_argument("--log", metavar="FILE", type=Path, help="the log's file (default: the configuration's `store.path`)")
    parser.add_argument(
        "--head", metavar="CHECKPOINT", help="a checkpoint printed earlier and kept elsewhere; finds a log cut short or written anew"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print what holds; 1 if something does not."""
    path = given.log or Path(source(given).config.store.path)
    if not path.exists():
        raise ConfigError(f"{path}: no such log: start the gateway first, or name the file with --log")
    found = verify(path, Head.parse(given.head) if given.head else None)
    if given.json:
        broken = None if found.broken is None else {"seq": found.broken.seq, "reason": found.broken.reason}
        print(json.dumps({"ok": found.ok, "records": found.records, "head": str(found.head), "broken": broken}))
    elif found.broken is None:
        print(f"{path}: {found.records:,} records, the chain holds\ncheckpoint to keep elsewhere: {found.head}")
    else:
        print(f"{path}: record {found.broken.seq}: {found.broken.reason}; {found.records:,} records before it hold")
    return 0 if found.ok else 1
