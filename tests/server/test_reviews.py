"""Tickets over HTTP: each role sees and does what the table says, within its place and labels, and an asker hears of its own alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from pointsman.core.labels import close
from pointsman.core.request import Caller
from pointsman.core.review import REVIEWS, Action
from pointsman.core.role import STANDINGS
from pointsman.core.tenancy import EVERYWHERE
from pointsman.gateway.reviews import Desk
from pointsman.server.reviews import ENDPOINTS, PREFIX, WHOLE
from pointsman.server.tables import Endpoint
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.keys import Key, new_key
from pointsman.stores.keys_trail import compare
from pointsman.stores.sqlite_reviews import SqliteReviews
from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.served import OPERATOR, Served
from tests.server.tenants import Tenants, tenants
from tests.tickets import ANSWER, CONTENTS, NOW_NS, WORDS, ticket

LATER_NS = 2**62
SAMPLES: dict[str, Any] = {"text": "flu", "tool_calls": [{"id": "c", "name": "refund", "arguments": "{}"}], "call": 1, "note": "n"}
FIELDS = sorted({*SAMPLES, "state", "assignee", "verdict", "version", "by", "deed", "key", "__class__"})
WANTED: dict[str, dict[str, Any]] = {"answer": {"text": "mine"}, "edit": {"text": "mine"}}


@asynccontextmanager
async def with_desk(gateway: Served) -> AsyncIterator[Desk]:
    keys = ContentKeys(gateway.folder / "content-keys")
    desk = Desk(SqliteReviews(gateway.service.log, keys), clock=lambda: NOW_NS)
    gateway.app.administer(gateway.service.keys, desk)
    yield desk
    keys.close()


async def opened(desk: Desk, id: str = "rev_1", **more: Any) -> str:
    await desk.store.open(ticket(id, deadline_at_ns=LATER_NS, **more), CONTENTS)
    return id


def named(endpoint: Endpoint[Desk]) -> str:
    return f"{endpoint.method} {endpoint.path}"


def expected(endpoint: Endpoint[Desk], role: str, field: str | None) -> int:
    """What the table says. A caller that asks for somebody else's ticket hears of none."""
    if role not in endpoint.roles:
        return 403
    if field is not None and field not in endpoint.givers():
        return 400
    return 404 if role == "caller" else 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=named)
async def test_each_role_may_call_give_and_see_what_the_table_says(serve: Serve, endpoint: Endpoint[Desk]):
    deed, numbers = endpoint.path.rpartition("/")[2], itertools.count()
    async with serve() as gateway, with_desk(gateway) as desk:
        connection = await gateway.connect()
        for role in STANDINGS:
            text = OPERATOR if role == "root" else await gateway.key(role=role)
            for field in (None, *FIELDS):
                review = await opened(desk, f"rev_{next(numbers)}", key="somebody")
                body = {**WANTED.get(deed, {}), **({} if field is None else {field: SAMPLES.get(field, "x")})}
                sent = body if endpoint.method != "GET" or field else None
                await connection.request(PREFIX + endpoint.path.format(review=review), sent, key=text, method=endpoint.method)
                answer = await connection.answered()
                what = f"{role} {named(endpoint)} {json.dumps(body)}"
                assert answer.status == expected(endpoint, role, field), f"{what}: {answer.body!r}"
                if answer.status != 200:
                    assert WORDS.encode() not in answer.body, what
                    assert (await desk.store.get(review)).version == 1, what
                    continue
                assert answer.headers["cache-control"] == "no-store"
                seen = {name for name, roles in endpoint.readers().items() if role in roles}
                for entry in answer.json["data"] if endpoint.listing else [answer.json]:
                    assert set(entry) == seen, what


async def test_what_the_table_does_not_hold_does_not_exist(serve: Serve):
    table = {(endpoint.method, endpoint.path.format(review="rev_1")) for endpoint in ENDPOINTS}
    async with serve() as gateway, with_desk(gateway) as desk:
        await opened(desk)
        for method, path in itertools.product(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), sorted({path for _, path in table})):
            status = (await gateway.ask(PREFIX + path, {} if method != "GET" else None, method=method)).status
            assert (status == 405) is ((method, path) not in table), (method, path)
        for path in ("/", "//claim", "/rev_1/expire", "/rev_1/claim/", "/rev_1/Claim", "/rev_1/contents", "s"):
            answer = await gateway.ask(PREFIX + path)
            assert (answer.status, answer.error["code"]) == (404, "unknown_url"), path
        assert (await gateway.ask(PREFIX, key=None)).status == 401


def test_every_field_that_can_be_given_has_a_check_and_a_sample():
    for endpoint in ENDPOINTS:
        assert set(endpoint.givers()) <= set(SAMPLES)
        assert all((endpoint.gives or {})[name].check is not None for name in endpoint.givers())
        assert set(endpoint.reads) <= set(WHOLE)


async def test_the_queue_is_narrowed_to_a_label(serve: Serve):
    async with serve() as gateway, with_desk(gateway) as desk:
        await opened(desk, "rev_1", labels=close(["pii"]))
        await opened(desk, "rev_2", labels=close(["confidential"]))
        for label, found in (("pii", ["rev_1"]), ("internal", ["rev_2"]), ("phi", []), ("%27", [])):
            listed = await gateway.ask(f"{PREFIX}?label={label}")
            assert [entry["id"] for entry in listed.json["data"]] == found
            assert [entry["best"] for entry in listed.json["data"]] == [2] * len(found)


# A ticket's life


async def test_a_reviewer_reads_claims_edits_and_the_asker_gets_the_answer(serve: Serve):
    async with serve() as gateway, with_desk(gateway) as desk:
        reviewer, other = await gateway.key(role="reviewer", name="Rita"), await gateway.key(role="reviewer")
        asker = await gateway.key()
        await opened(desk, key=asker.split("_")[1])

        async def get(key: str) -> Any:
            return (await gateway.ask(f"{PREFIX}/rev_1", key=key)).json

        whole = await get(reviewer)
        assert whole["request"]["messages"][0]["content"] == WORDS
        assert [found["answer"]["text"] for found in whole["answers"]][1] == ANSWER
        assert [found["confidence"] for found in whole["answers"]] == [0.2, 0.6]
        assert await get(asker) == {
            "object": "review", "id": "rev_1", "decision": "dec_rev_1", "route": "auto", "state": "open",
            "created_at": NOW_NS / 1e9, "deadline_at": LATER_NS / 1e9, "answer": None,
        }  # fmt: skip
        claimed = await gateway.ask(f"{PREFIX}/rev_1/claim", {}, key=reviewer)
        assert (claimed.status, claimed.json["assignee"]) == (200, reviewer.split("_")[1])
        refused = await gateway.ask(f"{PREFIX}/rev_1/approve", {}, key=other)
        assert (refused.status, refused.error["code"]) == (409, "review_conflict")
        for shown in (await get(other), (await gateway.ask(PREFIX, key=other)).json["data"][0]):
            assert shown["names"] == {reviewer.split("_")[1]: "Rita"}, "of keys that have one"
        done = await gateway.ask(f"{PREFIX}/rev_1/edit", {"text": "it is the flu", "call": 1, "note": "too vague"}, key=reviewer)
        assert done.json["resolution"] == {
            "verdict": "approved", "text": "it is the flu", "tool_calls": [], "by": reviewer.split("_")[1], "edited": True, "call": 1,
            "model": "small", "note": "too vague", "refusal": "", "finish_reason": None,
        }  # fmt: skip
        heard = await get(asker)
        assert (heard["state"], heard["answer"]) == (
            "approved",
            {"text": "it is the flu", "refusal": "", "tool_calls": [], "by_a_person": True},
        )
        assert [(told["event"], told["by"]) for told in done.json["history"]] == [
            ("opened", ""), ("claimed", reviewer.split("_")[1]), ("approved", reviewer.split("_")[1]),
        ]  # fmt: skip
        assert done.json["best"] == 2
        assert "too vague" not in json.dumps(heard)
        again = await gateway.ask(f"{PREFIX}/rev_1/reject", {}, key=reviewer)
        assert (again.status, again.error["code"]) == (409, "review_conflict")


async def test_what_was_rejected_or_not_released_is_no_answer_to_the_asker(serve: Serve):
    async with serve() as gateway, with_desk(gateway) as desk:
        asker = await gateway.key()
        await opened(desk, key=asker.split("_")[1])
        await gateway.ask(f"{PREFIX}/rev_1/reject", {"note": "nonsense"})
        heard = (await gateway.ask(f"{PREFIX}/rev_1", key=asker)).json
        assert (heard["state"], heard["answer"]) == ("rejected", None)


@pytest.mark.parametrize(
    ("deed", "body", "param"),
    [
        ("answer", {"text": 1}, "text"),
        ("answer", {"text": "x" * 100_001}, "text"),
        ("answer", {"tool_calls": [{"id": "c", "name": "n"}]}, "tool_calls[0]"),
        ("answer", {"tool_calls": [{"id": "c", "name": "n", "arguments": {}}]}, "tool_calls[0].arguments"),
        ("answer", {"tool_calls": {}}, "tool_calls"),
        ("approve", {"call": 0}, "call"),
        ("approve", {"call": True}, "call"),
        ("reject", {"note": ["x"]}, "note"),
    ],
)
async def test_what_is_malformed_is_refused_by_its_name(serve: Serve, deed, body, param):
    async with serve() as gateway, with_desk(gateway) as desk:
        await opened(desk)
        answer = await gateway.ask(f"{PREFIX}/rev_1/{deed}", body)
        assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("after=x", "after"),
        ("after=1.99999999999999999999.x", "after"),
        ("after=1.9223372036854775808.x", "after"),
        ("state=lost", "state"),
        ("why=bored", "why"),
        ("team=ml", "team"),
        ("subject=ada", "subject"),
    ],
)
async def test_what_cannot_be_asked_of_the_queue_is_refused_by_its_name(serve: Serve, query, param):
    async with serve() as gateway, with_desk(gateway):
        answer = await gateway.ask(f"{PREFIX}?{query}")
        assert (answer.status, answer.error["param"]) == (400, param)


async def test_the_queue_pages_to_its_end_and_shows_no_words(serve: Serve):
    async with serve() as gateway, with_desk(gateway) as desk:
        for n in range(7):
            await opened(desk, f"rev_{n}", priority=n % 3)
        await desk.store.act("rev_3", Action("claim"), Caller("env", role="root"), NOW_NS)
        seen, after = [], ""
        while after is not None:
            page = await gateway.ask(f"{PREFIX}?limit=3&after={after}")
            assert b"Quagmire" not in page.body
            seen += [found["id"] for found in page.json["data"]]
            after = page.json["next"]
        assert seen == ["rev_2", "rev_5", "rev_1", "rev_4", "rev_0", "rev_3", "rev_6"]
        mine = (await gateway.ask(f"{PREFIX}?assignee=me")).json["data"]
        assert [found["id"] for found in mine] == ["rev_3"]


async def test_who_is_revoked_before_the_body_is_whole_decides_nothing(serve: Serve):
    async with serve() as gateway, with_desk(gateway) as desk:
        await opened(desk)
        key = await gateway.key(role="reviewer")
        connection, body = await gateway.connect(), b'{"text": "mine"}'
        await connection.request(f"{PREFIX}/rev_1/answer", b"", key=key, method="POST", content_length=str(len(body)))
        await soon(lambda: gateway.app._in_progress)  # let in, and waiting for the body
        await gateway.service.keys.revoke_key(key.split("_")[1])
        await connection.send(body)
        assert (await connection.answered()).status == 401
        assert (await desk.store.get("rev_1")).version == 1


# Tenants


@pytest.fixture
def scene(serve: Serve) -> Callable[[], AbstractAsyncContextManager[tuple[Tenants, Desk]]]:
    @asynccontextmanager
    async def open_scene() -> AsyncIterator[tuple[Tenants, Desk]]:
        async with tenants(serve) as found, with_desk(found.gateway) as desk:
            for name, more in {
                "narrow reviewer": {"org": "acme", "team": "ml", "allowed_labels": ("internal",)},
                "acme reviewer": {"org": "acme"},
                "rival reviewer": {"org": "rival", "team": "ml"},
            }.items():
                made = new_key()
                await found.gateway.service.keys.add_key(Key(made.id, made.hash, 1, role="reviewer", **more))
                found.texts[name] = made.text
            for at, (org, team, labels) in enumerate(
                [
                    ("", "", ()),
                    ("acme", "", ()),
                    ("acme", "ml", ("internal",)),
                    ("acme", "ml", ("pii",)),
                    ("acme", "ops", ()),
                    ("rival", "ml", ()),
                ]
            ):
                await opened(desk, f"rev_{at}", org=org, team=team, labels=close(labels), key="somebody")
            yield found, desk

    return open_scene


SEES = {
    "root": "012345",
    "gateway admin": "012345",
    "acme admin": "1234",
    "acme reviewer": "1234",
    "ml admin": "23",
    "ml reviewer": "23",
    "narrow reviewer": "2",
    "narrow admin": "2",
    "rival reviewer": "5",
    "rival admin": "5",
}


@pytest.mark.parametrize(("name", "seen"), SEES.items())
async def test_nobody_sees_or_decides_what_lies_outside_his_place_or_labels(scene, name, seen):
    async with scene() as (found, desk):

        async def ask(path: str, body: object = None) -> Any:
            return await found.gateway.ask(PREFIX + path, body, key=found.texts[name])

        listed = (await ask("?limit=100")).json["data"]
        assert sorted(entry["id"] for entry in listed) == [f"rev_{at}" for at in seen]
        for query in ("org=acme", "org=rival", "org=acme&team=ml"):
            answer = await ask(f"?limit=100&{query}")
            assert {entry["id"] for entry in answer.json["data"]} <= {f"rev_{at}" for at in seen}
        missing = (await ask("/rev_9")).json
        for at in "012345":
            visible = at in seen
            answers = [await ask(f"/rev_{at}"), *[await ask(f"/rev_{at}/{deed}", {}) for deed in ("claim", "release", "approve")]]
            assert {answer.status == 200 for answer in answers} == {visible}, at
            if not visible and at != "3":
                assert {answer.status for answer in answers} == {404}
                assert json.dumps(answers[0].json).replace(f"rev_{at}", "rev_9") == json.dumps(missing)
            assert ((await desk.store.get(f"rev_{at}")).state == "approved") is visible


async def test_a_caller_hears_of_its_own_tickets_alone(scene):
    async with scene() as (found, desk):
        await opened(desk, "rev_mine", org="acme", team="ml", key=found.id("ml caller"))
        for name in ("ml caller", "ops caller", "acme caller", "gateway caller", "rival caller"):
            answer = await found.gateway.ask(f"{PREFIX}/rev_mine", key=found.texts[name])
            assert answer.status == (200 if name == "ml caller" else 404), name
            assert (await found.gateway.ask(PREFIX, key=found.texts[name])).status == 403


TRIED: dict[str, tuple[str, str, str, object, int, str | None]] = {
    "another's ticket": ("ml reviewer", "GET", "/rev_5", None, 404, "/{review}"),
    "another's ticket to decide": ("ml reviewer", "POST", "/rev_5/answer", {"text": WORDS, "note": WORDS}, 404, "/{review}/answer"),
    "no ticket": ("gateway admin", "POST", "/rev_9/claim", {}, 404, "/{review}/claim"),
    "a very long one": ("ml reviewer", "GET", f"/{'x' * 300}", None, 404, "/{review}"),
    "a label that it may not see": ("narrow reviewer", "POST", "/rev_3/approve", {"note": WORDS}, 403, "/{review}/approve"),
    "somebody else's own": ("ml caller", "GET", "/rev_2", None, 404, "/{review}"),
    "the queue, by a caller": ("ml caller", "GET", "", None, 403, ""),
    "a deed, by a caller": ("ml caller", "POST", "/rev_2/approve", {"note": WORDS}, 403, "/{review}/approve"),
    "anything, by an auditor": ("ml auditor", "GET", "/rev_2", None, 403, "/{review}"),
    "what stands otherwise": ("ml reviewer", "POST", "/rev_2/answer", {}, 409, None),
    "what is malformed": ("ml reviewer", "POST", "/rev_2/answer", {"text": 1}, 400, None),
    "no path": ("ml reviewer", "GET", "/rev_2/contents", None, 404, None),
    "what may be seen": ("ml reviewer", "GET", "/rev_2", None, 200, None),
}


async def test_the_trail_says_who_reached_for_which_ticket_in_vain_and_holds_no_words(scene):
    async with scene() as (found, _):
        keys, log = found.gateway.service.keys, found.gateway.service.log
        for case, (name, method, path, body, status, endpoint) in TRIED.items():
            before = await keys.trail(EVERYWHERE, 1)
            await found.connection.request(PREFIX + path, body, key=found.texts[name], method=method)
            assert (await found.connection.answered()).status == status, case
            after = await keys.trail(EVERYWHERE, 1)
            if endpoint is None:
                assert after == before, case
                continue
            holder = keys.look_up(found.id(name))
            assert holder is not None, case
            assert after != before, case
            aimed = {"review": path.split("/")[1][:100]} if path else {}
            assert (after[0].kind, after[0].body) == (
                "key",
                {
                    "event": "refused", "by": holder.key.id, "as_role": holder.key.role, "org": holder.key.org, "team": holder.key.team,
                    "endpoint": f"{method} {PREFIX}{endpoint}", "param": None, "aimed": aimed,
                },
            ), case  # fmt: skip
        told = (await found.ask("ml auditor", "GET", "trail?limit=1")).json["data"][0]
        assert (told["object"], told["endpoint"], told["aimed"]) == ("key", f"GET {PREFIX}/{{review}}", {"review": "rev_2"})
        assert all(WORDS.encode() not in record.body for record in await log.recent(1_000, kind=None))
    assert compare(found.gateway.folder / "log.db").ok


def test_roles_of_the_table_are_those_that_review():
    assert all(endpoint.roles in (REVIEWS, REVIEWS | {"caller"}) for endpoint in ENDPOINTS)
    assert [named(endpoint) for endpoint in ENDPOINTS if "caller" in endpoint.roles] == ["GET /{review}"]
