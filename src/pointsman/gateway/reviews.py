"""The desk: where requests wait for people, and people's answers come back.

Whoever decides in this process wakes who waits here at once; what was decided elsewhere (another worker, the command line) is seen by
looking into the store every `poll_s`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from pointsman.core.answer import Answer, Fate, Weighed
from pointsman.core.decision import Decision
from pointsman.core.labels import close
from pointsman.core.request import Caller
from pointsman.core.review import Action, Contents, Offered, Proposal, Resolution, ReviewTerms, State, Ticket, Why
from pointsman.errors import Failure, Fault, PointsmanError, RecordError, ReviewDenied, ReviewPending, ReviewRequired
from pointsman.gateway.subject import subject_of
from pointsman.stores.reviews import Delivery, ReviewStore
from pointsman.upstream.health import SOUND
from pointsman.upstream.webhook import MOST_ATTEMPTS, TIMEOUT_S, Webhook, Webhooks, wait_s

_log = logging.getLogger("pointsman.reviews")

_S = 10**9
_AFTER_ALL: Final = 1_000  # routes differ by 200 at most: whom nobody waits for comes after all for whom somebody does
_AT_ONCE: Final = 16
_THE_REQUEST_S: Final = SOUND | {"over_budget", "refused"}
_LEASE_S: Final = 2 * TIMEOUT_S
_NO_ANSWER: Final[Mapping[State, str]] = {"rejected": "a person rejected the answer", "expired": "nobody decided in time"}
_PURGE_EVERY_S: Final = 3_600.0
_CHOSEN: Final[frozenset[Fate | None]] = frozenset({"accepted", "settled", "to_review"})


class Desk:
    """Opens tickets, waits for what comes of them, lets them expire, and tells webhooks."""

    def __init__(
        self,
        store: ReviewStore,
        sender: Webhooks | None = None,
        *,
        keep_s: float | None = None,
        poll_s: float = 1.0,
        clock: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`keep_s`: how long tickets are kept once they have ended; `None`: for good. `clock`: wall, nanoseconds."""
        self.store = store
        self.webhooks: Mapping[str, Webhook] = {}  #: by route; replaced as a whole
        self.sender = sender
        self.keep_s = keep_s
        self._poll_s, self._clock, self._sleep = poll_s, clock, sleep
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._purge_at_ns = 0

    async def open(
        self,
        decision: Decision,
        terms: ReviewTerms,
        why: Why,
        reason: str,
        proposals: Sequence[Proposal] = (),
        failures: Sequence[Failure] = (),
        *,
        found: Sequence[str] = (),
        best: int = 0,
        sealed_with: str | None = None,
    ) -> Ticket:
        """A new ticket, or the one that waits for the same already; durable when this returns. Raises `RecordError` when it cannot be kept.

        `found`: labels of what the answers say, which the ticket carries beside the request's. `best`: the call whose answer is preferred;
        0: the first that the plan chose. `sealed_with`: the content key that the request's words were sealed with before: where that is
        destroyed, they were erased.
        """
        request, ruling, now_ns = decision.request, decision.ruling, self._clock()
        if request.content is None:
            raise ValueError("a request read from a record has no content to show")
        sample = why == "sample"
        failed = bool(failures) or len(proposals) > 1
        ticket = Ticket(
            id=f"rev_{secrets.token_hex(12)}",
            decision=request.id,
            route=decision.route,
            why=why,
            reason=reason,
            created_at_ns=now_ns,
            deadline_at_ns=now_ns + int(terms.deadline_s * _S),
            labels=close((*ruling.labels, *found)),
            org=request.caller.org,
            team=request.caller.team,
            key=request.caller.key,
            subject=subject_of(request.caller.key, request.content.body),
            asked="" if sample else _asked(decision, request.content.body, approval=terms.approval),
            task=ruling.task,
            priority=terms.priority - _AFTER_ALL + failed if sample else terms.priority,
            on_expiry="deny" if sample else terms.on_expiry,
            approval=terms.approval or why == "approval",
            notify=terms.webhook and not sample,
            offered=tuple(Offered(each.call, each.model, each.confidence) for each in proposals),
            failures=tuple(failures),
            preferred=best or next((each.call for each in proposals if each.fate in _CHOSEN), 0),
        )
        return await self.store.open(ticket, Contents(request.content.body, request.api, tuple(proposals)), sealed_with)

    async def sample(
        self,
        decision: Decision,
        terms: ReviewTerms,
        proposals: Sequence[Proposal],
        failures: Sequence[Failure] = (),
        *,
        found: Sequence[str] = (),
        best: int = 0,
        sealed_with: str | None = None,
    ) -> Ticket | None:
        """A ticket for an answer that was accepted, where chance will have it: after all for which a client waits, and among samples
        first where something failed on its way."""
        if not is_sampled(decision.seed, terms.sample):
            return None
        why = "drawn for a look at its quality"
        return await self.open(decision, terms, "sample", why, proposals, failures, found=found, best=best, sealed_with=sealed_with)

    async def settle(self, ticket: Ticket, terms: ReviewTerms) -> Resolution:
        """What the client of this ticket gets now, as the route's contract says. Raises `ReviewRequired`, or what follows from a "no"."""
        if terms.contract == "holding":
            return Resolution("open", terms.holding_answer)
        found = await self.resolution(ticket.id, terms.wait_s) if terms.contract == "wait" else None
        if found is None or not found.released:
            raise refusal(ticket, found)
        return found

    async def resolution(self, id: str, within_s: float) -> Resolution | None:
        """What comes of a ticket, as soon as it has ended; `None` if it has not by then. Without words where they were erased."""
        ended = asyncio.Event()
        self._waiting.setdefault(id, set()).add(ended)
        try:
            while not (ticket := await self.store.get(id)).ended:
                if within_s <= 0:
                    return None
                step_s = min(self._poll_s, within_s)
                await self._pause(ended, step_s)
                within_s -= step_s
            return await self.store.resolution(ticket) or Resolution(ticket.state, by=ticket.assignee)
        finally:
            self._waiting[id].discard(ended)
            if not self._waiting[id]:
                del self._waiting[id]

    async def act(self, id: str, action: Action, by: Caller) -> Ticket:
        """Do something with a ticket now; see `core.review.act`."""
        ticket = await self.store.act(id, action, by, self._clock())
        self._wake(ticket)
        return ticket

    async def run(self) -> None:
        """Tend to tickets and tell webhooks until cancelled; a webhook that is slow keeps no ticket from expiring."""
        await asyncio.gather(self._again(self.tend), self._again(self.deliver))

    async def tend(self) -> None:
        """Let expire what is due, and delete what is old."""
        for ticket in await self.store.expire_due(self._clock()):
            self._wake(ticket)
        now_ns = self._clock()
        if self.keep_s is not None and now_ns >= self._purge_at_ns:
            await self.store.purge(now_ns - int(self.keep_s * _S))
            self._purge_at_ns = now_ns + int(_PURGE_EVERY_S * _S)

    async def deliver(self) -> None:
        """Send what webhooks are to be told now."""
        if self.sender is None:
            return
        now_ns = self._clock()
        while due := await self.store.due(now_ns, now_ns + int(_LEASE_S * _S), _AT_ONCE):
            await asyncio.gather(*(self._send(delivery, self.sender) for delivery in due))

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except RecordError as error:
                _log.warning("reviews cannot be tended to: %s", error)
            except Exception:  # noqa: BLE001  nobody else would let tickets expire, or tell of them, until the process ends
                _log.exception("reviews cannot be tended to")
            await self._sleep(self._poll_s)

    async def _send(self, delivery: Delivery, sender: Webhooks) -> None:
        hook, now_ns = self.webhooks.get(delivery.route), self._clock()
        try:
            if hook is None:
                raise RecordError(f"route `{delivery.route}` has no webhook any more")
            await sender.send(hook, delivery.id, message(delivery), now_ns // _S)
        except PointsmanError as error:
            attempts = delivery.attempts + 1
            if attempts < MOST_ATTEMPTS:
                _log.info("message `%s` was not taken, attempt %d: %s", delivery.id, attempts, error)
                await self.store.postpone(delivery.id, now_ns + int(wait_s(attempts) * _S))
                return
            _log.warning("message `%s` is given up after %d attempts: %s", delivery.id, attempts, error)
        await self.store.delivered(delivery.id)

    async def _pause(self, ended: asyncio.Event, seconds: float) -> None:
        """For so long, or until it has ended."""
        tasks = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(self._sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self, ticket: Ticket) -> None:
        if ticket.ended:
            for waiting in self._waiting.get(ticket.id, ()):
                waiting.set()


def _asked(decision: Decision, body: Mapping[str, object], *, approval: bool) -> str:
    """What tells that the same key asks the same again, under the same demands."""
    request, ruling = decision.request, decision.ruling
    said = (request.caller.key, request.api, decision.route, ruling.task, ruling.labels, approval, body)
    return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def proposals(course: Sequence[Weighed], answers: Mapping[int, Answer]) -> tuple[Proposal, ...]:
    """What a plan made of its calls' answers, which are given by the numbers of the calls, for a reviewer to see."""
    last = {step.call: step for step in course}
    return tuple(
        Proposal(step.call, step.model, answers[call], step.confidence, step.grades, step.why, step.fate, step.barred)
        for call, step in sorted(last.items())
        if call in answers
    )


def why_unanswered(faults: Sequence[Fault]) -> Why:
    """Why no model answered: an outage, unless one of the faults is the request's own.

    >>> why_unanswered(["timeout", "unavailable"]), why_unanswered(["timeout", "content_filter"]), why_unanswered([])
    ('outage', 'no_answer', 'no_answer')
    """
    return "outage" if faults and not _THE_REQUEST_S.intersection(faults) else "no_answer"


def is_sampled(seed: int, share: float) -> bool:
    """Whether a decision of that seed is among the share (0 to 1) that people look at; the same whenever and wherever it is asked.

    >>> is_sampled(7, 1.0), is_sampled(7, 0.0), 900 < sum(is_sampled(seed, 0.1) for seed in range(10_000)) < 1_100
    (True, False, True)
    """
    drawn = int.from_bytes(sha256(b"review %d" % seed).digest()[:7])
    return drawn < share * 2**56


def refusal(ticket: Ticket, resolution: Resolution | None = None) -> ReviewRequired:
    """The error of a client that gets no answer: not yet (without `resolution`), or not at all."""
    if resolution is not None:
        why = _NO_ANSWER.get(resolution.verdict, "what a person released says nothing, or was erased")
        return ReviewDenied(f"{why}: review `{ticket.id}`", ticket.id)
    kind = ReviewPending if ticket.why == "outage" else ReviewRequired
    error = kind(f"{ticket.reason}: a person is asked, and the answer will be at `GET /v1/reviews/{ticket.id}`", ticket.id)
    error.failures = ticket.failures
    return error


def message(delivery: Delivery) -> bytes:
    """What a webhook gets: which ticket and what became of it, no words. The same bytes however often it is sent."""
    at = datetime.fromtimestamp(delivery.at_ns / _S, UTC).isoformat(timespec="milliseconds")
    data = {"id": delivery.ticket, "decision": delivery.decision, "route": delivery.route}
    return msgspec.json.encode({"type": f"review.{delivery.event}", "timestamp": at, "data": data})
