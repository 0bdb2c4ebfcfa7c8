"""An export says exactly what the log says, and is verified without it."""

from __future__ import annotations

import base64
import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.stores.chain import GENESIS, link
from pointsman.stores.checkpoints import add_checkpoint, read_checkpoints
from pointsman.stores.export import Export, line, read_line, write_csv, write_jsonl, write_parquet
from pointsman.stores.logfile import LogFile
from pointsman.stores.signing import load_public, load_signer, public_file
from tests.stores.audited import BODIES, signed, write

RECORDS = 24  #: two snapshots among them


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    found = signed(tmp_path_factory.mktemp("original"))
    for first in (0, 12):
        write(found.log, 12, first)
        add_checkpoint(found.log, found.checkpoints, load_signer(found.key), load_public(public_file(found.key)))
    return found


@pytest.fixture
def log(places):
    file = LogFile(places.log)
    yield file
    file.close()


@pytest.fixture
def exported(log, tmp_path) -> Path:
    path = tmp_path / "export.jsonl"
    with path.open("wb") as out:
        assert write_jsonl(log.chain(), log.get_snapshot, out) == RECORDS
    return path


def test_json_lines_come_back_to_the_byte(log, exported):
    assert list(Export(exported).rows()) == list(log.chain())


def test_they_are_json_that_any_tool_reads(exported):
    lines = [json.loads(text) for text in exported.read_bytes().split(b"\n")[:-1]]
    records = [each for each in lines if "seq" in each]
    assert [each["seq"] for each in records] == list(range(1, RECORDS + 1))
    assert records[1]["body"] == {"n": 1, "text": "café \u2028 \n"}
    assert base64.b64decode(records[5]["body_base64"]) == bytes(range(256))
    assert [each for each in lines if "seq" not in each] == [{"snapshot": f"s{at}", "body": {"policy": at}} for at in (0, 12)]


def test_an_export_is_verified_by_itself_and_against_checkpoints(places, log, exported):
    marks = [known.mark for known in read_checkpoints(places.checkpoints)]
    assert Export(exported).verify(log.head(), marks).head == log.head()


def test_later_exports_go_on_from_earlier_ones(places, log, tmp_path):
    parts = [tmp_path / name for name in ("one", "two")]
    for path, after, until in zip(parts, (0, 7), (7, RECORDS), strict=True):
        with path.open("wb") as out:
            write_jsonl(log.chain(after, until), log.get_snapshot, out)
    marks = [known.mark for known in read_checkpoints(places.checkpoints)]
    assert Export(*parts).verify(None, marks).ok
    assert Export(parts[1]).verify().broken.reason == "follows record 0: what stood between is missing"
    assert Export(*parts[::-1]).verify().broken is not None


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


FORGED = b'{"snapshot":"s0","body":{"policies":"none at all"}}\n'

#: What is done to the lines, and why it is found; line 1 is the first record, line 2 the content of its snapshot.
TAMPERED = {
    "flip": (lambda lines: [*lines[:4], lines[4].replace(b'"at_ns":1', b'"at_ns":2'), *lines[5:]], "its content was changed"),
    "delete": (lambda lines: lines[:4] + lines[5:], "what stood between is missing"),
    "repeat": (lambda lines: [*lines[:5], lines[4], *lines[5:]], "before the first record"),
    "reorder": (swapped, "what stood between is missing"),
    "blank line": (lambda lines: [*lines[:4], b"\n", *lines[4:]], "line 5: it is not a record"),
    "another spelling": (lambda lines: [*lines[:4], lines[4].replace(b'{"seq":', b'{"seq": '), *lines[5:]], "line 5: it is not a record"),
    "another field": (
        lambda lines: [*lines[:4], lines[4].replace(b'{"seq"', b'{"note":1,"seq"'), *lines[5:]],
        "line 5: it is not a record",
    ),
    "a field twice": (lambda lines: [*lines[:2], lines[2].replace(b',"prev"', b',"seq":9,"prev"'), *lines[3:]], "content was changed"),
    "an escape": (
        lambda lines: [*lines[:4], lines[4].replace(b'"decision":"d2', b'"decision":"\\u00642'), *lines[5:]],
        "spelt in another way",
    ),
    "windows": (lambda lines: [text.replace(b"\n", b"\r\n") for text in lines], "line 1: it is not a record"),
    "end of the line": (lambda lines: [*lines[:-1], lines[-1][:-1]], "it is not a record"),
    "snapshot changed": (lambda lines: [lines[0], lines[1].replace(b"0}", b"1}"), *lines[2:]], "snapshot `s0` is not the recorded one"),
    "snapshot removed": (lambda lines: lines[:1] + lines[2:], "snapshot `s0` is missing"),
    "snapshot added": (lambda lines: [*lines, b'{"snapshot":"s9","body":{}}\n'], "snapshot `s9` does not follow its record"),
    "snapshot forged before": (lambda lines: [FORGED, *lines], "line 1: the content of snapshot `s0` does not follow its record"),
    "snapshot forged between": (lambda lines: [lines[0], FORGED, *lines[1:]], "line 3: the content of snapshot `s0` does not follow"),
    "snapshot forged after": (lambda lines: [*lines[:2], FORGED, *lines[2:]], "line 3: the content of snapshot `s0` does not follow"),
    "snapshot forged at the end": (lambda lines: [*lines, FORGED], "the content of snapshot `s0` does not follow its record"),
    "snapshot twice": (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: the content of snapshot `s0` does not follow"),
    "snapshot moved": (lambda lines: [lines[0], *lines[2:], lines[1]], "the content of snapshot `s0` does not follow its record"),
    "rubbish": (lambda lines: [*lines[:4], b"\xff\xfe\n", *lines[5:]], "line 5: it is not a record"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_change_of_an_export_is_found(exported, name):
    change, reason = TAMPERED[name]
    lines = exported.read_bytes().splitlines(keepends=True)
    changed = change(lines)
    assert changed != lines
    exported.write_bytes(b"".join(changed))
    found = Export(exported).verify()
    assert reason in found.broken.reason
    assert found.records == found.head.seq
    assert "line 5" not in reason or found.broken.seq == 4


def test_a_content_that_does_not_hash_to_its_id_is_refused(tmp_path):
    """Whoever works all hashes out anew cannot give a snapshot another content and keep its id."""
    genuine, forged = b'{"policy":1}', b'{"policy":2}'
    name = f"sha256:{sha256(genuine).hexdigest()}".encode()

    def snapshot(seq: int, content: bytes, prev: bytes):
        body = b'{"sha256":"%s"}' % sha256(content).hexdigest().encode()
        return seq, b"snapshot", name, 1, body, prev, link(prev, seq, b"snapshot", name, 1, body)

    def verified(*contents: bytes):
        rows = [snapshot(1, contents[0], GENESIS)]
        rows += [snapshot(2, content, rows[0][6]) for content in contents[1:]]
        left = iter(contents)
        with (tmp_path / "forged.jsonl").open("wb") as out:
            write_jsonl(rows, lambda _: next(left), out)
        return Export(tmp_path / "forged.jsonl").verify()

    assert verified(genuine).ok
    assert verified(genuine, genuine).ok
    assert "whose id is the hash of it" in verified(forged).broken.reason
    assert (verified(genuine, forged).broken.seq, "another content than record 1 did" in verified(genuine, forged).broken.reason) == (
        2,
        True,
    )


def test_exports_that_overlap_say_which_has_the_record_already(log, tmp_path):
    parts = [tmp_path / name for name in ("one", "two", "three")]
    for path, after, until in zip(parts, (0, 7, 6), (7, RECORDS, RECORDS), strict=True):
        with path.open("wb") as out:
            write_jsonl(log.chain(after, until), log.get_snapshot, out)
    assert Export(*parts[:2]).verify().ok
    broken = Export(parts[0], parts[2]).verify().broken
    assert (broken.seq, broken.reason) == (
        8,
        "record 7 is the first of three and stands in one already: exports overlap, give each record once",
    )


@pytest.mark.parametrize("keep", [1, 12, 13, RECORDS - 1])
def test_an_export_cut_short_or_made_anew_is_found_against_a_checkpoint(places, log, exported, keep):
    marks = [known.mark for known in read_checkpoints(places.checkpoints)]
    rows, prev = [], GENESIS
    for seq, kind, decision, at_ns, body, _, _ in log.chain(0, keep):
        digest = link(prev, seq, kind, decision, at_ns + (seq == keep), body)
        rows.append((seq, kind, decision, at_ns + (seq == keep), body, prev, digest))
        prev = digest
    with exported.open("wb") as out:
        write_jsonl(rows, log.get_snapshot, out)
    assert Export(exported).verify().ok
    assert not Export(exported).verify(None, marks).ok


def test_a_flipped_bit_anywhere_is_found(places, exported):
    whole, chance = exported.read_bytes(), Random(20261122)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        exported.write_bytes(damaged)
        assert not Export(exported).verify().ok


numbers = st.integers(-(2**63), 2**63 - 1)


@given(
    st.builds(
        tuple,
        st.tuples(
            numbers,
            st.text(),
            st.text(),
            numbers,
            st.binary() | st.sampled_from(BODIES),
            st.binary(min_size=32, max_size=32),
            st.binary(min_size=32, max_size=32),
        ),
    )
)
def test_any_record_comes_back_to_the_byte(values):
    seq, kind, decision, at_ns, body, prev, digest = values
    row = (seq, kind.encode(), decision.encode(), at_ns, body, prev, digest)
    text = line(row)
    assert read_line(text) == row
    assert text.count(b"\n") == 1
    assert json.loads(text)["decision"] == decision


def test_csv_holds_every_record(log):
    out = io.StringIO(newline="")
    assert write_csv(log.chain(), out) == RECORDS
    table = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    for row, (seq, kind, decision, at_ns, body, prev, digest) in zip(table, log.chain(), strict=True):
        assert (int(row["seq"]), row["kind"].encode(), row["decision"].encode(), int(row["at_ns"])) == (seq, kind, decision, at_ns)
        assert (row["body"].encode() or base64.b64decode(row["body_base64"])) == body
        assert (row["prev"], row["hash"]) == (prev.hex(), digest.hex())
        assert row["at"].startswith("20")
        assert row["at"].endswith("Z")


def test_parquet_holds_every_record(log, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with (tmp_path / "log.parquet").open("wb") as out:
        assert write_parquet(log.chain(), out) == RECORDS
    table = parquet.read_table(tmp_path / "log.parquet")
    rows = [table.column(name).to_pylist() for name in ("seq", "kind", "decision", "body", "prev", "hash")]
    at_ns = table.column("at").cast("int64").to_pylist()
    found = [
        (seq, kind.encode(), decision.encode(), at, body, prev, digest)
        for at, (seq, kind, decision, body, prev, digest) in zip(at_ns, zip(*rows, strict=True), strict=True)
    ]
    assert found == list(log.chain())


def test_a_missing_export_is_an_error_not_a_verdict(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Export(tmp_path / "none").verify()
