"""The gateway: understand, decide, record, call, record again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import msgspec

from pointsman.core.codec import from_json
from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.errors import NotFound, PointsmanError, RecordError
from pointsman.gateway.attempt import Attempt
from pointsman.gateway.refusal import no_eligible_model
from pointsman.gateway.understand import World, decide_request
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Egress
from pointsman.wire.explanation import explanation


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: one body, or a stream of events."""

    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]


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
        clock = _Clock()
        world = self.world
        decision = decide_request(raw, world, caller, headers)
        try:
            await self._record(decision, world)
            if decision.plan is None:
                raise no_eligible_model(decision)
            attempt = await self._carry_out(decision, world.snapshot, clock)
        except PointsmanError as error:
            error.decision = decision.request.id
            raise
        return Answer(attempt.headers(clock.overhead_ms), attempt.body if attempt.stream is None else attempt.events())

    def explain(self, raw: bytes, caller: Caller, headers: Mapping[str, str]) -> dict[str, object]:
        """The decision that this request would get now, explained; nothing is recorded or called."""
        world = self.world
        return explanation(decide_request(raw, world, caller, headers), world.snapshot)

    async def recorded(self, decision_id: str, caller: Caller | None) -> dict[str, object]:
        """A recorded decision, worked out again from its record, with its calls. `caller` sees its own only; `None` sees all."""
        entries = await self._log.read(decision_id)
        kept = next((from_json(DecisionRecord, entry.body) for entry in entries if entry.kind == "decision"), None)
        if kept is None or (caller is not None and kept.request.caller.key != caller.key):
            raise NotFound(f"no decision `{decision_id[:100]}`")
        snapshot = await self._snapshot(kept.snapshot)
        outcomes = [from_json(Outcome, entry.body) for entry in entries if entry.kind == "outcome"]
        return explanation(remake(kept, snapshot), snapshot, outcomes)

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

    async def _carry_out(self, decision: Decision, snapshot: Snapshot, clock: _Clock) -> Attempt:
        """Run the plan until a call has content to deliver. Raises the first call's error when none has."""
        steps = start(decision)
        attempts: list[Attempt] = []
        call = next(steps)
        while True:
            attempt = Attempt(decision, snapshot, call, len(attempts) + 1, self._egress, self._log)
            attempts.append(attempt)
            with clock:
                reached = await attempt.open()
            try:
                call = steps.send(reached)
            except StopIteration as stop:
                if isinstance(stop.value, Deliver):
                    return attempt
                # The first error, not the last: it is the one about the model that was chosen.
                raise attempts[0].error from None  # type: ignore[misc]


class _Clock:
    """Splits a request's time into waiting for upstreams (within `with`) and our own."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._waited_s = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._waited_s += time.monotonic() - self._since

    @property
    def overhead_ms(self) -> float:
        return (time.monotonic() - self._started - self._waited_s) * 1000
