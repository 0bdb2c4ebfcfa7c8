"""A log with all kinds of records, and its checkpoints, for the tests of the audit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

from pointsman.stores.chain import GENESIS, link
from pointsman.stores.places import Places
from pointsman.stores.signing import make_key
from pointsman.stores.sqlite import SqliteLog

BODIES = (
    b'{"n":1,"text":"caf\xc3\xa9 \\u2028 \\n"}',
    b"",
    b"not json",
    b'{"spread": "over\n lines"}',
    bytes(range(256)),
    b"[1]",
    b'{"nan":NaN}',
    b"{}",
)


def write(path: Path, count: int, first: int = 0) -> None:
    """Append so many records: a snapshot, then bodies of all sorts."""

    async def scene():
        async with SqliteLog(path) as log:
            await log.put_snapshot(f"s{first}", b'{"policy":%d}' % first)
            for number in range(first, first + count - 1):
                await log.append("decision", f'd{number} "ü\\', BODIES[number % len(BODIES)])

    asyncio.run(scene())


def signed(folder: Path) -> Places:
    """Places in a folder, with a key."""
    places = Places.of(folder / "log.db")
    make_key(places.key)
    return places


def tamper(path: Path, *statements: str) -> None:
    """Change the file past its guards."""
    connection = apsw.Connection(str(path))
    for trigger in ("log_no_update", "log_no_delete", "log_no_fork"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def rewrite(path: Path) -> None:
    """Number all records anew, and give each a hash that fits its content and the record before."""
    connection = apsw.Connection(str(path))
    rows = connection.execute("SELECT kind, decision, at_ns, body FROM log ORDER BY seq").fetchall()
    connection.execute("DELETE FROM log")
    before = GENESIS
    for seq, (kind, decision, at_ns, body) in enumerate(rows, 1):
        digest = link(before, seq, kind.encode(), decision.encode(), at_ns, body)
        connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", (seq, kind, decision, at_ns, body, before, digest))
        before = digest
    connection.close()
