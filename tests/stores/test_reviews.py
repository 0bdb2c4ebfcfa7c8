"""Tickets are kept, decided once, and their words stay sealed, whoever races, dies or is erased."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pointsman.core.codec import from_json
from pointsman.core.labels import close
from pointsman.core.request import Caller
from pointsman.core.review import ENDED, STATES, Action, Contents, Resolution, may_see, visible_labels
from pointsman.core.tenancy import Scope
from pointsman.errors import Forbidden, NotFound, RecordError, ReviewConflict
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.log import LogRecord
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.memory_reviews import MemoryReviews
from pointsman.stores.retention import contents as contents_of
from pointsman.stores.retention import retain
from pointsman.stores.reviews import FIRST, Filter, ReviewStore, for_asker
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from tests.tickets import ADMIN, ANSWER, CONTENTS, DUE_NS, NOW_NS, OTHER, REVIEWER, WORDS, ticket

SCRIPT = Path(__file__).with_name("reviewer.py")
DAY_NS = 86_400 * 10**9
KILLS = int(os.environ.get("POINTSMAN_CRASH_ROUNDS", "4"))
Open = Callable[[], AbstractAsyncContextManager[ReviewStore]]


@asynccontextmanager
async def sqlite(folder: Path, **more: Any) -> AsyncIterator[SqliteReviews]:
    keys = ContentKeys(folder / "log.db-content-keys")
    async with SqliteLog(folder / "log.db", **more) as log:
        yield SqliteReviews(log, keys)
    keys.close()


@asynccontextmanager
async def memory() -> AsyncIterator[MemoryReviews]:
    yield MemoryReviews()


@pytest.fixture(params=["sqlite", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return memory if request.param == "memory" else lambda: sqlite(tmp_path)


def run(scene: Callable[[ReviewStore], Any], opened: Open) -> Any:
    async def main() -> Any:
        async with opened() as store:
            return await scene(store)

    return asyncio.run(main())


def records(path: Path) -> list[LogRecord]:
    file = LogFile(path)
    try:
        return file.recent(10**6, kind="review")[::-1]
    finally:
        file.close()


SAME = "a" * 64


def test_what_is_asked_again_finds_the_ticket_that_waits(opened):
    async def scene(store):
        first = await store.open(ticket("rev_1", asked=SAME), CONTENTS)
        again = [await store.open(ticket(f"rev_{n}", asked=SAME), CONTENTS) for n in (2, 3)]
        await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS)
        again.append(await store.open(ticket("rev_4", asked=SAME), CONTENTS))
        waiting = await store.queue(Filter(), 10)
        return first.id, [each.id for each in again], again[-1].state, [each.id for each in waiting]

    assert run(scene, opened) == ("rev_1", ["rev_1"] * 3, "claimed", ["rev_1"])


def test_what_others_ask_what_has_ended_and_what_is_asked_like_nothing_else_opens_a_new_one(opened):
    async def scene(store):
        opened = [await store.open(ticket("rev_1", asked=SAME), CONTENTS), await store.open(ticket("rev_2", asked="b" * 64), CONTENTS)]
        opened += [await store.open(ticket(f"rev_{n}"), CONTENTS) for n in (3, 4)]
        await store.act("rev_1", Action("reject"), REVIEWER, NOW_NS)
        opened.append(await store.open(ticket("rev_5", asked=SAME), CONTENTS))
        late = {"created_at_ns": DUE_NS, "deadline_at_ns": 2 * DUE_NS}
        opened.append(await store.open(ticket("rev_6", asked=SAME, **late), CONTENTS))  # nobody let the other expire yet
        return [each.id for each in opened]

    assert run(scene, opened) == [f"rev_{n}" for n in (1, 2, 3, 4, 5, 6)]


def test_two_that_ask_the_same_at_once_get_one_ticket(tmp_path):
    async def scene(store):
        asked = (store.open(ticket(f"rev_{n}", asked=SAME), CONTENTS) for n in range(20))
        return {each.id for each in await asyncio.gather(*asked)}, len(await store.queue(Filter(), 100))

    named, waiting = run(scene, lambda: sqlite(tmp_path))
    assert (len(named), waiting) == (1, 1)


def test_the_log_tells_that_it_was_asked_again_and_not_what(tmp_path):
    async def scene(store):
        await store.open(ticket("rev_1", asked=SAME), CONTENTS)
        await store.open(ticket("rev_2", asked=SAME), CONTENTS)

    run(scene, lambda: sqlite(tmp_path))
    first, again = (json.loads(record.body) for record in records(tmp_path / "log.db"))
    assert (first["event"], again["event"], again["id"], again["decision"]) == ("opened", "asked_again", "rev_1", "dec_rev_2")
    assert all(SAME.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_who_was_erased_asks_like_nobody_before(tmp_path):
    async def scene(store):
        await store.open(ticket("rev_1", asked=SAME), CONTENTS)
        keys = ContentKeys(tmp_path / "log.db-content-keys")
        keys.destroy([key.id for key in keys.find()])
        keys.close()
        return (await store.open(ticket("rev_2", asked=SAME), CONTENTS)).id

    assert run(scene, lambda: sqlite(tmp_path)) == "rev_2"


def events(path: Path) -> list[tuple[str, str]]:
    """What was recorded: which ticket, which event."""
    return [(body["id"], body["event"]) for body in map(json.loads, (entry.body for entry in records(path)))]


def ends(path: Path) -> Counter[str]:
    return Counter(name for name, event in events(path) if event in ENDED)


def test_what_is_opened_is_kept_and_what_is_decided_is_answered(opened):
    async def scene(store):
        with pytest.raises(NotFound, match="there is no review `rev_1`"):
            await store.get("rev_1")
        await store.open(ticket(), CONTENTS)
        found = await store.get("rev_1")
        assert (found, await store.contents(found), await store.resolution(found)) == (ticket(), CONTENTS, None)
        with pytest.raises(RecordError, match="exists already"):
            await store.open(ticket(), CONTENTS)
        claimed = await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS)
        assert await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS) == claimed
        with pytest.raises(ReviewConflict, match="claimed by `rita`"):
            await store.act("rev_1", Action("reject"), OTHER, NOW_NS)
        with pytest.raises(Forbidden):
            await store.act("rev_1", Action("approve"), Caller("k"), NOW_NS)
        done = await store.act("rev_1", Action("approve", note="fine"), REVIEWER, NOW_NS)
        assert done == await store.get("rev_1")
        assert await store.resolution(done) == Resolution("approved", ANSWER, by="rita", call=2, model="large", note="fine")
        with pytest.raises(ReviewConflict, match="it is approved"):
            await store.act("rev_1", Action("reject"), ADMIN, NOW_NS)

    run(scene, opened)


def test_the_queue_has_the_most_urgent_first_and_pages_to_its_end(opened):
    async def scene(store):
        chance = Random(6)
        made = [ticket(f"rev_{n}", priority=chance.randrange(3), deadline_at_ns=DUE_NS + chance.randrange(5)) for n in range(40)]
        for each in made:
            await store.open(each, CONTENTS)
        await store.act("rev_7", Action("reject"), ADMIN, NOW_NS)
        waiting = [each for each in made if each.id != "rev_7"]
        seen, after = [], FIRST
        while page := await store.queue(Filter(), 7, after):
            seen += page
            after = page[-1].rank
        assert seen == sorted(waiting, key=lambda each: each.rank)
        assert [each.id for each in await store.queue(Filter(states=("rejected",)), 7)] == ["rev_7"]

    run(scene, opened)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Filter(), "abcde"),
        (Filter(Scope("acme")), "bc"),
        (Filter(Scope("acme", "ml")), "c"),
        (Filter(route="auto"), "acde"),
        (Filter(why="sample"), "d"),
        (Filter(assignee="rita"), "e"),
        (Filter(states=("open",)), "abcd"),
        (Filter(states=STATES, route="auto", why="sample", assignee="rita"), ""),
        (Filter(labels=()), "abde"),
        (Filter(labels=("public", "internal", "pii")), "abcde"),
        (Filter(labels=("internal",)), "abde"),
        (Filter(label="pii"), "c"),
        (Filter(label="phi"), ""),
    ],
)
def test_the_queue_is_filtered(opened, chosen, found):
    async def scene(store):
        for name, more in {
            "a": {},
            "b": {"org": "acme", "route": "other"},
            "c": {"org": "acme", "team": "ml", "labels": close(["internal", "pii"])},
            "d": {"why": "sample"},
            "e": {"org": "rival"},
        }.items():
            await store.open(ticket(name, **more), CONTENTS)
        await store.act("e", Action("claim"), REVIEWER, NOW_NS)
        return "".join(each.id for each in await store.queue(chosen, 10))

    assert run(scene, opened) == found


def test_a_reviewer_lists_what_he_may_see_and_nothing_else(opened):
    async def scene(store):
        made = [
            ticket(f"rev_{n}", org=org, team=team, labels=close(labels))
            for n, (org, team, labels) in enumerate(
                (org, team, labels)
                for org, team in (("", ""), ("acme", ""), ("acme", "ml"), ("rival", "ml"))
                for labels in ((), ("internal",), ("restricted",), ("pii", "public"), ("made-up",))
            )
        ]
        for each in made:
            await store.open(each, CONTENTS)
        for org, team in (("", ""), ("acme", ""), ("acme", "ml")):
            for allowed in (None, (), ("confidential",), ("restricted", "pii"), ("made-up",)):
                who = Caller("k", org=org, team=team, role="reviewer", allowed_labels=allowed)
                listed = await store.queue(Filter(Scope(org, team), visible_labels(who)), 100)
                assert {each.id for each in listed} == {each.id for each in made if may_see(who, each)}

    run(scene, opened)


# Time


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({}, ""),
        ({"on_expiry": "release"}, ANSWER),
        ({"on_expiry": "release", "approval": True}, ""),
        ({"on_expiry": "release", "offered": ()}, ""),
    ],
)
def test_what_is_due_expires_as_the_route_says(opened, policy, text):
    async def scene(store):
        await store.open(ticket(**policy), CONTENTS)
        await store.open(ticket("rev_2", deadline_at_ns=DUE_NS + 1), CONTENTS)
        await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS)
        assert await store.expire_due(DUE_NS - 1) == []
        (expired,) = await store.expire_due(DUE_NS)
        assert await store.expire_due(DUE_NS) == []
        resolution = await store.resolution(expired)
        return expired.state, resolution.text, resolution.released, (await store.get("rev_2")).state

    assert run(scene, opened) == ("expired", text, bool(text), "open")


def test_what_escalates_comes_first_and_then_is_denied(opened):
    async def scene(store):
        await store.open(ticket(on_expiry="escalate"), CONTENTS)
        await store.open(ticket("rev_2", deadline_at_ns=DUE_NS + 1), CONTENTS)
        (again,) = await store.expire_due(DUE_NS)
        assert (again.state, again.priority) == ("open", 1)
        assert [each.id for each in await store.queue(Filter(), 9)] == ["rev_1", "rev_2"]
        return {each.id: each.state for each in await store.expire_due(again.deadline_at_ns)}

    assert run(scene, opened) == {"rev_1": "expired", "rev_2": "expired"}


def test_nothing_is_released_without_approval_where_it_is_required(opened):
    async def scene(store):
        chance, approved = Random(7), set[str]()
        for n in range(60):
            await store.open(ticket(f"rev_{n}", approval=True, on_expiry=chance.choice(["deny", "release", "escalate"])), CONTENTS)
        for n in range(60):
            deed = chance.choice(["claim", "release", "reject", "approve", "nothing"])
            if deed != "nothing":
                await store.act(f"rev_{n}", Action(deed), REVIEWER, NOW_NS)
            if deed == "approve":
                approved.add(f"rev_{n}")
        for later_ns in (0, DUE_NS - NOW_NS, 2 * (DUE_NS - NOW_NS)):
            await store.expire_due(DUE_NS + later_ns)
        found = await store.queue(Filter(states=tuple(ENDED)), 100)
        released = {each.id for each in found if (await store.resolution(each)).released}
        return len(found), released == approved, bool(approved)

    assert run(scene, opened) == (60, True, True)


def test_tickets_are_deleted_by_when_they_ended_and_their_records_stay(opened, tmp_path):
    async def scene(store):
        for n in range(4):
            await store.open(ticket(f"rev_{n}", created_at_ns=NOW_NS + n), CONTENTS)
        for n, ended_at_ns in ((0, NOW_NS + 10), (2, NOW_NS + 20), (3, NOW_NS + 15)):
            await store.act(f"rev_{n}", Action("reject"), ADMIN, ended_at_ns)
        assert await store.purge(NOW_NS + 10) == 0
        assert await store.purge(NOW_NS + 16) == 2
        return [each.id for each in await store.queue(Filter(states=STATES), 9)]

    assert run(scene, opened) == ["rev_1", "rev_2"]
    if opened is not memory:
        assert ("rev_0", "rejected") in events(tmp_path / "log.db")


def test_what_was_done_with_a_ticket_is_told_in_order(opened):
    async def scene(store):
        await store.open(ticket(), CONTENTS)
        await store.open(ticket("rev_2", decision="dec_rev_1"), CONTENTS)
        for deed, who in (("claim", REVIEWER), ("release", ADMIN), ("reject", OTHER)):
            await store.act("rev_1", Action(deed), who, NOW_NS)
        return [(done.event, done.by) for done in await store.history(await store.get("rev_1"))]

    assert run(scene, opened) == [("opened", ""), ("claimed", "rita"), ("released", "ada"), ("rejected", "omar")]


# Who is told


def test_a_webhook_is_told_until_it_has_heard(opened):
    async def scene(store):
        await store.open(ticket(notify=True, on_expiry="escalate"), CONTENTS)
        await store.open(ticket("rev_2"), CONTENTS)
        (first,) = await store.due(NOW_NS, NOW_NS + 60, 10)
        assert (first.id, first.event, first.attempts, first.at_ns) == ("rev_1.opened", "opened", 0, NOW_NS)
        assert await store.due(NOW_NS + 59, NOW_NS + 90, 10) == []
        await store.postpone(first.id, NOW_NS + 70)
        assert await store.due(NOW_NS + 69, NOW_NS + 90, 10) == []
        assert await store.due(NOW_NS + 70, NOW_NS + 90, 10) == [replace(first, attempts=1)]
        await store.delivered(first.id)
        await store.act("rev_1", Action("claim"), REVIEWER, NOW_NS)
        await store.expire_due(DUE_NS)
        await store.act("rev_1", Action("answer", text="x"), REVIEWER, DUE_NS + 1)
        return [each.id for each in await store.due(2 * DUE_NS, 3 * DUE_NS, 10)]

    assert run(scene, opened) == ["rev_1.escalated", "rev_1.answered"]


def test_two_processes_do_not_send_the_same_message_at_once(tmp_path):
    async def scene(store):
        for n in range(20):
            await store.open(ticket(f"rev_{n}", notify=True), CONTENTS)
        async with sqlite(tmp_path) as other:
            taken = await asyncio.gather(*(each.due(NOW_NS, NOW_NS + 60, 3) for each in (store, other) * 4))
        return Counter(delivery.id for found in taken for delivery in found)

    assert set(run(scene, lambda: sqlite(tmp_path)).values()) == {1}


# What lies on the disk


def test_no_plain_text_lies_in_the_files(tmp_path):
    async def scene(store):
        for n in range(3):
            await store.open(ticket(f"rev_{n}"), CONTENTS)
        await store.act("rev_0", Action("answer", text="Zebulon, rest", note="about Quagmire"), REVIEWER, NOW_NS)
        await store.act("rev_1", Action("approve"), REVIEWER, NOW_NS)
        await store.act("rev_2", Action("edit", text="Quagmire: flu"), REVIEWER, NOW_NS)
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    held = run(scene, lambda: sqlite(tmp_path))
    held += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in ("Quagmire", "Zebulon", WORDS, ANSWER, "flu", "below the threshold"):
        assert secret.encode() not in held
    assert b"rev_0" in held


def test_a_subject_that_is_erased_takes_the_words_of_its_tickets_along(tmp_path):
    async def scene(store):
        await store.open(ticket("rev_1", on_expiry="release"), CONTENTS)
        await store.open(ticket("rev_2", on_expiry="release"), CONTENTS)
        await store.open(ticket("rev_3", subject="k_1/bea"), CONTENTS)
        await store.act("rev_1", Action("approve"), REVIEWER, NOW_NS)
        keys = ContentKeys(tmp_path / "log.db-content-keys")
        await retain(tmp_path / "log.db", keys, "all of one subject", "k_1/zeb")
        found = [await store.get(f"rev_{n}") for n in (1, 2, 3)]
        assert [await store.contents(each) for each in found] == [None, None, CONTENTS]
        assert await store.resolution(found[0]) is None
        with pytest.raises(ReviewConflict, match="were erased"):
            await store.act("rev_2", Action("approve"), REVIEWER, NOW_NS)
        await store.open(ticket("rev_4"), CONTENTS)
        await retain(tmp_path / "log.db", keys, "once more", "k_1/zeb")
        assert (await store.act("rev_4", Action("answer", text="flu", note="Zebulon"), REVIEWER, NOW_NS)).state == "answered"
        assert await store.resolution(await store.get("rev_4")) is None
        assert keys.find("k_1/zeb") == []
        (expired, _) = await store.expire_due(DUE_NS)
        assert await store.resolution(expired) is None
        file = LogFile(tmp_path / "log.db")
        assert contents_of(file, keys).ok
        file.close()
        keys.close()

    run(scene, lambda: sqlite(tmp_path))
    assert not any(b"k_1/zeb" in path.read_bytes() or b"Zebulon" in path.read_bytes() for path in tmp_path.iterdir())
    (answered,) = (body for body in map(json.loads, (entry.body for entry in records(tmp_path / "log.db"))) if body["event"] == "answered")
    assert (answered["released"], "sealed_sha256" in answered) == (False, False)


def test_what_came_of_a_ticket_is_erased_with_its_words_though_it_was_decided_on_another_day(tmp_path):
    async def scene(store):
        await store.open(ticket(deadline_at_ns=NOW_NS + 9 * DAY_NS), CONTENTS)
        done = await store.act("rev_1", Action("answer", text="flu"), REVIEWER, NOW_NS + 3 * DAY_NS)
        assert (await store.resolution(done)).text == "flu"
        assert len(store._keys.find()) == 1
        await retain(tmp_path / "log.db", store._keys, "old", before=store._keys.find()[0].day + timedelta(days=1))
        return await store.resolution(done)

    assert run(scene, lambda: sqlite(tmp_path)) is None


SPOILT = {
    "no JSON": "UPDATE reviews SET ticket = '{' WHERE id = 'rev_1'",
    "no object": "UPDATE reviews SET ticket = '[]' WHERE id = 'rev_1'",
    "fields missing": "UPDATE reviews SET ticket = '{\"id\":\"rev_1\"}' WHERE id = 'rev_1'",
    "no number": "UPDATE reviews SET ticket = json_set(ticket, '$.priority', 'x') WHERE id = 'rev_1'",
    "another time": "UPDATE reviews SET ticket = json_set(ticket, '$.deadline_at_ns', 9e18) WHERE id = 'rev_1'",
    "no labels": "UPDATE reviews SET labels = 'x', ticket = '{' WHERE id = 'rev_1'",
    "odd parts": "UPDATE reviews SET ticket = json_set(ticket, '$.offered', 7) WHERE id = 'rev_1'",
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_ticket_that_cannot_be_read_keeps_no_other_from_the_queue_nor_from_expiring(tmp_path, lock, caplog, spoil):
    async def scene(store):
        for n in (0, 1, 2, 3):
            await store.open(ticket(f"rev_{n}"), CONTENTS)
        lock(tmp_path / "log.db").execute(f"{spoil}; COMMIT")
        with pytest.raises(RecordError, match="rev_1"):
            await store.get("rev_1")
        first = await store.queue(Filter(labels=("public",)), 2)
        rest = await store.queue(Filter(), 9, first[-1].rank)
        expired = [each.id for _ in range(2) for each in await store.expire_due(DUE_NS)]
        return [each.id for each in (*first, *rest)], expired, await store.purge(DUE_NS + 1)

    assert run(scene, lambda: sqlite(tmp_path)) == (["rev_0", "rev_2", "rev_3"], ["rev_0", "rev_2", "rev_3"], 3)
    assert caplog.text.count("review `rev_1` is passed over") == 1


def test_words_that_cannot_be_written_down_are_an_error_of_the_store(tmp_path):
    async def scene(store):
        with pytest.raises(RecordError, match="cannot be written down"):
            await store.open(ticket(), Contents({"messages": "\ud800"}))

    run(scene, lambda: sqlite(tmp_path))


def test_what_was_changed_on_the_disk_does_not_open(tmp_path, lock):
    async def scene(store):
        for n in (1, 2):
            await store.open(ticket(f"rev_{n}"), CONTENTS)
        held = lock(tmp_path / "log.db")
        held.execute("UPDATE reviews SET contents = (SELECT contents FROM reviews WHERE id = 'rev_2') WHERE id = 'rev_1'; COMMIT")
        with pytest.raises(RecordError, match="does not open with its key"):
            await store.contents(await store.get("rev_1"))

    run(scene, lambda: sqlite(tmp_path))


def test_words_that_do_not_open_are_not_released_and_keep_no_other_from_expiring(tmp_path, lock):
    async def scene(store):
        for n in (1, 2, 3):
            await store.open(ticket(f"rev_{n}", on_expiry="release"), CONTENTS)
        lock(tmp_path / "log.db").execute("UPDATE reviews SET contents = x'00' WHERE id = 'rev_1'; COMMIT")
        expired = await store.expire_due(DUE_NS)
        ended = {each.id: await store.resolution(each) for each in expired}
        return {name: resolution is not None and resolution.released for name, resolution in ended.items()}

    assert run(scene, lambda: sqlite(tmp_path)) == {"rev_1": False, "rev_2": True, "rev_3": True}


def test_every_change_is_recorded_without_words_and_in_the_chain(tmp_path):
    async def scene(store):
        await store.open(ticket(), CONTENTS)
        for deed in ("claim", "release", "claim", "approve"):
            await store.act("rev_1", Action(deed), REVIEWER, NOW_NS)
        await store.open(ticket("rev_2", on_expiry="escalate"), CONTENTS)
        for now_ns in (DUE_NS, 2 * DUE_NS):
            await store.expire_due(now_ns)

    run(scene, lambda: sqlite(tmp_path))
    assert events(tmp_path / "log.db") == [
        *(("rev_1", event) for event in ("opened", "claimed", "released", "claimed", "approved")),
        *(("rev_2", event) for event in ("opened", "escalated", "expired")),
    ]
    first, *_, approved = [json.loads(entry.body) for entry in records(tmp_path / "log.db") if entry.decision == "dec_rev_1"]
    assert first["reason"] == ticket().reason
    assert "subject" not in first
    assert [approved[name] for name in ("by", "as_role", "model", "call", "edited", "released")] == [
        "rita",
        "reviewer",
        "large",
        2,
        False,
        True,
    ]
    assert len(approved["sealed_sha256"]) == 64
    assert verify(tmp_path / "log.db").ok


def test_who_asked_is_told_what_became_of_it_and_not_who_reviews(tmp_path):
    async def scene(store):
        await store.open(ticket(key="k_1"), CONTENTS)
        for deed in ("claim", "approve"):
            await store.act("rev_1", Action(deed, note="fine"), REVIEWER, NOW_NS)

    run(scene, lambda: sqlite(tmp_path))
    told = [for_asker(json.loads(entry.body)) for entry in records(tmp_path / "log.db")]
    assert [(record["event"], record["id"], record["state"]) for record in told] == [
        ("opened", "rev_1", "open"),
        ("claimed", "rev_1", "claimed"),
        ("approved", "rev_1", "approved"),
    ]
    assert told[2]["released"]
    assert "rita" not in json.dumps(told)
    assert {name for record in told for name in record}.isdisjoint(
        {"by", "as_role", "assignee", "offered", "labels", "reason", "sealed_sha256"}
    )


def test_a_ticket_that_cannot_be_kept_is_not_there(tmp_path, lock):
    async def scene(store):
        await store.open(ticket(), CONTENTS)
        held = lock(tmp_path / "log.db")
        for attempt in (store.open(ticket("rev_2"), CONTENTS), store.act("rev_1", Action("approve"), REVIEWER, NOW_NS)):
            with pytest.raises(RecordError):
                await attempt
        held.close()
        assert (await store.get("rev_1")).state == "open"
        with pytest.raises(NotFound):
            await store.get("rev_2")

    run(scene, lambda: sqlite(tmp_path, busy_timeout_s=0.05))


# Races and crashes

TICKETS = 500


def test_two_reviewers_race_on_500_tickets_and_each_has_one_outcome(tmp_path):
    async def scene(store):
        await asyncio.gather(*(store.open(ticket(f"rev_{n}"), CONTENTS) for n in range(TICKETS)))

        async def decides(who: Caller, deed: Any, n: int) -> str | None:
            try:
                return (await store.act(f"rev_{n}", Action(deed, text="mine" if deed == "answer" else ""), who, NOW_NS)).state
            except ReviewConflict:
                return None

        tries = [decides(who, deed, n) for n in range(TICKETS) for who, deed in ((REVIEWER, "approve"), (OTHER, "answer"))]
        found = await asyncio.gather(*tries)
        won = [[state for state in found[2 * n : 2 * n + 2] if state] for n in range(TICKETS)]
        kept = {each.id: each.state for each in await store.queue(Filter(states=STATES), TICKETS)}
        assert [[kept[f"rev_{n}"]] for n in range(TICKETS)] == won

    run(scene, lambda: sqlite(tmp_path))
    assert ends(tmp_path / "log.db") == Counter(f"rev_{n}" for n in range(TICKETS))


def start(folder: Path, name: str, count: int, *, opens: bool = False) -> subprocess.Popen[bytes]:
    words = [folder / "log.db", folder / "log.db-content-keys", name, "6", count, "open" if opens else "-"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def go(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()


def rest(process: subprocess.Popen[bytes]) -> bytes:
    """What it says until it ends. Not by `communicate`, which reads past what `readline` has buffered."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    said = process.stdout.read()
    process.stdout.close()
    process.wait()
    return said


def test_two_processes_race_on_500_tickets_and_each_has_one_outcome(tmp_path):
    async def opening(store):
        await asyncio.gather(*(store.open(ticket(f"rev_{n}"), CONTENTS) for n in range(TICKETS)))

    run(opening, lambda: sqlite(tmp_path))
    running = [start(tmp_path, name, TICKETS) for name in ("rita", "omar")]
    go(*running)
    said = [line.split() for process in running for line in rest(process).decode().splitlines()]
    assert [process.returncode for process in running] == [0, 0]
    states = {words[1]: words[2] for words in said if words[0] == "ended"}
    assert len(states) == sum(words[0] == "ended" for words in said) == TICKETS

    async def found(store):
        return {each.id: each.state for each in await store.queue(Filter(states=STATES), TICKETS)}

    assert run(found, lambda: sqlite(tmp_path)) == states
    assert ends(tmp_path / "log.db") == Counter(states.keys())
    assert verify(tmp_path / "log.db").ok


def test_kill_9_loses_no_ticket_and_answers_none_twice(tmp_path):
    chance, opened, ended = Random(9), set[str](), dict[str, str]()
    for number in range(KILLS):
        running = [start(tmp_path, f"{name}{number}", 10_000, opens=True) for name in ("x", "y")[: 1 + number % 2]]
        go(*running)
        said = [process.stdout.readline() for process in running for _ in range(chance.randrange(1, 60))]
        for process in running:
            process.kill()
        said += [line for process in running for line in rest(process).splitlines(keepends=True)]
        assert [process.returncode for process in running] == [-9] * len(running)
        for word, name, *state in (line.decode().split() for line in said if line.endswith(b"\n")):
            assert word in ("opened", "ended")
            opened.add(name)
            ended.update({name: state[0]} if word == "ended" else {})

    async def found(store):
        kept = {each.id: each for each in await store.queue(Filter(states=STATES), 10**6)}
        assert opened <= kept.keys()
        assert all(kept[name].state == state for name, state in ended.items())
        for each in kept.values():
            assert await store.contents(each) == CONTENTS
            assert (await store.resolution(each) is not None) is each.ended
            if not each.ended:  # whoever comes next finds it as it was
                await store.act(each.id, Action("reject"), ADMIN, NOW_NS)
        return kept.keys()

    kept = run(found, lambda: sqlite(tmp_path))
    assert ends(tmp_path / "log.db") == Counter(kept)
    assert verify(tmp_path / "log.db").ok
    assert len(ended) > KILLS


def test_the_record_of_a_ticket_can_be_read_by_later_versions():
    assert from_json(Contents, '{"body":{"model":"auto"},"later":1}') == Contents({"model": "auto"})
