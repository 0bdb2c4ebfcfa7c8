"""The chain finds every change; against a checkpoint also the ones that come with fresh hashes."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import RecordError
from pointsman.stores.chain import GENESIS, link, walk
from pointsman.stores.database import open_reader
from pointsman.stores.log import Head
from pointsman.stores.logfile import LogFile, _digests, verify
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.verifying import verify_rows
from tests.stores.audited import tamper

RECORDS = 12  #: a snapshot, ten decisions, a snapshot


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("original") / "log.db"

    async def scene():
        async with SqliteLog(path) as log:
            await log.put_snapshot("s1", b"first policy")
            for n in range(RECORDS - 2):
                await log.append("decision", f"d{n}", f"body {n}".encode())
            await log.put_snapshot("s2", b"second policy")

    asyncio.run(scene())
    return path


@pytest.fixture
def copy(original, tmp_path) -> Path:
    return Path(shutil.copy(original, tmp_path / "log.db"))


def head_of(path: Path) -> Head:
    file = LogFile(path)
    try:
        return file.head()
    finally:
        file.close()


def rewrite(path: Path, first: int) -> None:
    """Give every record from `first` on a hash that fits its content and the record before."""
    connection = apsw.Connection(str(path))
    (last,) = connection.execute("SELECT max(seq) FROM log").fetchone()
    for seq in range(first, last + 1):
        before = connection.execute("SELECT hash FROM log WHERE seq = ?", (seq - 1,)).get or GENESIS
        kind, decision, at_ns, body = connection.execute("SELECT kind, decision, at_ns, body FROM log WHERE seq = ?", (seq,)).get
        digest = link(before, seq, kind.encode(), decision.encode(), at_ns, body)
        connection.execute("UPDATE log SET prev = ?, hash = ? WHERE seq = ?", (before, digest, seq))
    connection.close()


TAMPERED = {
    "body": (["UPDATE log SET body = x'00' WHERE seq = 5"], 5, "content was changed"),
    "body grows": (["UPDATE log SET body = CAST(body || 'x' AS BLOB) WHERE seq = 5"], 5, "content was changed"),
    "kind": (["UPDATE log SET kind = 'outcome' WHERE seq = 5"], 5, "content was changed"),
    "decision": (["UPDATE log SET decision = 'd9' WHERE seq = 5"], 5, "content was changed"),
    "text moves between fields": (["UPDATE log SET kind = 'decisiond', decision = '3' WHERE seq = 5"], 5, "content was changed"),
    "time": (["UPDATE log SET at_ns = at_ns + 1 WHERE seq = 5"], 5, "content was changed"),
    "hash": (["UPDATE log SET hash = randomblob(32) WHERE seq = 5"], 5, "content was changed"),
    "prev": (["UPDATE log SET prev = randomblob(32) WHERE seq = 5"], 5, "does not continue record 4"),
    "first record": (["UPDATE log SET body = x'00' WHERE seq = 1"], 1, "content was changed"),
    "last record": ([f"UPDATE log SET body = x'00' WHERE seq = {RECORDS}"], RECORDS, "content was changed"),
    "deleted": (["DELETE FROM log WHERE seq = 5"], 6, "follows record 4: what stood between is missing"),
    "deleted at the front": (["DELETE FROM log WHERE seq = 1"], 2, "follows record 0"),
    "deleted and closed up": (
        ["DELETE FROM log WHERE seq = 5", "UPDATE log SET seq = seq - 1000 WHERE seq > 5", "UPDATE log SET seq = seq + 999 WHERE seq < 0"],
        5,
        "does not continue record 4",
    ),
    "inserted": (
        [
            "UPDATE log SET seq = -seq WHERE seq >= 5",
            "UPDATE log SET seq = 1 - seq WHERE seq < 0",
            "INSERT INTO log SELECT 5, kind, decision, at_ns, body, prev, hash FROM log WHERE seq = 4",
        ],
        5,
        "does not continue record 4",
    ),
    "repeated at the end": (
        [f"INSERT INTO log SELECT {RECORDS + 1}, kind, decision, at_ns, body, prev, hash FROM log WHERE seq = {RECORDS}"],
        RECORDS + 1,
        "does not continue",
    ),
    "slipped in at 0": (
        ["INSERT INTO log SELECT 0, kind, decision, at_ns, body, prev, hash FROM log WHERE seq = 1"],
        0,
        "before the first",
    ),
    "slipped in far below": (
        ["INSERT INTO log SELECT -9223372036854775807 - 1, kind, decision, at_ns, body, prev, hash FROM log WHERE seq = 1"],
        -(2**63),
        "before the first",
    ),
    "swapped": (
        ["UPDATE log SET seq = 0 WHERE seq = 5", "UPDATE log SET seq = 5 WHERE seq = 6", "UPDATE log SET seq = 6 WHERE seq = 0"],
        5,
        "does not continue record 4",
    ),
    "bodies swapped": (
        ["UPDATE log SET body = (SELECT body FROM log AS other WHERE other.seq = 11 - log.seq) WHERE seq IN (5, 6)"],
        5,
        "content was changed",
    ),
    "snapshot changed": (["UPDATE snapshots SET body = x'00' WHERE id = 's2'"], RECORDS, "snapshot `s2` is not the recorded one"),
    "snapshot added": (["INSERT INTO snapshots VALUES ('s3', x'00', 0)"], RECORDS, "snapshot `s3` has no record"),
    "snapshot removed": (["DELETE FROM snapshots WHERE id = 's1'"], 1, "snapshot `s1` is missing"),
    "table dropped": (["DROP TABLE log"], 1, "no such table"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_change_in_place_is_found(copy, name):
    statements, seq, reason = TAMPERED[name]
    assert verify(copy).ok
    tamper(copy, *statements)
    broken = verify(copy).broken
    assert broken is not None
    assert broken.seq == seq
    assert reason in broken.reason


REWRITTEN = {
    "cut short": [f"DELETE FROM log WHERE seq > {RECORDS - 1}", "DELETE FROM snapshots WHERE id = 's2'"],
    "emptied": ["DELETE FROM log", "DELETE FROM snapshots"],
    "last record replaced": [f"UPDATE log SET at_ns = 1 WHERE seq = {RECORDS}"],
    "rewritten from 5": ["UPDATE log SET body = x'00' WHERE seq = 5"],
    "rewritten from the start": ["UPDATE log SET at_ns = 1 WHERE seq = 1"],
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_rewritten_chain_is_found_against_a_checkpoint(copy, name):
    checkpoint = Head.parse(str(head_of(copy)))
    tamper(copy, *REWRITTEN[name])
    rewrite(copy, 1) if name != "emptied" else None
    assert verify(copy).ok, "the chain alone cannot tell"
    assert not verify(copy, expected_head=checkpoint).ok


def test_a_checkpoint_holds_while_the_log_grows(copy):
    checkpoint = head_of(copy)

    async def scene():
        async with SqliteLog(copy) as log:
            await log.append("decision", "later", b"")

    asyncio.run(scene())
    found = verify(copy, expected_head=checkpoint)
    assert found.ok
    assert found.records == RECORDS + 1


def test_a_snapshot_that_comes_while_a_log_is_verified_is_no_finding(copy):
    log, connection = LogFile(copy), open_reader(copy)
    rows = list(log.chain())

    async def scene():
        async with SqliteLog(copy) as writing:
            await writing.put_snapshot("s3", b"third policy")

    asyncio.run(scene())
    assert verify_rows(rows, partial(_digests, connection)).records == RECORDS
    log.close()
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET body = x'00' WHERE seq = 5",
        "DELETE FROM log WHERE seq = 5",
        "REPLACE INTO log SELECT seq, kind, decision, at_ns, x'00', prev, hash FROM log WHERE seq = 5",
        "INSERT INTO log SELECT seq + 1, kind, decision, at_ns, body, prev, hash FROM log WHERE seq = 12",
        "INSERT INTO log VALUES (14, 'decision', 'd', 0, x'', x'', x'')",
        "INSERT INTO log VALUES (-1, 'decision', 'd', 0, x'', x'', x'')",
    ],
)
def test_the_file_itself_refuses_changes(copy, statement):
    connection = apsw.Connection(str(copy))
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        connection.execute(statement)
    connection.close()


def content(path: Path) -> object:
    file = LogFile(path)
    try:
        return file.recent(1000, kind=None), [file.get_snapshot(name) for name in ("s1", "s2")]
    finally:
        file.close()


def test_a_flipped_bit_anywhere_in_the_file_changes_no_record_unseen(original, tmp_path):
    whole, true_content = original.read_bytes(), content(original)
    chance = Random(20261121)
    found = 0
    for number in range(300):
        position = chance.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        if not verify(path).ok:
            found += 1
        else:
            with suppress(RecordError):  # an index that is damaged is seen when it is used
                assert content(path) == true_content, f"byte {position}"
        path.unlink()
    assert found > 10, "the log's own pages were hit as well"


@given(
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=20)), max_size=8)
)
def test_walk_accepts_exactly_what_link_made(contents):
    rows, prev = [], GENESIS
    for seq, (kind, decision, at_ns, body) in enumerate(contents, 1):
        digest = link(prev, seq, kind, decision, at_ns, body)
        rows.append((seq, kind, decision, at_ns, body, prev, digest))
        prev = digest
    assert walk(rows).head == Head(len(rows), prev)
    for left in range(len(rows) - 1):
        assert walk(rows[:left] + rows[left + 1 :]).broken.seq == left + 2


@given(st.tuples(st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=5)), st.tuples(*[st.binary(max_size=5)] * 3))
def test_two_contents_never_read_as_the_same_bytes(one, other):
    if one != other:
        assert link(GENESIS, 1, one[0], one[1], 0, one[2]) != link(GENESIS, 1, other[0], other[1], 0, other[2])


def test_a_missing_file_is_an_error_not_a_verdict(tmp_path):
    with pytest.raises(RecordError, match="no such log"):
        verify(tmp_path / "none.db")


def test_a_file_of_rubbish_is_broken(tmp_path):
    path = tmp_path / "rubbish.db"
    path.write_bytes(Random(1).randbytes(8192))
    assert "not a database" in verify(path).broken.reason
