"""What is erased cannot be read by anyone, the log proves which and when, and its chain holds."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import date
from pathlib import Path

import pytest

from pointsman.errors import RecordError
from pointsman.stores.checkpoints import add_checkpoint, read_checkpoints
from pointsman.stores.content_keys import ContentKeys, sealing_key
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.places import Places
from pointsman.stores.retention import Contents, contents, erasable, erase, retain
from pointsman.stores.signing import load_public, load_signer, public_file
from pointsman.stores.sqlite import SqliteLog
from tests.stores.audited import signed

DAY_NS = 86_400 * 10**9
SUBJECTS = ("olive", "moira")


@pytest.fixture
def places(tmp_path) -> Places:
    return signed(tmp_path)


@pytest.fixture
def keys(places):
    made = ContentKeys(places.content_keys)
    yield made
    made.close()


@pytest.fixture
def log(places, keys):
    """Three days of contents of two subjects, one content a day and subject; one that is not sealed."""

    async def scene():
        async with SqliteLog(places.log) as log:
            for day in range(3):
                for subject in SUBJECTS:
                    name = f"{subject}-{day}"
                    body = await keys.seal(subject, name, f"words of {name}".encode(), (20_000 + day) * DAY_NS + 5)
                    await log.append("content", name, body)
                    await log.append("decision", name, b"{}")
            await log.append("content", "clear", b'{"messages":[]}')

    asyncio.run(scene())
    file = LogFile(places.log)
    yield file
    file.close()


def erased(places: Places, keys: ContentKeys, log: LogFile, **what) -> list[str]:
    async def scene():
        async with SqliteLog(places.log, "power") as writing:
            return await erase(writing, keys, erasable(log, keys, **what), "because")

    return asyncio.run(scene())


def readable(log: LogFile, keys: ContentKeys) -> set[str]:
    found = set()
    for row in log.chain(kind="content"):
        name = row[2].decode()
        if name != "clear" and (content := keys.open(name, row[4])) is not None:
            assert content == f"words of {name}".encode()
            found.add(name)
    return found


ALL = {f"{subject}-{day}" for subject in SUBJECTS for day in range(3)}
CASES = {
    "a subject": ({"subject": "olive"}, {"olive-0", "olive-1", "olive-2"}),
    "what is older": (
        {"before": date(1970, 1, 1).fromordinal(date(1970, 1, 1).toordinal() + 20_002)},
        {"olive-0", "olive-1", "moira-0", "moira-1"},
    ),
    "what is older of a subject": ({"subject": "moira", "before": date(2024, 10, 5)}, {"moira-0"}),
    "a stranger": ({"subject": "cleo"}, set()),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_to_be_erased_is_and_nothing_else(places, keys, log, name):
    what, gone = CASES[name]
    assert erasable(log, keys, **what).total == len(gone)
    checkpoint = add_checkpoint(places.log, places.checkpoints, load_signer(places.key), load_public(public_file(places.key)))
    records = erased(places, keys, log, **what)
    assert readable(log, keys) == ALL - gone
    assert contents(log, keys) == Contents(6 - len(gone), len(gone), (), (), 1)
    assert verify(places.log, None, [checkpoint.mark]).ok, "the chain and its checkpoints do not mind"
    assert len(records) == bool(gone)
    for record in records:
        (entry,) = log.read(record)
        told = json.loads(entry.body)
        assert sum(key["contents"] for key in told["keys"]) == len(gone)
        assert not any(subject in entry.body.decode() for subject in SUBJECTS)


def test_retaining_leaves_the_log_to_those_who_write_it(places, keys, log):
    async def scene():
        async with SqliteLog(places.log) as writing:
            found = await retain(places.log, keys, "old", before=date(2024, 10, 5))
            await writing.append("decision", "later", b"{}")
            again = await retain(places.log, keys, "old", before=date(2024, 10, 5))
            return found, again

    found, again = asyncio.run(scene())
    assert (found.keys, found.contents, len(found.records)) == (2, 2, 1)
    assert (again.keys, again.contents, again.records) == (0, 0, ())
    assert verify(places.log).ok
    assert contents(log, keys).erased == 2


def test_the_erasure_is_synced_before_a_key_is_destroyed(places, keys, log, disk, monkeypatch):
    seen = []
    monkeypatch.setattr(ContentKeys, "destroy", lambda self, ids: seen.append((disk.syncs(), len(ids))))

    async def scene():
        async with SqliteLog(places.log, "power", vfs=disk.name) as writing:
            await writing.append("decision", "first", b"{}")
            before = disk.syncs()
            await erase(writing, keys, erasable(log, keys, "olive"), "because")
            return before

    before = asyncio.run(scene())
    assert seen == [(before + 1, 3)]


def test_no_key_is_left_in_any_file(places, keys, log):
    secrets = [row[0] for row in keys._connection.execute("SELECT key FROM content_keys WHERE subject = 'olive'")]
    assert len(secrets) == 3
    assert all(secret in places.content_keys.read_bytes() for secret in secrets)
    erased(places, keys, log, subject="olive")
    for file in places.log.parent.iterdir():
        assert not any(secret in file.read_bytes() for secret in secrets), file


def test_after_an_erasure_new_contents_get_a_new_key(places, keys, log):
    erased(places, keys, log, subject="olive")
    body = asyncio.run(keys.seal("olive", "later", b"new words", 20_000 * DAY_NS))
    assert keys.open("later", body) == b"new words"
    assert len(keys.find("olive")) == 1


@pytest.mark.parametrize(("subject", "day"), [("olive", 20_000), ("olive", 20_007), ("moira", 20_007)])
def test_what_was_sealed_is_sealed_again_as_long_as_it_is_not_erased(places, keys, log, subject, day):
    earlier = sealing_key(asyncio.run(keys.seal("olive", "d", b"words", 20_000 * DAY_NS)))
    again = asyncio.run(keys.seal_again(subject, "e", b"words", day * DAY_NS, earlier))
    assert keys.open("e", again) == b"words"
    erased(places, keys, log, subject="olive")
    left = keys.find()
    assert asyncio.run(keys.seal_again(subject, "f", b"words", day * DAY_NS, earlier)) is None
    assert keys.find() == left, "no key is made that would seal nothing"


def test_what_is_sealed_again_before_its_key_is_destroyed_is_erased_as_well(places, keys, log):
    """A key that is made after the look for keys, by a request that is still allowed to."""
    earlier, late = keys.find("olive")[0].id, []

    class Overtaken(ContentKeys):
        def destroy(self, ids):
            if not late:
                late.append(asyncio.run(keys.seal_again("olive", "late", b"words", 20_007 * DAY_NS, earlier)))
                assert keys.open("late", late[0]) == b"words"
            super().destroy(ids)

    overtaken = Overtaken(places.content_keys)
    found = asyncio.run(retain(places.log, overtaken, "because", "olive"))
    overtaken.close()
    assert (found.keys, len(found.records)) == (4, 2)
    assert keys.open("late", late[0]) is None
    assert keys.find("olive") == []
    assert contents(log, keys).ok


def test_every_process_sees_at_once_that_a_key_is_gone(places, keys, log):
    other = ContentKeys(places.content_keys)
    body = asyncio.run(other.seal("olive", "d", b"words", 20_000 * DAY_NS))
    erased(places, keys, log, subject="olive")
    assert other.open("d", body) is None
    assert sealing_key(asyncio.run(other.seal("olive", "e", b"words", 20_000 * DAY_NS))) != sealing_key(body)
    other.close()


def test_an_erasure_that_broke_off_shows_and_can_be_done_again(places, keys, log):
    class Dying(ContentKeys):
        def destroy(self, ids):
            raise RecordError("the power went")

    dying = Dying(places.content_keys)
    with pytest.raises(RecordError):
        erased(places, dying, log, subject="olive")
    dying.close()
    found = contents(log, keys)
    assert (found.ok, len(found.undone), found.readable) == (False, 3, 6)
    erased(places, keys, log, subject="olive")
    assert contents(log, keys).ok


def test_a_key_put_back_from_a_copy_shows(places, keys, log, tmp_path):
    copy = places.content_keys.read_bytes()
    erased(places, keys, log, subject="olive")
    (tmp_path / "copy").write_bytes(copy)
    restored = ContentKeys(tmp_path / "copy")
    found = contents(log, restored)
    restored.close()
    assert (found.ok, len(found.undone)) == (False, 3)


def test_a_key_destroyed_without_a_record_shows(keys, log):
    keys.destroy([key.id for key in keys.find("moira", date(2024, 10, 5))])
    found = contents(log, keys)
    assert (found.ok, found.lost, found.readable) == (False, (3,), 5)


def test_contents_are_bound_to_their_decision_and_shown_only_whole(keys):
    body = asyncio.run(keys.seal("olive", "d1", b"secret words", 0))
    assert b"secret" not in body
    assert keys.open("d1", body) == b"secret words"
    fields = json.loads(body)
    for decision, changed in [("d2", body), ("d1", json.dumps(fields | {"sealed": "AAAA"}, separators=(",", ":")).encode())]:
        with pytest.raises(RecordError, match="was changed"):
            keys.open(decision, changed)
    with pytest.raises(RecordError, match="is not sealed"):
        keys.open("d1", b'{"messages":[]}')


def test_the_same_words_are_never_sealed_alike(keys):
    one, other = (asyncio.run(keys.seal("olive", "d", b"words", 0)) for _ in range(2))
    assert one != other
    assert sealing_key(one) == sealing_key(other)
    assert sealing_key(asyncio.run(keys.seal("olive", "d", b"words", DAY_NS))) != sealing_key(one)


def test_processes_that_start_together_use_one_key(places):
    both = [ContentKeys(places.content_keys) for _ in range(2)]

    async def scene():
        return await asyncio.gather(*(keys.seal("olive", "d", b"words", 0) for keys in both * 10))

    assert len({sealing_key(body) for body in asyncio.run(scene())}) == 1
    for keys in both:
        keys.close()


def test_the_keys_are_their_owners_alone(places, keys):
    assert stat.S_IMODE(places.content_keys.stat().st_mode) == 0o600


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="cannot be opened"):
        ContentKeys(tmp_path)


def test_many_keys_are_erased_in_pieces(places, keys, log, monkeypatch):
    monkeypatch.setattr("pointsman.stores.retention._BATCH", 2)
    assert len(erased(places, keys, log)) == 3
    assert contents(log, keys).erased == 6
    assert read_checkpoints(Path("/dev/null")) == []
