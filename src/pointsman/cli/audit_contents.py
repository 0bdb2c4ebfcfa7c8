"""`pointsman audit retain`, `erase` and `content`: contents that were kept, and their end."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path

from pointsman.cli.logs import content_keys_argument, places, reading
from pointsman.cli.table import table
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
    whose = "whose contents, as `subjects` lists them: <id of the gateway key>/<name>; */<name> for that name behind every key"
    parser.add_argument("--subject", metavar="NAME", required=True, help=whose)
    _erasing(parser)


def retain(given: argparse.Namespace) -> int:
    """Destroy the keys of contents that are older, for good; the log says which."""
    before = moment(given.older_than, datetime.now(UTC)).astimezone(UTC).date()
    whose = "" if given.subject is None else ", of one subject"
    return _erased(given, before, f"older than {given.older_than}, before {before}{whose}")


def erase_subject(given: argparse.Namespace) -> int:
    """Destroy the keys of all contents of a subject, for good; the log says which. 1 where the subject has none."""
    return _erased(given, None, "all of one subject")


def subjects_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `subjects`."""
    content_keys_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def subjects(given: argparse.Namespace) -> int:
    """List whose contents are kept: how many, and of which days."""
    found = places(given)
    keys = _keys(found.content_keys)
    try:
        with reading(found.log) as log:
            kept = erasable(log, keys)
    finally:
        keys.close()
    listed: dict[str, tuple[int, str, str]] = {}
    for key in kept.keys:  # by day
        count, first, _ = listed.get(key.subject, (0, key.day.isoformat(), ""))
        listed[key.subject] = count + kept.contents[key.id], first, key.day.isoformat()
    if given.json:
        print(json.dumps([dict(zip(_SUBJECT, (name, *told), strict=True)) for name, told in sorted(listed.items())]))
    else:
        rows = [(name, f"{count:,}", first, last) for name, (count, first, last) in sorted(listed.items())]
        print(table([_SUBJECT, *rows], right=frozenset({1})) if rows else "no contents are kept")
    return 0


_SUBJECT = ("subject", "contents", "first", "last")


def _erased(given: argparse.Namespace, before: date | None, reason: str) -> int:
    found = places(given)
    keys = _keys(found.content_keys)
    try:
        if given.subject is not None and not keys.find(given.subject):
            print(_nobody(given.subject, {key.subject for key in keys.find()}), file=sys.stderr)
            return 1
        if given.dry_run:
            with reading(found.log) as log:
                chosen = erasable(log, keys, given.subject, before)
            erased = Erased(len(chosen.keys), chosen.total, ())
        else:
            erased = asyncio.run(retain_contents(found.log, keys, reason, given.subject, before, _by()))
    finally:
        keys.close()
    what = f"{erased.contents:,} contents of {erased.keys:,} keys"
    done = "would be erased" if given.dry_run else f"are erased{': ' if erased.records else ''}{', '.join(erased.records)}"
    print(json.dumps({**asdict(erased), "dry_run": given.dry_run}) if given.json else f"{what} {done}")
    return 0


def _nobody(subject: str, known: Collection[str]) -> str:
    """Nothing is kept of a subject: which others are near.

    >>> _nobody("ada", ["k3v7qd2maxwe/ada", "k3v7qd2maxwe/bea"])
    'no contents of a subject `ada` are kept, or their keys are destroyed already; near: `k3v7qd2maxwe/ada`'
    """
    behind = {found: found.partition("/")[2] for found in sorted(known)}
    wanted = subject.partition("/")[2] or subject
    near = [found for found, name in behind.items() if name == wanted] or get_close_matches(subject[:200], known)
    near = near or [found for found, name in behind.items() if name in get_close_matches(wanted[:200], behind.values())]
    cure = f"near: {', '.join(f'`{found}`' for found in near[:5])}" if near else "`pointsman audit subjects` lists those of whom there are"
    return f"no contents of a subject `{subject[:200]}` are kept, or their keys are destroyed already; {cure}"


def _by() -> str:
    """Whoever runs the command, as the system knows him."""
    try:
        return f"command-line {getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, in a container
        return f"command-line {os.getuid()}"


def content_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `content`."""
    parser.add_argument("decision", help="id of a decision")
    content_keys_argument(parser)


def content(given: argparse.Namespace) -> int:
    """Print what was asked, where it is kept and not erased; 1 where it is not."""
    found = places(given)
    with reading(found.log) as log:
        entries = {entry.kind: entry for entry in log.read(given.decision)}
    if (entry := entries.get("content")) is None:
        known = f"no content of decision `{given.decision}` was kept: that is done only with `store.content`"
        print(known if entries else f"no decision `{given.decision}` in the log", file=sys.stderr)
        return 1
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
