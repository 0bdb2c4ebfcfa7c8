"""At the desk requests wait for people: clients get what the route's contract says, nobody waits for ever, webhooks hear of it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.core.answer import Answer, Grade, Weighed
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model
from pointsman.core.request import Caller, Content, Request
from pointsman.core.review import Action, Offered, Proposal, Resolution, ReviewTerms
from pointsman.core.signals import Signals
from pointsman.errors import Failure, RecordError, ReviewDenied, ReviewPending, ReviewRequired
from pointsman.gateway.reviews import Desk, is_sampled, proposals
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.memory_reviews import MemoryReviews
from pointsman.stores.reviews import Filter
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from pointsman.testing.framing import response
from pointsman.upstream.webhook import MOST_ATTEMPTS, Webhook, Webhooks
from tests.server.coroutines import soon
from tests.tickets import NOW_NS, REVIEWER, SECOND_NS
from tests.upstream.test_http import server
from tests.upstream.test_webhook import Receiver
from tests.worlds import snapshot

BODY = {"model": "auto", "user": "ada", "messages": [{"role": "user", "content": "hello"}]}
CALLER = Caller("k_1", "ml", org="acme", labels=("confidential",))
OFFERED = (Proposal(1, "small", Answer("hi"), 0.2), Proposal(2, "large", Answer("hello"), 0.6))
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
WAIT = ReviewTerms("wait", wait_s=60)


def decided(seed: int = 0) -> Decision:
    world = snapshot([Model("ada")])
    request = Request("dec_1", "auto", caller=CALLER, content=Content((), body=BODY))
    return decide(request, Signals(), world, world.routes["auto"], seed)


class Time:
    """A clock that runs while somebody sleeps."""

    def __init__(self) -> None:
        self.now_ns, self.slept_s = NOW_NS, 0.0

    def __call__(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now_ns += int(seconds * SECOND_NS)
        self.slept_s += seconds

    async def never(self, seconds: float) -> None:
        await asyncio.Event().wait()


def desk(store: MemoryReviews | SqliteReviews | None = None, time: Time | None = None, *, sender: Webhooks | None = None) -> Desk:
    time = time or Time()
    return Desk(store or MemoryReviews(), sender, clock=time, sleep=time.sleep)


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[SqliteReviews]:
    keys = ContentKeys(folder / "keys")
    async with SqliteLog(folder / "log.db") as log:
        yield SqliteReviews(log, keys)
    keys.close()


async def test_a_ticket_tells_whose_request_waits_for_what_and_until_when():
    failures = (Failure("small", "timeout", 504, 1),)
    terms = ReviewTerms(deadline_s=60, priority=2, on_expiry="release", webhook=True)
    at = desk()
    found = await at.open(decided(), terms, "low_confidence", "none is likely to be right", OFFERED, failures)
    assert found == await at.store.get(found.id)
    assert (found.decision, found.route, found.org, found.team, found.key, found.subject) == (
        "dec_1",
        "auto",
        "acme",
        "ml",
        "k_1",
        "k_1/ada",
    )
    assert found.labels == ("confidential", "internal", "public")
    assert (found.created_at_ns, found.deadline_at_ns, found.priority) == (NOW_NS, NOW_NS + 60 * SECOND_NS, 2)
    assert (found.offered, found.failures) == ((Offered(1, "small", 0.2), Offered(2, "large", 0.6)), failures)
    assert (found.on_expiry, found.notify, found.approval) == ("release", True, False)
    contents = await at.store.contents(found)
    assert (contents.body, contents.proposals) == (BODY, OFFERED)


@pytest.mark.parametrize(("terms", "why"), [(ReviewTerms(approval=True), "no_answer"), (ReviewTerms(), "approval")])
async def test_where_approval_is_asked_for_tickets_say_so(terms, why):
    assert (await desk().open(decided(), terms, why, "r")).approval


# What the client gets


async def test_who_waits_hears_at_once_of_what_is_decided_here():
    time = Time()
    at = Desk(MemoryReviews(), clock=time, sleep=time.never)
    ticket = await at.open(decided(), WAIT, "low_confidence", "r", OFFERED)
    waiting = [asyncio.create_task(at.settle(ticket, WAIT)) for _ in range(3)]
    await soon(lambda: len(at._waiting.get(ticket.id, ())) == 3)
    await at.act(ticket.id, Action("claim"), REVIEWER)
    await at.act(ticket.id, Action("edit", text="good day"), REVIEWER)
    found = await asyncio.gather(*waiting)
    assert {resolution.text for resolution in found} == {"good day"}
    assert not at._waiting


async def test_who_waits_hears_of_what_is_decided_elsewhere_by_looking(tmp_path):
    async with sqlite(tmp_path) as here, sqlite(tmp_path) as elsewhere:
        time = Time()
        at = desk(here, time)
        ticket = await at.open(decided(), WAIT, "no_answer", "r")
        waiting = asyncio.create_task(at.settle(ticket, ReviewTerms("wait", wait_s=1e9)))
        await soon(lambda: time.slept_s > 3)
        await elsewhere.act(ticket.id, Action("answer", text="good day"), REVIEWER, time())
        assert (await waiting).text == "good day"


@pytest.mark.parametrize(
    ("why", "kind", "status", "code"),
    [
        ("outage", ReviewPending, 503, "review_pending"),
        *((why, ReviewRequired, 403, "review_required") for why in ("no_answer", "low_confidence", "unmet_floor", "approval")),
    ],
)
@pytest.mark.parametrize(("terms", "waited_s"), [(WAIT, 60), (ReviewTerms("wait", wait_s=0), 0), (ReviewTerms(), 0)])
async def test_who_has_waited_long_enough_gets_an_error_with_the_ticket(why, kind, status, code, terms, waited_s):
    time = Time()
    at = desk(time=time)
    failures = (Failure("small", "timeout", 504, 1),)
    ticket = await at.open(decided(), terms, why, "no model answered", (), failures)
    with pytest.raises(kind) as raised:
        await at.settle(ticket, terms)
    error = raised.value
    assert (type(error), error.status, error.code, error.review, error.failures) == (kind, status, code, ticket.id, failures)
    assert error.headers() == {"x-pointsman-review-id": ticket.id, "x-should-retry": "false"}
    assert time.slept_s == waited_s


async def test_a_holding_answer_is_given_at_once_and_is_not_the_resolution():
    at, terms = desk(), ReviewTerms("holding", holding_answer="bear with us")
    ticket = await at.open(decided(), terms, "low_confidence", "r", OFFERED)
    found = await at.settle(ticket, terms)
    assert (found.text, found.released) == ("bear with us", False)
    assert await at.resolution(ticket.id, 0) is None


@pytest.mark.parametrize(("deed", "says"), [("reject", "a person rejected the answer"), ("", "nobody decided in time")])
async def test_a_no_is_an_error_too(deed, says):
    at = desk()
    ticket = await at.open(decided(), ReviewTerms("wait", deadline_s=30), "low_confidence", "r", OFFERED)
    if deed:
        await at.act(ticket.id, Action(deed), REVIEWER)
    else:
        at._clock.now_ns += 30 * SECOND_NS
        await at.tend()
    with pytest.raises(ReviewDenied, match=says):
        await at.settle(ticket, WAIT)


async def test_what_expires_reaches_who_waits():
    time = Time()
    at = Desk(MemoryReviews(), clock=time, sleep=time.never)
    terms = ReviewTerms("wait", deadline_s=30, on_expiry="release")
    ticket = await at.open(decided(), terms, "low_confidence", "r", OFFERED)
    waiting = asyncio.create_task(at.settle(ticket, terms))
    await soon(lambda: at._waiting)
    await at.tend()
    assert not waiting.done()
    time.now_ns += 30 * SECOND_NS
    await at.tend()
    assert (await waiting).text == "hello"


async def test_a_client_that_leaves_leaves_nothing_behind():
    time = Time()
    at = Desk(MemoryReviews(), clock=time, sleep=time.never)
    ticket = await at.open(decided(), WAIT, "no_answer", "r")
    waiting = asyncio.create_task(at.settle(ticket, WAIT))
    await soon(lambda: at._waiting)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not at._waiting
    assert (await at.store.get(ticket.id)).state == "open"


async def test_words_that_were_erased_are_not_waited_for(tmp_path):
    async with sqlite(tmp_path) as store:
        at = desk(store)
        ticket = await at.open(decided(), WAIT, "no_answer", "r")
        await at.act(ticket.id, Action("answer", text="hi"), REVIEWER)
        store._keys.destroy([key.id for key in store._keys.find("k_1/ada")])
        assert await at.resolution(ticket.id, 60) == Resolution("answered", by="rita")
        with pytest.raises(ReviewDenied):
            await at.settle(ticket, WAIT)


# Sampling


async def test_the_sample_is_the_share_asked_for_and_the_same_each_time():
    at, terms = desk(), ReviewTerms(sample=0.2, webhook=True, on_expiry="release", priority=1)
    drawn = {seed for seed in range(300) if await at.sample(decided(seed), terms, OFFERED[:1])}
    assert drawn == {seed for seed in range(300) if is_sampled(seed, 0.2)}
    assert 30 < len(drawn) < 90
    assert drawn <= {seed for seed in range(300) if is_sampled(seed, 0.5)}
    tickets = await at.store.queue(Filter(), 300)
    assert {(found.why, found.on_expiry, found.notify, found.priority) for found in tickets} == {("sample", "deny", False, -999)}


async def test_requests_on_whose_way_something_failed_are_looked_at_first():
    at, terms = desk(), ReviewTerms(sample=1.0)
    smooth = await at.sample(decided(), terms, OFFERED[:1])
    escalated = await at.sample(decided(), terms, OFFERED)
    failed = await at.sample(decided(), terms, OFFERED[:1], [Failure("small", "timeout", 504, 1)])
    *first, last = await at.store.queue(Filter(), 9)
    assert ({found.id for found in first}, last) == ({escalated.id, failed.id}, smooth)


@pytest.mark.parametrize("why", ["no_answer", "low_confidence", "approval", "unmet_floor", "outage"])
async def test_whom_a_client_waits_for_comes_before_every_sample(why):
    at = desk()
    failed = await at.sample(decided(), ReviewTerms(sample=1.0, priority=100, deadline_s=1), OFFERED, [Failure("small", "timeout", 504, 1)])
    waits = await at.open(decided(), ReviewTerms(priority=-100), why, "r", OFFERED)
    assert [found.id for found in await at.store.queue(Filter(), 9)] == [waits.id, failed.id]


def test_a_plan_s_course_is_what_the_reviewer_sees():
    grades = (Grade("refusal", 0.0, "refuses"),)
    course = (
        Weighed(1, "small", "escalated", 0.2, 0.7, grades, why="too low"),
        Weighed(2, "gone", "escalated"),
        Weighed(3, "large", "to_review", 0.5),
    )
    found = proposals(course, {1: Answer("a"), 3: Answer("c")})
    assert found == (
        Proposal(1, "small", Answer("a"), 0.2, grades, "too low", "escalated"),
        Proposal(3, "large", Answer("c"), 0.5, fate="to_review"),
    )


async def test_the_best_answer_is_the_plan_s_and_not_the_last_of_those_as_likely():
    course = (Weighed(1, "a", "to_review", 0.5), Weighed(2, "b", "to_review", 0.5), Weighed(3, "c", "outvoted", 0.9))
    offered = proposals(course, {1: Answer("a"), 2: Answer("a"), 3: Answer("c")})
    assert (await desk().open(decided(), WAIT, "low_confidence", "r", offered)).best == 1
    assert (await desk().open(decided(), WAIT, "approval", "r", offered, best=2)).best == 2
    assert (await desk().open(decided(), WAIT, "low_confidence", "r", OFFERED)).best == 2


async def test_a_ticket_carries_the_labels_of_its_answers_as_well():
    opened = await desk().open(decided(), WAIT, "approval", "r", OFFERED, found=("pii", "restricted"))
    assert opened.labels == ("confidential", "internal", "pii", "public", "restricted")


async def test_what_was_approved_and_says_nothing_is_not_called_undecided():
    at = desk()
    ticket = await at.open(decided(), WAIT, "approval", "r", [Proposal(1, "small", Answer())])
    await at.act(ticket.id, Action("approve"), REVIEWER)
    with pytest.raises(ReviewDenied, match="what a person released says nothing"):
        await at.settle(ticket, WAIT)


# Webhooks


@asynccontextmanager
async def told(store: MemoryReviews | SqliteReviews, time: Time, receiver: Receiver) -> AsyncIterator[Desk]:
    async with server(receiver) as port:
        at = desk(store, time, sender=Webhooks([f"127.0.0.1:{port}"], private=True))
        at.webhooks = {"auto": Webhook(f"http://127.0.0.1:{port}/", SECRET)}
        yield at


def ids(receiver: Receiver) -> list[str]:
    return [next(line[12:] for line in got.decode().split("\r\n") if line.startswith("webhook-id: ")) for got in receiver.got]


TOLD = ReviewTerms(webhook=True)


async def test_a_webhook_hears_what_became_of_a_ticket_and_no_words():
    receiver, time = Receiver(), Time()
    async with told(MemoryReviews(), time, receiver) as at:
        ticket = await at.open(decided(), TOLD, "low_confidence", "r", OFFERED)
        await at.deliver()
        await at.act(ticket.id, Action("approve"), REVIEWER)
        await at.deliver()
        await at.deliver()
    assert ids(receiver) == [f"{ticket.id}.opened", f"{ticket.id}.approved"]
    body = json.loads(receiver.got[1].partition(b"\r\n\r\n")[2])
    assert body["type"] == "review.approved"
    assert body["data"] == {"id": ticket.id, "decision": "dec_1", "route": "auto"}
    assert b"hello" not in b"".join(receiver.got)


async def test_what_was_not_taken_is_sent_again_later_and_in_the_end_given_up(caplog):
    receiver, time = Receiver(), Time()
    receiver.answer = response(500, b"{}")
    async with told(MemoryReviews(), time, receiver) as at:
        ticket = await at.open(decided(), TOLD, "no_answer", "r")
        gaps, last_ns = [], time()
        while len(receiver.got) < MOST_ATTEMPTS:
            sent = len(receiver.got)
            await at.deliver()
            if len(receiver.got) > sent:
                gaps.append((time() - last_ns) / SECOND_NS)
                last_ns = time()
            time.now_ns += 5 * SECOND_NS if len(receiver.got) < 4 else 3_600 * SECOND_NS
        assert gaps[1:4] == [5, 20, 80]
        time.now_ns += 10**6 * SECOND_NS
        await at.deliver()
    assert ids(receiver) == [f"{ticket.id}.opened"] * MOST_ATTEMPTS
    assert len({got.partition(b"\r\n\r\n")[2] for got in receiver.got}) == 1
    assert "given up after 12 attempts" in caplog.text


async def test_what_was_to_be_told_when_a_process_died_is_told_by_the_next(tmp_path):
    receiver, time = Receiver(), Time()
    async with sqlite(tmp_path) as store, told(store, time, receiver) as at:
        ticket = await at.open(decided(), TOLD, "no_answer", "r")
        await store.due(time(), time() + SECOND_NS, 1)  # taken, and died before it was sent
    async with sqlite(tmp_path) as store, told(store, time, receiver) as at:
        await at.deliver()
        assert receiver.got == []
        time.now_ns += SECOND_NS
        await at.deliver()
        await at.deliver()
    assert ids(receiver) == [f"{ticket.id}.opened"]


async def test_what_was_sent_but_not_written_down_is_sent_again_the_same():
    class Forgetful(MemoryReviews):
        async def delivered(self, id: str) -> None:
            raise RecordError("died here")

    receiver, time, store = Receiver(), Time(), Forgetful()
    async with told(store, time, receiver) as at:
        await at.open(decided(), TOLD, "no_answer", "r")
        for _ in range(2):
            with pytest.raises(RecordError):
                await at.deliver()
            time.now_ns += 60 * SECOND_NS
    assert ids(receiver)[0] == ids(receiver)[1]
    assert receiver.got[0].partition(b"\r\n\r\n")[2] == receiver.got[1].partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("hooks", [{}, {"auto": Webhook("https://not-allowed.test/", SECRET)}], ids=["none any more", "not allowed"])
async def test_a_webhook_that_is_wrongly_configured_is_tried_again_once_it_is_right(hooks):
    receiver, time = Receiver(), Time()
    async with told(MemoryReviews(), time, receiver) as at:
        right, at.webhooks = at.webhooks, hooks
        await at.open(decided(), TOLD, "no_answer", "r")
        await at.deliver()
        at.webhooks = right
        time.now_ns += 5 * SECOND_NS
        await at.deliver()
    assert len(receiver.got) == 1


# All by itself


async def test_left_to_itself_the_desk_lets_expire_tells_and_deletes():
    receiver, time, store = Receiver(), Time(), MemoryReviews()
    async with told(store, time, receiver) as at:
        at.keep_s = 7_200
        ticket = await at.open(decided(), replace(TOLD, deadline_s=3), "no_answer", "r")
        running = asyncio.create_task(at.run())
        await soon(lambda: len(receiver.got) == 2)
        await soon(lambda: not store._tickets)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert ids(receiver) == [f"{ticket.id}.opened", f"{ticket.id}.expired"]


async def test_a_store_that_fails_for_a_while_is_asked_again(caplog):
    class Failing(MemoryReviews):
        failures = 3

        async def expire_due(self, now_ns):
            self.failures -= 1
            if self.failures >= 0:
                raise RecordError("disk full")
            return await super().expire_due(now_ns)

    store, time = Failing(), Time()
    at = desk(store, time)
    ticket = await at.open(decided(), ReviewTerms(deadline_s=1), "no_answer", "r")
    running = asyncio.create_task(at.run())
    await soon(lambda: store._tickets[ticket.id].ended)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert caplog.text.count("disk full") == 3


async def test_whatever_goes_wrong_with_the_store_it_is_asked_again(caplog):
    class Odd(MemoryReviews):
        errors = [ValueError("odd"), KeyError("odd")]  # noqa: RUF012

        async def expire_due(self, now_ns):
            if self.errors:
                raise self.errors.pop()
            return await super().expire_due(now_ns)

    store, time = Odd(), Time()
    at = desk(store, time)
    ticket = await at.open(decided(), ReviewTerms(deadline_s=1), "no_answer", "r")
    running = asyncio.create_task(at.run())
    await soon(lambda: store._tickets[ticket.id].ended)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert caplog.text.count("reviews cannot be tended to") == 2
