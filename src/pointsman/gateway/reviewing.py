"""What one request's route wants of people: an answer where no model has one, leave to give one, a look at it afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pointsman.core.answer import Answer, Weighed
from pointsman.core.decision import Decision
from pointsman.core.review import Proposal, Resolution, ReviewTerms, Ticket, Why
from pointsman.errors import Failure, Fault, RecordError, RequestError
from pointsman.gateway.clock import Clock
from pointsman.gateway.envelope import Written, written
from pointsman.gateway.reviews import Desk, is_sampled, proposals, why_unanswered
from pointsman.wire.events import Event, Finished, Text, ToolArguments, ToolBegan

_log = logging.getLogger("pointsman.reviews")

_SPARE_S = 5.0  # for the store, beyond what a client waits for a person


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer that a person gave or released, or what the client gets meanwhile."""

    written: Written
    model: str  #: whose answer it is; empty: a person's


class Reviewing:
    """One request's way to people and back."""

    def __init__(self, decision: Decision, terms: ReviewTerms, desk: Desk | None, clocks: set[Clock]) -> None:
        """`clocks`: those that wait, for who has to interrupt them."""
        self._decision, self._terms, self._desk, self._clocks = decision, terms, desk, clocks
        self.ticket: Ticket | None = None  #: that the client is told of
        readable = decision.request.api != "embeddings"
        if terms.approval and not readable:
            raise RequestError("a person approves every answer of this route: embeddings cannot be read", code="review_required")
        self.approval = terms.approval
        self.sampled = readable and desk is not None and not terms.approval and is_sampled(decision.seed, terms.sample)

    async def unanswered(
        self, course: Sequence[Weighed], answers: Mapping[int, Answer], failures: Sequence[Failure], faults: Sequence[Fault]
    ) -> Spoken:
        """Ask a person where no model's answer does. Raises what the client hears while there is none, and `RecordError`."""
        why: Why
        if course:
            why, reason = "low_confidence", "no answer is sure enough"
        elif failures:
            why, reason = why_unanswered(faults), "no model answered"
        else:
            why, reason = "unmet_floor", _unmet(self._decision)
        found = await self._settled(why, reason, proposals(course, answers), failures)
        return Spoken(written(self._decision.request, _events(found)), found.model)

    async def approved(self, call: int, proposed: Sequence[Proposal]) -> Spoken | None:
        """What the client may have in place of a call's answer; `None`: that answer, as it is."""
        found = await self._settled("approval", "a person approves every answer of this route", proposed, ())
        if found.verdict == "approved" and not found.edited and found.call == call:
            return None
        return Spoken(written(self._decision.request, _events(found)), found.model)

    async def look(self, proposed: Sequence[Proposal], failures: Sequence[Failure]) -> None:
        """Keep an accepted answer for people to look at. The client's answer does not depend on that."""
        assert self._desk is not None
        try:
            await self._desk.sample(self._decision, self._terms, proposed, failures)
        except RecordError as error:
            _log.warning("an answer drawn for review was not kept: %s (%s)", error, self._decision.request.id)

    async def _settled(self, why: Why, reason: str, proposed: Sequence[Proposal], failures: Sequence[Failure]) -> Resolution:
        if self._desk is None:
            raise RecordError("there is no place to keep reviews")
        loop = asyncio.get_running_loop()
        self.ticket = await self._desk.open(self._decision, self._terms, why, reason, proposed, failures)
        clock = Clock(loop.time() + self._terms.wait_s + _SPARE_S)
        self._clocks.add(clock)
        try:
            return await clock.wait(self._desk.settle(self.ticket, self._terms))
        finally:
            clock.stop()
            self._clocks.discard(clock)


def _events(found: Resolution) -> Iterator[Event]:
    if found.text:
        yield Text(found.text)
    for at, call in enumerate(found.tool_calls):
        yield ToolBegan(at, call.id, call.name)
        yield ToolArguments(at, call.arguments)
    yield Finished("tool_calls" if found.tool_calls else "stop")


def _unmet(decision: Decision) -> str:
    missed = () if decision.plan is None else (flag.removesuffix("_missed") for flag in decision.plan.flags)
    return f"no model keeps {' and '.join(missed)}"
