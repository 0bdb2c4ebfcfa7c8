"""A conversation that is gone on from keeps its labels, its owner and its end, wherever it is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.errors import NotFound, RecordError, RequestError
from pointsman.gateway.responses import Responses
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.memory_responses import MemoryResponses
from pointsman.stores.retention import retain
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_responses import SqliteResponses

NOW_S = 1_800_000_000.0


class Kept:
    """Responses whose clock is moved by hand."""

    def __init__(self, folder: Path, seals: bool) -> None:
        self.now_s = NOW_S
        self.log, self.keys = SqliteLog(folder / "log.db"), ContentKeys(folder / "keys")
        self.responses = Responses(60, SqliteResponses(self.log, self.keys), seals, lambda: self.now_s)

    async def keep(self, asked: dict[str, object], answer: bytes, labels: tuple[str, ...] = (), key: str = "key") -> None:
        await self.responses.keep(key, asked, answer, labels)

    async def close(self) -> None:
        await self.log.close()
        self.keys.close()


@pytest.fixture(params=["memory", "sealed"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path, request.param == "sealed")
    yield made
    asyncio.run(made.close())


def answer(id: object = "resp_1", text: str = "hi") -> bytes:
    return json.dumps({"id": id, "output": [{"type": "message", "role": "assistant", "content": text}]}).encode()


async def test_what_follows_has_the_turns_and_the_labels_of_before(kept):
    await kept.keep({"input": "my diagnosis"}, answer(), ("phi",))
    gone_on = kept.responses.complete("key", {"input": "and now?", "previous_response_id": "resp_1"})
    assert (gone_on.labels, gone_on.previous) == (("phi",), "resp_1")
    assert [item.get("content") for item in gone_on.body["input"]] == ["my diagnosis", "hi", "and now?"]


@pytest.mark.parametrize("previous", ["resp_2", "", 5, "resp_1\ud800"])
async def test_what_is_not_there_cannot_be_gone_on_from(kept, previous):
    await kept.keep({"input": "x"}, answer())
    assert kept.responses.complete("key", {"input": "y"}).body == {"input": "y"}
    with pytest.raises(RequestError) as refused:
        kept.responses.complete("key", {"previous_response_id": previous})
    assert refused.value.code == "previous_response_not_found"


async def test_another_key_finds_nothing_and_deletes_nothing(kept):
    await kept.keep({"input": "x"}, answer())
    with pytest.raises(RequestError):
        kept.responses.complete("other", {"previous_response_id": "resp_1"})
    with pytest.raises(NotFound):
        await kept.responses.read("other", "resp_1")
    with pytest.raises(NotFound):
        await kept.responses.delete("other", "resp_1")
    assert bytes((await kept.responses.read("key", "resp_1")).answer) == answer()


async def test_what_is_deleted_is_gone(kept):
    await kept.keep({"input": "x"}, answer())
    await kept.responses.delete("key", "resp_1")
    for gone in (kept.responses.read, kept.responses.delete):
        with pytest.raises(NotFound):
            await gone("key", "resp_1")
    with pytest.raises(RequestError):
        kept.responses.complete("key", {"previous_response_id": "resp_1"})


@pytest.mark.parametrize("id", [None, 5, "", ["resp_1"]])
async def test_an_answer_without_a_name_is_not_kept(kept, id):
    await kept.keep({"input": "x"}, answer(id))
    with pytest.raises(RequestError):
        kept.responses.complete("key", {"previous_response_id": id if isinstance(id, str) else "resp_1"})


@pytest.mark.parametrize(("asked", "ttl_s"), [({"input": "x", "store": False}, 60), ({"input": "x"}, 0)])
async def test_what_nobody_wants_kept_is_not(kept, asked, ttl_s):
    kept.responses.ttl_s = ttl_s
    await kept.keep(asked, answer())
    with pytest.raises(NotFound):
        await kept.responses.read("key", "resp_1")


async def test_its_time_ends_and_then_it_is_no_more(kept, tmp_path):
    await kept.keep({"input": "x"}, answer())
    kept.now_s += 59
    await kept.responses.read("key", "resp_1")
    kept.now_s += 1
    with pytest.raises(NotFound):
        await kept.responses.read("key", "resp_1")

    async def once(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await kept.responses.keep_purged(once)
    assert kept.log.reader().rows("SELECT count(*) FROM responses") == [(0,)]


def test_of_more_than_fits_into_memory_the_oldest_go_first():
    memory = MemoryResponses(most_bytes=1_000)
    for at in range(20):
        memory.keep(b"%d" % at, bytes(100), 2)
    assert [at for at in range(20) if memory.find(b"%d" % at, 1) is not None] == list(range(10, 20))


async def test_another_process_and_a_later_one_find_what_is_sealed(tmp_path):
    first, second = Kept(tmp_path, seals=True), Kept(tmp_path, seals=True)
    await first.keep({"input": "x"}, answer())
    assert bytes((await second.responses.read("key", "resp_1")).answer) == answer()
    await second.responses.delete("key", "resp_1")
    with pytest.raises(NotFound):
        await first.responses.read("key", "resp_1")
    await second.keep({"input": "x"}, answer())
    await first.close()
    await second.close()
    later = Kept(tmp_path, seals=False)  # whatever is to be done with the next ones
    assert later.responses.complete("key", {"input": "y", "previous_response_id": "resp_1"}).previous == "resp_1"
    await later.close()


async def test_no_word_is_in_any_file_and_erasing_a_subject_erases_them(tmp_path):
    kept = Kept(tmp_path, seals=True)
    await kept.keep({"input": "a canary", "user": "ada"}, answer(text="another canary"))
    await kept.keep({"input": "a canary", "user": "bea"}, answer("resp_2"))
    assert [file.name for file in tmp_path.iterdir() if b"canary" in file.read_bytes()] == []
    await retain(kept.log.path, kept.keys, "asked to", subject="key/ada")
    with pytest.raises(NotFound):
        await kept.responses.read("key", "resp_1")
    assert (await kept.responses.read("key", "resp_2")).items()[0]["content"] == "a canary"
    await kept.close()


async def test_what_is_kept_in_memory_is_in_no_file(tmp_path):
    kept = Kept(tmp_path, seals=False)
    await kept.keep({"input": "a canary"}, answer())
    assert kept.log.reader().rows("SELECT count(*) FROM responses") == [(0,)]
    assert kept.keys.find() == []
    await kept.close()


async def test_a_row_in_another_s_place_does_not_open(tmp_path):
    kept = Kept(tmp_path, seals=True)
    for key in ("key", "other"):
        await kept.keep({"input": key}, answer(), key=key)

    def swap(connection):
        (mine, body), (yours, _) = connection.execute("SELECT id, body FROM responses").fetchall()
        connection.execute("UPDATE responses SET body = ? WHERE id = ?", (body, yours))
        connection.execute("DELETE FROM responses WHERE id = ?", (mine,))
        return False

    await kept.log.write("", "", b"", swap)
    found = []
    for key in ("key", "other"):
        with pytest.raises((RecordError, NotFound)) as refused:
            await kept.responses.read(key, "resp_1")
        found.append(refused.type)
    assert {*found} == {RecordError, NotFound}
    await kept.close()


async def test_an_answer_goes_out_although_it_cannot_be_kept(tmp_path, caplog):
    kept = Kept(tmp_path, seals=True)
    kept.keys.close()
    with pytest.raises(Exception, match="closed"):
        kept.keys.find()
    await kept.keep({"input": "x"}, answer())
    assert "is not stored" in caplog.text
    await kept.log.close()
