"""The gateway: understand, decide, record, call, record again."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from pointsman.core.codec import from_json
from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.errors import NotFound, PointsmanError, RecordError, UpstreamError
from pointsman.gateway.attempt import Attempt
from pointsman.gateway.refusal import no_eligible_model
from pointsman.gateway.understand import World, decide_request, decide_understood, understand
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Egress
from pointsman.wire.explanation import explanation

_LARGE_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: one body, or a stream of events. Close it in any case: an unread stream holds a connection."""

    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]
    aclose: Callable[[], Awaitable[None]]  #: ends a call that is still running; may be called twice


class Gateway:
    """Carries requests from their bytes to their recorded answers."""

    def __init__(self, world: World, log: DecisionLog, egress: Egress, revive: Callable[[bytes], Snapshot]) -> None:
        """`revive` makes a snapshot again from the body that the log keeps."""
        self.world = world
        self._log = log
        self._egress = egress
        self._revive = revive

    async def chat(self, raw: bytes, caller: Caller, headers: Mapping[str, str]) -> Answer:
        """Answer a chat completion request.

        The decision is durable before anything goes out; each call's outcome is durable before its answer is complete.
        """
        started = time.monotonic()
        world = self.world
        decision = await self._decide(raw, world, caller, headers)
        try:
            await self._record(decision, world)
            if decision.plan is None:
                raise no_eligible_model(decision)
            attempt, waited_s = await self._carry_out(decision, world.snapshot)
        except PointsmanError as error:
            error.decision = decision.request.id
            raise
        told = attempt.headers(overhead_ms=(time.monotonic() - started - waited_s) * 1000)
        return Answer(told, attempt.body if attempt.stream is None else attempt.events(), attempt.aclose)

    async def explain(self, raw: bytes, caller: Caller, headers: Mapping[str, str]) -> dict[str, object]:
        """The decision that this request would get now, explained; nothing is recorded or called."""
        world = self.world
        return explanation(await self._decide(raw, world, caller, headers), world.snapshot)

    async def recorded(self, decision_id: str, caller: Caller | None) -> dict[str, object]:
        """A recorded decision, worked out again from its record, with its calls. `caller` sees its own only; `None` sees all."""
        entries = await self._log.read(decision_id)
        made = next((entry for entry in entries if entry.kind == "decision"), None)
        kept = None if made is None else from_json(DecisionRecord, made.body)
        if made is None or kept is None or (caller is not None and kept.request.caller.key != caller.key):
            raise NotFound(f"no decision `{decision_id[:100]}`")
        snapshot = await self._snapshot(kept.snapshot)
        outcomes = [from_json(Outcome, entry.body) for entry in entries if entry.kind == "outcome"]
        at = datetime.fromtimestamp(made.at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
        return {"at": at, **explanation(remake(kept, snapshot), snapshot, outcomes)}

    async def _decide(self, raw: bytes, world: World, caller: Caller, headers: Mapping[str, str]) -> Decision:
        if len(raw) < _LARGE_BYTES:
            return decide_request(raw, world, caller, headers)
        # Other requests go on meanwhile.
        return decide_understood(*await asyncio.to_thread(understand, raw, world, caller, headers), world)

    async def _snapshot(self, snapshot_id: str) -> Snapshot:
        if snapshot_id == self.world.snapshot.id:
            return self.world.snapshot
        body = await self._log.get_snapshot(snapshot_id)
        if body is None:
            raise RecordError(f"snapshot `{snapshot_id}` is not in the log: the decision cannot be worked out again")
        return self._revive(body)

    async def _record(self, decision: Decision, world: World) -> None:
        request = decision.request
        if world.keep_content and request.content is not None:
            await self._log.append("content", request.id, msgspec.json.encode(request.content.body))
        await self._log.append("decision", request.id, msgspec.json.encode(record(decision)))

    async def _carry_out(self, decision: Decision, snapshot: Snapshot) -> tuple[Attempt, float]:
        """Run the plan until a call has content to deliver: that call, and the seconds spent waiting for upstreams.

        Raises the first call's error when none has: it is the one about the model that was chosen.
        """
        steps = start(decision)
        call, waited_s = next(steps), 0.0
        first_error: PointsmanError | None = None
        for number in itertools.count(1):
            attempt = Attempt(decision, snapshot, call, number, self._egress, self._log)
            try:
                reached = await attempt.open()
            except BaseException:
                await attempt.aclose()
                raise
            waited_s += attempt.waited_s
            first_error = first_error or attempt.error
            try:
                call = steps.send(reached)
            except StopIteration as stop:
                if isinstance(stop.value, Deliver):
                    return attempt, waited_s
                break
        raise first_error or UpstreamError("the plan ended without an answer")
