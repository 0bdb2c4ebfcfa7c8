"""The gateway: understand, decide, record, call, record again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, cast

import msgspec

from pointsman.core.codec import from_json
from pointsman.core.decision import Decision
from pointsman.core.fault import NOT_CALLED
from pointsman.core.outcome import Outcome
from pointsman.core.prices import usd
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Caller, Request
from pointsman.core.review import REVIEWS
from pointsman.core.role import READS_DECISIONS
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Snapshot
from pointsman.core.tenancy import Scope
from pointsman.core.value import value
from pointsman.errors import NotFound, PointsmanError, RateLimited, RecordError, RequestError, UpstreamError
from pointsman.gateway.attempt import Attempt
from pointsman.gateway.clock import Clock
from pointsman.gateway.codes import code_of
from pointsman.gateway.driver import Driver
from pointsman.gateway.live import Live
from pointsman.gateway.masking import CANNOT_MASK
from pointsman.gateway.premium import Taken, settle
from pointsman.gateway.reading import NOT_READ, Read, known_of, page
from pointsman.gateway.refusal import no_eligible_model, why_refused
from pointsman.gateway.responses import Responses
from pointsman.gateway.reviewing import Spoken
from pointsman.gateway.sealing import sealed
from pointsman.gateway.understand import Inquiry, World, decide_understood, understand, understand_again, understand_body
from pointsman.signals.known import Known
from pointsman.stores.log import DecisionLog
from pointsman.stores.reviews import for_asker
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.explanation import explanation
from pointsman.wire.strict_json import parse_object

Reading = Callable[[Request, Signals, Live], Awaitable[Read]]

_encode = msgspec.json.Encoder().encode
_LARGE_BYTES = 32_000  # of many small parts, these take some tens of milliseconds as well
_LARGE_TO_SEARCH_BYTES = 30_000  # which takes some tens of milliseconds


@value
class Answer:
    """What the client gets: one body, or a stream of events. Close it in any case: an unread stream holds a connection."""

    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]
    error_event: Callable[[PointsmanError], bytes]  #: the event that ends a stream which failed
    aclose: Callable[[], Awaitable[None]]  #: ends a call that is still running; may be called twice


class Decided(NamedTuple):
    """A decision that is on record, and what it is to be carried out with."""

    decision: Decision
    live: Live
    took_s: float
    taken: tuple[Taken, ...] = ()  #: what it counts as, for caps on premium models
    read: Read = NOT_READ  #: by a model, before it was decided
    sealed_with: str | None = None  #: content key without which nothing of it is sealed any more: destroyed, it is erased for good


class Gateway:
    """Carries requests from their bytes to their recorded answers."""

    def __init__(self, live: Live, log: DecisionLog, revive: Callable[[bytes], Snapshot], responses: Responses | None = None) -> None:
        """`revive` makes a snapshot again from the body that the log keeps."""
        self.live = live  #: replaced as a whole; a request keeps to the one it began with
        self._log = log
        self._revive = revive
        self._clocks: set[Clock] = set()
        self.responses = Responses() if responses is None else responses

    @property
    def world(self) -> World:
        """What requests are decided under now."""
        return self.live.world

    async def decide(self, inquiry: Inquiry) -> Decided:
        """Decide a request. The decision is durable when this returns, before anything goes out."""
        started_s, live = time.monotonic(), self.live
        if inquiry.api == "responses":
            inquiry = replace(inquiry, complete=partial(self.responses.complete, inquiry.caller.key))
        decision, read = await self._decide(inquiry, live, self.read)
        taken = () if live.tally is None else live.tally.take(decision)
        try:
            sealed_with = await sealed(decision, live, self.responses, self._log)
            await self._log.append("decision", decision.request.id, _encode(record(decision)))
            if decision.plan is None:
                raise no_eligible_model(decision)
        except BaseException as error:  # the client may leave meanwhile
            settle(taken, called=frozenset())
            if isinstance(error, PointsmanError):
                error.decision = decision.request.id
            raise
        return Decided(decision, live, time.monotonic() - started_s - read.waited_s, taken, read, sealed_with)

    async def ask(self, inquiry: Inquiry) -> Answer:
        """Decide a request, and carry the decision out."""
        return await self.answer(await self.decide(inquiry))

    async def answer(self, decided: Decided) -> Answer:
        """Carry a decision out. Each call's outcome is durable before its answer is complete."""
        started_s, decision = time.monotonic(), decided.decision
        called: Set[str] = frozenset()
        try:
            driver = self._driver(decision, decided.live, decided.sealed_with)
            called = driver.called  # grows with every call
            found = await driver.run()
        except PointsmanError as error:
            error.decision = decision.request.id
            raise
        finally:
            settle(decided.taken, called)
        overhead_s = decided.took_s + time.monotonic() - started_s - driver.waited_s
        read_picousd = decided.read.cost_picousd
        if isinstance(found, Spoken):
            told = {**_spoken_headers(found, driver, decision, overhead_s * 1000, read_picousd), **driver.headers(None)}
            return await self._spoken(found, decided, told)
        told = {**found.headers(overhead_s * 1000, driver.others_picousd(found) + read_picousd), **driver.headers(found)}
        return await self._delivered(found, decided, told, partial(driver.looked_at, found) if driver.reviewing.sampled else None)

    def cut(self, error: PointsmanError) -> None:
        """End every request in progress with this error."""
        for clock in tuple(self._clocks):
            clock.interrupt(error)

    async def explain(self, inquiry: Inquiry) -> dict[str, object]:
        """The decision that this request would get now, explained; nothing is recorded or called."""
        live = self.live
        decision, _ = await self._decide(inquiry, live)
        return _shown(explanation(decision, live.world.snapshot), inquiry.caller)

    async def count_tokens(self, inquiry: Inquiry) -> int:
        """Input tokens of a request, in the tokenizer of this pool that counts most. No model is asked."""
        _, signals = await self._understood(inquiry, self.world)
        return signals.tokens.input

    async def recorded(self, decision_id: str, caller: Caller | None) -> dict[str, object]:
        """A recorded decision, made again from its record, with its calls. `None` sees all; a caller what its role shows it."""
        entries = await self._log.read(decision_id)
        made = next((entry for entry in entries if entry.kind == "decision"), None)
        kept = None if made is None else from_json(DecisionRecord, made.body)
        if made is None or kept is None or (caller is not None and not _may_see(caller, kept.request.caller)):
            raise NotFound(f"no decision `{decision_id[:100]}`")
        snapshot = await self._snapshot(kept.snapshot)
        outcomes = [from_json(Outcome, entry.body) for entry in entries if entry.kind == "outcome"]
        at = datetime.fromtimestamp(made.at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
        courses = [msgspec.json.decode(entry.body) for entry in entries if entry.kind == "course"]
        reviews = [msgspec.json.decode(entry.body) for entry in entries if entry.kind == "review"]
        if caller is not None and caller.role not in REVIEWS | {"auditor"}:
            reviews = [for_asker(review) for review in reviews]
        told = _shown(explanation(remake(kept, snapshot), snapshot, outcomes), caller)
        return {"at": at, **told, "courses": courses, "reviews": reviews}

    async def read(self, request: Request, signals: Signals, live: Live) -> Read:
        """Have a request read: decided under its route for the model that reads, recorded, called. What fails of it is told, not raised."""
        world = live.world
        assert world.reader is not None
        try:
            told = await asyncio.to_thread(page, request, signals, world.snapshot, world.mask, world.reader, world.signals.tokenizers)
        except RequestError as error:
            return Read(why=error.message if error.code == CANNOT_MASK else "it cannot be masked", refused=True)
        if told.request is None:
            return Read(Known(world.reader.name, world.reader.dims))
        known = told.signals
        if live.till is not None and live.till.budgets:
            known = replace(known, budget=await live.till.pressure(told.request, told.request.model, known.task))
        decision = decide_understood(told.request, known, world)
        await self._log.append("decision", decision.request.id, _encode(record(decision)))
        if decision.plan is None:
            return Read(why=why_refused(decision), refused=True)
        driver = self._driver(decision, live)
        try:
            found = await driver.run()
        except (UpstreamError, RateLimited) as error:
            return Read(why=f"`{decision.chosen}`: {_class_of(error)}", waited_s=driver.waited_s, cost_picousd=driver.others_picousd(None))
        assert isinstance(found, Attempt)
        self._clocks.discard(found.clock)
        vectors = await asyncio.to_thread(known_of, found.body, told.texts, world.reader)
        spent = Read(waited_s=driver.waited_s, cost_picousd=driver.others_picousd(None))
        return spent._replace(why=f"`{decision.chosen}`: {vectors}") if isinstance(vectors, str) else spent._replace(known=vectors)

    async def _decide(self, inquiry: Inquiry, live: Live, read: Reading | None = None) -> tuple[Decision, Read]:
        """`read`: has requests read where a model does that; without it nothing is called."""
        world, till, made = live.world, live.till, NOT_READ
        reads = read is not None and world.reader is not None
        request, signals = await self._understood(inquiry, world)
        if read is not None and reads and world.snapshot.route(request.model) is not None:
            made = await read(request, signals, live)
            signals = replace(signals, unread=made.why)
            if made.known is not None:
                signals = await asyncio.to_thread(understand_again, request, signals, world, made.known)
        if till is not None and till.budgets:
            signals = replace(signals, budget=await till.pressure(request, request.model, signals.task))
        if live.tally is not None:
            signals = replace(signals, premium=live.tally.shares(request, world.snapshot))
        return decide_understood(request, signals, world), made

    async def _understood(self, inquiry: Inquiry, world: World) -> tuple[Request, Signals]:
        if _takes_long(inquiry, world):
            return await asyncio.to_thread(understand, inquiry, world)  # other requests go on meanwhile
        body = parse_object(inquiry.raw, world.max_json_depth)
        if inquiry.complete is None or body.get("previous_response_id") is None:
            return understand_body(inquiry, body, world)
        return await asyncio.to_thread(understand_body, inquiry, body, world)  # the conversation may be long, and is on the disk

    async def _snapshot(self, snapshot_id: str) -> Snapshot:
        if snapshot_id == self.world.snapshot.id:
            return self.world.snapshot
        body = await self._log.get_snapshot(snapshot_id)
        if body is None:
            raise RecordError(f"snapshot `{snapshot_id}` is not in the log: the decision cannot be worked out again")
        return self._revive(body)

    def _driver(self, decision: Decision, live: Live, sealed_with: str | None = None) -> Driver:
        route = live.world.snapshot.route_of(decision.request, decision.route)
        assert route is not None
        return Driver(decision, route.execution, live, self._log, self._clocks, sealed_with)

    async def _spoken(self, spoken: Spoken, decided: Decided, told: Mapping[str, str]) -> Answer:
        (body, final), request = spoken.written, decided.decision.request
        if not spoken.meanwhile and (final is not None or not request.stream):
            await self._keep(decided, final or body)
        return Answer(told, _at_once(body) if request.stream else body, DIALECTS[request.api].error_event, _nothing)

    async def _delivered(
        self, attempt: Attempt, decided: Decided, told: Mapping[str, str], ended: Callable[[], Awaitable[None]] | None
    ) -> Answer:
        if attempt.stream is None:
            self._clocks.discard(attempt.clock)
            if attempt.final is not None or not decided.decision.request.stream:
                await self._keep(decided, attempt.final or attempt.body)
            body = _at_once(attempt.body) if decided.decision.request.stream else attempt.body
            return Answer(told, body, attempt.error_event, attempt.aclose)

        final: list[bytes] = []

        async def over() -> None:
            for answer in final:
                await self._keep(decided, answer)
            if ended is not None:
                await ended()

        async def aclose() -> None:
            self._clocks.discard(attempt.clock)
            await attempt.aclose()

        return Answer(told, attempt.events(final.append, over), attempt.error_event, aclose)

    async def _keep(self, decided: Decided, answer: bytes) -> None:
        request, labels = decided.decision.request, decided.decision.ruling.labels
        if request.api == "responses" and request.content is not None:
            content = request.content
            await self.responses.keep(request.caller.key, content.body, answer, labels, content.previous, decided.sealed_with)


def _spoken_headers(spoken: Spoken, driver: Driver, decision: Decision, overhead_ms: float, read_picousd: int) -> dict[str, str]:
    told = {
        "x-request-id": decision.request.id,
        "x-pointsman-decision-id": decision.request.id,
        "x-pointsman-attempts": str(driver.made),
        "x-pointsman-cost-usd": usd(driver.others_picousd(None) + read_picousd),
        "x-pointsman-overhead-ms": f"{overhead_ms:.2f}",
    }
    return {**told, "x-pointsman-model": spoken.model} if spoken.model else told


def _class_of(error: UpstreamError | RateLimited) -> str:
    """In a word of ours: what an upstream says may be the user's own."""
    fault = error.fault if isinstance(error, UpstreamError) else "rate_limit"
    return code_of(error.code) or fault if fault in NOT_CALLED else fault


async def _nothing() -> None:
    """There is nothing to let go of."""


async def _at_once(events: bytes) -> AsyncIterator[bytes]:
    """A stream whose answer was waited for."""
    yield events


def _takes_long(inquiry: Inquiry, world: World) -> bool:
    """Whether other requests should not wait while this one is understood."""
    return world.reads_slowly or len(inquiry.raw) >= (_LARGE_BYTES if world.signals.search is None else _LARGE_TO_SEARCH_BYTES)


def _shown(told: dict[str, object], caller: Caller | None) -> dict[str, object]:
    """Without the ids of past requests that are like this one, but for who may read all decisions: they may be another tenant's."""
    if caller is None or (caller.role in READS_DECISIONS and not caller.org):
        return told
    return {**told, "signals": {**cast("dict[str, object]", told["signals"]), "neighbours": []}}


def _may_see(caller: Caller, asked: Caller) -> bool:
    """Whether a decision of that key is shown: it is its own, or it lies within the place of one that reads decisions."""
    within = Scope(caller.org, caller.team).covers(Scope(asked.org, asked.team))
    return caller.key == asked.key or (within and caller.role in READS_DECISIONS)
