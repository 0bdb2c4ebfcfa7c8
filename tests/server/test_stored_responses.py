"""A response is read, gone on from and deleted by the key that made it alone, by whichever process, and under the same policies."""

from __future__ import annotations

import asyncio
import json
import threading

import apsw
import pytest

from pointsman.config.load import load
from pointsman.gateway.responses import Responses
from pointsman.stores.retention import retain
from tests.gateway.logs import Holding, Kept
from tests.server.conftest import Serve
from tests.server.served import ONCE, chat, model

PATH = "/v1/responses"
POOL = [model("m", apis=["responses"])]
SEALED = {"responses": "sealed"}
STORES = pytest.mark.parametrize("store", [{"responses": "memory"}, SEALED, {"content": True}], ids=["memory", "sealed", "content"])


def finished(answer) -> dict[str, object]:
    """The whole response, however it came."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json
    last = [line for line in answer.body.split(b"\n") if line.startswith(b'data: {"type":"response.completed"')]
    return json.loads(last[0].removeprefix(b"data: "))["response"]


@STORES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", ["responses", "chat"], ids=["own", "translated"])
async def test_a_response_is_read_as_it_was_given_until_it_is_deleted(serve: Serve, store, stream, api):
    async with serve([model("m", apis=[api])], store=store) as gateway:
        made = finished(await gateway.ask(PATH, {"model": "m", "input": "one two", "stream": stream}))
        assert (await gateway.ask(f"{PATH}/{made['id']}")).json == made
        said = (await gateway.ask(f"{PATH}/{made['id']}/input_items")).json
        assert [item["content"][0]["text"] for item in said["data"]] == ["one two"]
        assert said["first_id"] == said["last_id"] == said["data"][0]["id"]
        deleted = await gateway.ask(f"{PATH}/{made['id']}", method="DELETE")
        assert deleted.json == {"id": made["id"], "object": "response", "deleted": True}
        for path, method in ((made["id"], "GET"), (f"{made['id']}/input_items", "GET"), (made["id"], "DELETE")):
            gone = await gateway.ask(f"{PATH}/{path}", method=method)
            assert (gone.status, gone.error["code"]) == (404, "not_found")
        asked_on = await gateway.ask(PATH, {"model": "m", "input": "and?", "previous_response_id": made["id"]})
        assert (asked_on.status, asked_on.error["code"]) == (400, "previous_response_not_found")


@STORES
async def test_it_is_nobody_else_s(serve: Serve, store):
    async with serve(POOL, store=store) as gateway:
        made = (await gateway.ask(PATH, {"model": "m", "input": "mine"})).json
        other = await gateway.key()
        for path, method in ((made["id"], "GET"), (f"{made['id']}/input_items", "GET"), (made["id"], "DELETE")):
            assert (await gateway.ask(f"{PATH}/{path}", method=method, key=other)).status == 404
        gone_on = await gateway.ask(PATH, {"model": "m", "input": "and?", "previous_response_id": made["id"]}, key=other)
        assert gone_on.error["code"] == "previous_response_not_found"
        auditor = await gateway.key(role="auditor")
        assert (await gateway.ask(f"{PATH}/{made['id']}", key=auditor)).status == 403
        assert (await gateway.ask(f"{PATH}/{made['id']}")).status == 200


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("resp_1", "POST", 405, "method_not_allowed"),
        ("resp_1/cancel", "GET", 404, "unknown_url"),
        ("resp_1?stream=true", "GET", 400, None),
        ("resp_1", "GET", 404, "not_found"),
        ("%F0%9F%8E%89", "GET", 404, "not_found"),
    ],
)
async def test_what_cannot_be_asked_of_one_is_refused(serve: Serve, path, method, status, code):
    async with serve(POOL) as gateway:
        refused = await gateway.ask(f"{PATH}/{path}", method=method)
        assert (refused.status, refused.error["code"]) == (status, code)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "after=item_9"])
async def test_a_page_that_is_none_is_refused(serve: Serve, query):
    async with serve(POOL) as gateway:
        made = (await gateway.ask(PATH, {"model": "m", "input": "x"})).json
        refused = await gateway.ask(f"{PATH}/{made['id']}/input_items?{query}")
        assert (refused.status, refused.error["param"]) == (400, query.partition("=")[0])


async def test_items_come_in_pages_the_newest_first_unless_asked_otherwise(serve: Serve):
    async with serve(POOL) as gateway:
        turns = [{"role": "user", "content": f"turn {at}"} for at in range(5)]
        made = (await gateway.ask(PATH, {"model": "m", "input": turns})).json
        for order, wanted in (("desc", [4, 3, 2, 1, 0]), ("asc", [0, 1, 2, 3, 4])):
            found, more, after = [], True, ""
            while more:
                page = (await gateway.ask(f"{PATH}/{made['id']}/input_items?limit=2&order={order}{after}")).json
                found += [item["content"][0]["text"] for item in page["data"]]
                more, after = page["has_more"], f"&after={page['last_id']}"
            assert found == [f"turn {at}" for at in wanted]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_another_process_goes_on_from_it_under_the_same_labels(serve: Serve, stream):
    """It is read again as a part of the request: what was said under a label is judged under it, by whichever process."""
    pool = [
        model("ward", perimeter="on_prem", apis=["chat"], quality={"general": 0.1}),
        model("frontier", apis=["responses"], quality={"general": 0.9}),
    ]
    policy = {"name": "inside", "when": '"phi" in labels', "require": {"perimeter": ["on_prem"]}}
    config = {"policies": [policy], "routes": {"auto": {"dial": 1}}, "store": SEALED}
    async with serve(pool, **config) as first, serve(pool, **config) as second:
        made = finished(await first.ask(PATH, {"model": "auto", "input": "the patient has X", "stream": stream}, x_pointsman_labels="phi"))
        following = await second.ask(PATH, {"model": "auto", "input": "and now?", "previous_response_id": made["id"], "stream": stream})
        assert following.headers["x-pointsman-model"] == "ward"
        assert "the patient has X" in second.ledger[-1].body.decode()
        assert finished(following)["previous_response_id"] == made["id"]
        by_name = await second.ask(PATH, {"model": "frontier", "input": "and now?", "previous_response_id": made["id"]})
        assert (by_name.status, by_name.error["code"]) == (403, "policy_denied")
    async with serve(pool, **config) as later:
        assert (await later.ask(f"{PATH}/{made['id']}")).json == made


async def test_by_default_no_other_process_finds_it_and_no_file_has_it(serve: Serve, tmp_path):
    async with serve(POOL) as first, serve(POOL) as second:
        made = (await first.ask(PATH, {"model": "m", "input": "a canary"})).json
        assert (await first.ask(f"{PATH}/{made['id']}")).status == 200
        assert (await second.ask(f"{PATH}/{made['id']}")).status == 404
        gone_on = await second.ask(PATH, {"model": "m", "input": "and?", "previous_response_id": made["id"]})
        assert "answered by another process" in gone_on.error["message"]
        assert await first.service.log.count() > 0
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"canary" in file.read_bytes()]


async def test_who_erases_a_subject_erases_what_it_was_answered(serve: Serve):
    async with serve(POOL, store=SEALED) as gateway:
        made = (await gateway.ask(PATH, {"model": "m", "input": "hello", "user": "ada"})).json
        keys = gateway.service.audit.contents()
        (key,) = keys.find()
        await retain(gateway.service.log.path, keys, "asked to", subject=key.subject)
        assert (await gateway.ask(f"{PATH}/{made['id']}")).status == 404
        gone_on = await gateway.ask(PATH, {"model": "m", "input": "and?", "previous_response_id": made["id"]})
        assert gone_on.error["code"] == "previous_response_not_found"


async def test_what_may_be_kept_changes_with_the_configuration_and_what_is_kept_is_found(serve: Serve):
    async with serve(POOL) as gateway:
        first = (await gateway.ask(PATH, {"model": "m", "input": "x"})).json
        text = {"version": 1, "models": [{"base_url": gateway.upstream.base_url, **POOL[0]}], "routes": {}}
        store = {"path": str(gateway.folder / "log.db")}
        for responses in ("sealed", "memory"):
            await gateway.service.reload(load(json.dumps({**text, "store": {**store, "responses": responses}}), "test.yaml", {}))
            made = (await gateway.ask(PATH, {"model": "m", "input": "y"})).json
            assert gateway.service.gateway.responses.seals is (responses == "sealed")
            for kept in (first, made):
                assert (await gateway.ask(f"{PATH}/{kept['id']}")).status == 200


@pytest.mark.parametrize("store", [SEALED, {"content": True}], ids=["sealed", "content"])
async def test_erasing_an_end_user_erases_all_that_went_on_from_its_words(serve: Serve, store):
    async with serve(POOL, store=store) as gateway:
        made = (await gateway.ask(PATH, {"model": "m", "input": "a canary", "user": "ada"})).json
        refused = await gateway.ask(PATH, {"model": "m", "input": "and?", "user": "bea", "previous_response_id": made["id"]})
        assert (refused.status, refused.error["param"]) == (400, "user")
        gone_on = (await gateway.ask(PATH, {"model": "m", "input": "and?", "previous_response_id": made["id"]})).json
        keys, log = gateway.service.audit.contents(), gateway.service.log
        assert [key.subject for key in keys.find()] == ["env/ada"]
        await retain(log.path, keys, "asked to", subject="env/ada")
        for one in (made, gone_on):
            assert (await gateway.ask(f"{PATH}/{one['id']}/input_items")).status == 404
        kept = await log.recent(9, kind="content")
        assert [keys.open(record.decision, record.body) for record in kept] == [None] * (2 if "content" in store else 0)


@pytest.mark.parametrize("held", ["decision", "outcome"])
@pytest.mark.parametrize("review", [{"approval": True}, {"sample": 1.0}, {}], ids=["approval", "sample", "answer"])
@pytest.mark.parametrize(("store", "turns"), [(SEALED, 1), (SEALED, 2), ({"content": True}, 1), ({"content": True}, 2)])
async def test_what_is_erased_while_it_is_answered_is_sealed_nowhere_again(serve: Serve, store, turns, review, held):
    log = Kept(Holding, held)
    async with serve(POOL, store=store, routes={"auto": {"dial": 1, "review": review}}, log=log) as gateway:
        log.log.release.set()
        made = (await gateway.ask(PATH, {"model": "m", "input": "a canary", "user": "ada"})).json if turns > 1 else {}
        log.log.release.clear()
        log.log.asked.clear()
        asking = asyncio.ensure_future(
            gateway.ask(PATH, {"model": "auto", "input": "and?", "user": "ada", "previous_response_id": made.get("id")})
        )
        await log.log.asked.wait()
        keys = gateway.service.audit.contents()
        assert [key.subject for key in keys.find()] == ["env/ada"]
        await retain(gateway.service.log.path, keys, "asked to", subject="env/ada")
        log.log.release.set()
        answered = await asking
        assert answered.status == (503 if "approval" in review else 200)
        assert keys.find() == []


CHAT = "/v1/chat/completions"
UNTHANKED = {"models": ["broken"], "fallback": ["human"], "retry": ONCE}
SEEN = {
    "approval": ("m", {"dial": 1, "models": ["m"], "review": {"approval": True}}, 503),
    "sample": ("m", {"dial": 1, "models": ["m"], "review": {"sample": 1.0}}, 200),
    "person": ("broken", UNTHANKED, 503),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("seen", SEEN)
async def test_nor_is_it_for_people_where_nothing_else_is_sealed(serve: Serve, seen, stream):
    name, route, status = SEEN[seen]
    log = Kept(Holding, "outcome")
    async with serve([model("m"), model("broken", "error-500")], routes={"auto": route}, log=log) as gateway:
        asking = asyncio.ensure_future(gateway.chat("auto", "a canary", user="ada", stream=stream))
        await log.log.asked.wait()
        keys = gateway.service.audit.contents()
        assert [key.subject for key in keys.find()] == ["env/ada"]
        await retain(gateway.service.log.path, keys, "asked to", subject="env/ada")
        log.log.release.set()
        assert (await asking).status == status, name
        await gateway.quiet()
        assert (keys.find(), await gateway.service.log.recent(9, kind="review")) == ([], [])


@pytest.mark.parametrize(
    ("store", "review", "path", "asked"),
    [
        ({}, {}, PATH, {"input": "x"}),
        (SEALED, {}, PATH, {"input": "x", "store": False}),
        ({**SEALED, "responses_ttl_s": 0}, {}, PATH, {"input": "x"}),
        (SEALED, {}, CHAT, chat("auto")),
        ({}, {"sample": 1e-9}, CHAT, chat("auto")),
    ],
)
async def test_of_whom_nothing_can_be_sealed_there_is_no_key(serve: Serve, store, review, path, asked):
    async with serve([model("m")], store=store, routes={"auto": {"dial": 1, "review": review}}) as gateway:
        assert (await gateway.ask(path, {**asked, "model": "auto", "user": "ada"})).status == 200
        assert gateway.service.audit.contents().find() == []


@pytest.mark.parametrize(("store", "review"), [(SEALED, {}), ({}, {"sample": 1.0})], ids=["sealed", "sample"])
async def test_who_has_no_key_is_answered_and_nothing_is_kept(serve: Serve, store, review, caplog):
    async with serve(POOL, store=store, routes={"auto": {"dial": 1, "review": review}}) as gateway:
        apsw.Connection(str(gateway.folder / "log.db-content-keys")).execute("ALTER TABLE content_keys RENAME TO away")
        made = await gateway.ask(PATH, {"model": "auto", "input": "a canary", "user": "ada"})
        apsw.Connection(str(gateway.folder / "log.db-content-keys")).execute("ALTER TABLE away RENAME TO content_keys")
        assert (made.status, "nothing of a request can be sealed" in caplog.text) == (200, True)
        assert (await gateway.ask(f"{PATH}/{made.json['id']}")).status == (404 if store else 200)
        assert await gateway.service.log.recent(9, kind="review") == []


async def test_a_conversation_that_outgrows_a_body_is_refused_with_the_cure(serve: Serve):
    async with serve(POOL, server={"max_body_bytes": 2_000}) as gateway:
        made = (await gateway.ask(PATH, {"model": "m", "input": 1_500 * "a"})).json
        refused = await gateway.ask(PATH, {"model": "m", "input": 1_500 * "a", "previous_response_id": made["id"]})
        assert (refused.status, refused.error["code"]) == (413, "request_too_large")
        assert "begin anew" in refused.error["message"]


class Watched(Responses):
    """Remembers which threads conversations were read in."""

    def __init__(self) -> None:
        super().__init__(60)
        self.threads: set[threading.Thread] = set()

    def complete(self, key, body):
        self.threads.add(threading.current_thread())
        return super().complete(key, body)


@pytest.mark.parametrize("field", ["previous_response_id", "previous_response\\u005fid", "\\u0070revious_response_id"])
async def test_a_conversation_is_read_beside_the_event_loop_however_its_field_is_spelled(serve: Serve, field):
    async with serve(POOL) as gateway:
        gateway.service.gateway.responses = watched = Watched()
        made = (await gateway.ask(PATH, {"model": "m", "input": "x"})).json
        watched.threads.clear()
        gone_on = await gateway.ask(PATH, f'{{"model": "m", "input": "y", "{field}": "{made["id"]}"}}'.encode())
        assert gone_on.json["previous_response_id"] == made["id"]
        assert len(watched.threads) == 1
        assert threading.current_thread() not in watched.threads


@pytest.mark.parametrize("previous", [', "previous_response_id": null', ""])
async def test_what_goes_on_from_nothing_is_understood_at_once(serve: Serve, previous):
    async with serve(POOL) as gateway:
        gateway.service.gateway.responses = watched = Watched()
        said = f'{{"model": "m", "input": "previous_response_id, caf\\u00e9"{previous}}}'
        assert (await gateway.ask(PATH, said.encode())).status == 200
        assert watched.threads == {threading.current_thread()}
