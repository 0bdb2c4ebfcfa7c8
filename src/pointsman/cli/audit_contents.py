"""`pointsman audit retain`, `erase` and `content`: contents that were kept, and their end."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from pointsman.cli.logs import content_keys_argument, places, reading
from pointsman.cli.times import moment
from pointsman.errors import ConfigError
from pointsman.stores.content_keys import ContentKeys, sealing_key
from pointsman.stores.log import LogRecord
from pointsman.stores.retention import Erased, erasable
from pointsman.stores.retention import retain as retain_contents


def _erasing(parser: argparse.ArgumentParser) -> None:
    content_keys_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased")
    parser.add_argument("--json", action="store_true", help="print JSON")


def retain_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `retain`."""
    parser.add_argument("--older-than", metavar="TIME", required=True, help="contents of the days before: 90d, 12h, 2w or a date")
    parser.add_argument("--subject", metavar="NAME", help="only those of this subject")
    _erasing(parser)


def erase_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `erase`."""
    parser.add_argument("--subject", metavar="NAME", required=True, help="whose contents")
    _erasing(parser)


def retain(given: argparse.Namespace) -> int:
    """Destroy the keys of contents that are older, for good; the log says which."""
    before = moment(given.older_than, datetime.now(UTC)).astimezone(UTC).date()
    whose = "" if given.subject is None else ", of one subject"
    return _erased(given, before, f"older than {given.older_than}, before {before}{whose}")


def erase_subject(given: argparse.Namespace) -> int:
    """Destroy the keys of all contents of a subject, for good; the log says which."""
    return _erased(given, None, "all of one subject")


def _erased(given: argparse.Namespace, before: date | None, reason: str) -> int:
    found = places(given)
    keys = _keys(found.content_keys)
    try:
        if given.dry_run:
            with reading(found.log) as log:
                chosen = erasable(log, keys, given.subject, before)
            erased = Erased(len(chosen.keys), chosen.total, ())
        else:
            erased = asyncio.run(retain_contents(found.log, keys, reason, given.subject, before))
    finally:
        keys.close()
    what = f"{erased.contents:,} contents of {erased.keys:,} keys"
    done = "would be erased" if given.dry_run else f"are erased{': ' if erased.records else ''}{', '.join(erased.records)}"
    print(json.dumps({**asdict(erased), "dry_run": given.dry_run}) if given.json else f"{what} {done}")
    return 0


def content_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `content`."""
    parser.add_argument("decision", help="id of a decision")
    content_keys_argument(parser)


def content(given: argparse.Namespace) -> int:
    """Print what was asked, where it is kept and not erased; 1 where it is not."""
    found = places(given)
    with reading(found.log) as log:
        entry = next((entry for entry in log.read(given.decision) if entry.kind == "content"), None)
    if entry is None:
        raise ConfigError(f"no content of decision `{given.decision}` in the log: it is kept only with `store.content`")
    opened = entry.body if sealing_key(entry.body) is None else _opened(found.content_keys, entry)
    print("it was erased: its key is destroyed" if opened is None else opened.decode(errors="replace"))
    return 1 if opened is None else 0


def _opened(path: Path, entry: LogRecord) -> bytes | None:
    keys = _keys(path)
    try:
        return keys.open(entry.decision, entry.body)
    finally:
        keys.close()


def _keys(path: Path) -> ContentKeys:
    if not path.exists():
        raise ConfigError(f"{path}: no content keys: name their file with --content-keys")
    return ContentKeys(path)
