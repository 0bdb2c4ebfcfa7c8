"""What is asked is kept only sealed, under its subject, and no answer goes out whose digest is not on record."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import apsw
import pytest

from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.keys import OPERATOR_ID
from tests.faults.clients import CLIENTS
from tests.server.conftest import Serve
from tests.server.served import Served, chat, model

WORDS = "canary words"
ALL_APIS = ["chat", "responses", "messages"]
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def keys_of(gateway: Served) -> ContentKeys:
    return ContentKeys(gateway.folder / "log.db-content-keys")


async def contents(gateway: Served) -> list[bytes]:
    """What was kept, opened."""
    keys = keys_of(gateway)
    try:
        return [keys.open(entry.decision, entry.body) for entry in await gateway.service.log.recent(100, kind="content")]
    finally:
        keys.close()


def stored(folder: Path) -> bytes:
    """All that the log's files hold."""
    return b"".join(path.read_bytes() for path in folder.glob("log.db*") if "content-keys" not in path.name)


@STREAMS
@pytest.mark.parametrize("api", list(CLIENTS))
async def test_what_was_asked_is_in_the_log_only_for_who_has_the_keys(serve: Serve, api, stream):
    client = CLIENTS[api]
    async with serve([model("inside", apis=ALL_APIS)], store={"content": True}) as gateway:
        body = {**client.body("inside", WORDS), "stream": stream}
        assert (await gateway.ask(client.path, body)).status == 200
        assert [json.loads(content) for content in await contents(gateway)] == [body]
        assert WORDS.encode() not in stored(gateway.folder)
    assert WORDS.encode() not in stored(gateway.folder)


@pytest.mark.parametrize(
    ("path", "fields", "subject"),
    [
        ("/v1/chat/completions", {}, OPERATOR_ID),
        ("/v1/chat/completions", {"user": "ada"}, f"{OPERATOR_ID}/ada"),
        ("/v1/chat/completions", {"user": "", "metadata": {"user_id": "ada"}}, f"{OPERATOR_ID}/ada"),
        ("/v1/chat/completions", {"user": "bea", "safety_identifier": "ada"}, f"{OPERATOR_ID}/ada"),
        ("/v1/messages", {"metadata": {"user_id": "ada"}, "max_tokens": 9}, f"{OPERATOR_ID}/ada"),
    ],
)
async def test_contents_belong_to_the_end_user_where_the_client_names_one(serve: Serve, path, fields, subject):
    async with serve([model("inside", apis=ALL_APIS)], store={"content": True}) as gateway:
        assert (await gateway.ask(path, chat("inside", WORDS, **fields))).status == 200
        keys = keys_of(gateway)
        assert [key.subject for key in keys.find()] == [subject]
        keys.close()


async def test_the_end_users_name_is_not_in_the_log(serve: Serve):
    async with serve(store={"content": True}) as gateway:
        assert (await gateway.chat("inside", WORDS, user="ada.lovelace", safety_identifier="a-l-1815")).status == 200
    for name in (b"lovelace", b"a-l-1815"):
        assert name not in stored(gateway.folder)


@STREAMS
async def test_what_cannot_be_sealed_is_not_asked(serve: Serve, stream):
    async with serve(store={"content": True}) as gateway:
        apsw.Connection(str(gateway.folder / "log.db-content-keys")).execute("DROP TABLE content_keys")
        failed = await gateway.chat("inside", stream=stream)
        assert (failed.status, failed.error["code"]) == (503, "record_unavailable")
        assert not gateway.ledger
        assert await gateway.kinds() == ["snapshot"]


async def test_a_reload_begins_and_ends_keeping(serve: Serve):
    async with serve() as gateway:
        for keep, kept in ((False, 0), (True, 1), (False, 1), (True, 2)):
            pool = [{**model("inside"), "base_url": gateway.upstream.base_url}]
            store = {"path": str(gateway.folder / "log.db"), "content": keep}
            config = load(json.dumps({"version": 1, "models": pool, "routes": {}, "store": store}), "test.yaml", {})
            await gateway.service.reload(config)
            gateway.app._gateway.live = gateway.service.gateway.live
            assert (await gateway.chat("inside", WORDS)).status == 200
            assert len(await contents(gateway)) == kept
    assert WORDS.encode() not in stored(gateway.folder)


@STREAMS
@pytest.mark.parametrize("api", list(CLIENTS))
@pytest.mark.parametrize("spoken", ["own", "another"])
async def test_the_outcome_proves_which_answer_the_client_got(serve: Serve, api, spoken, stream):
    client = CLIENTS[api]
    apis = [api] if spoken == "own" else [other for other in ALL_APIS if other != api][:1]
    async with serve([model("inside", apis=apis)]) as gateway:
        answer = await gateway.ask(client.path, {**client.body("inside", "one two three"), "stream": stream})
        assert answer.status == 200, answer.body
        [outcome] = await gateway.outcomes()
        assert outcome.answer_digest == sha256(answer.body).hexdigest()
        [record] = await gateway.service.log.recent(1, kind="outcome")
        assert 0 < record.at_ns - outcome.started_at_ns < 60 * 10**9


async def test_of_a_broken_stream_the_digest_is_of_what_came(serve: Serve):
    async with serve([model("inside", "cut-after-3")]) as gateway:
        answer = await gateway.chat("inside", "one two three four", stream=True)
        [outcome] = await gateway.outcomes()
        assert outcome.status == "error"
        came, _, _ = answer.body.rpartition(b"data: ")  # the last event is the error
        assert outcome.answer_digest == sha256(came).hexdigest()


async def test_a_call_that_gave_nothing_has_no_digest(serve: Serve):
    async with serve([model("inside", "error-500")], routes={"once": {"retry": {"attempts": 1}}}) as gateway:
        assert (await gateway.chat("once")).status >= 500
        assert [outcome.answer_digest for outcome in await gateway.outcomes()] == [None]


def test_outcomes_of_earlier_versions_can_be_read():
    outcome = from_json(Outcome, '{"decision":"d","attempt":1,"model":"m","status":"ok","total_ms":5.0,"unknown":1}')
    assert (outcome.started_at_ns, outcome.answer_digest) == (None, None)
