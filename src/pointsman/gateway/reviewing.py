"""What one request's route wants of people: an answer where no model has one, leave to give one, a look at it afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pointsman.core.answer import Answer, Weighed
from pointsman.core.decision import Decision
from pointsman.core.prices import Usage
from pointsman.core.request import Request
from pointsman.core.review import Proposal, Resolution, ReviewTerms, Ticket, Why
from pointsman.errors import Failure, Fault, RecordError, RequestError
from pointsman.gateway.clock import Clock
from pointsman.gateway.envelope import Written, written
from pointsman.gateway.reviews import Desk, is_sampled, proposals, why_unanswered
from pointsman.signals.extract import Search
from pointsman.signals.sensitivity.texts import Piece
from pointsman.wire.events import Event, Finished, FinishReason, Refusal, Text, ToolArguments, ToolBegan, Used

_log = logging.getLogger("pointsman.reviews")

_CUT_SHORT: Mapping[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}
_SPARE_S = 5.0  # for the store, beyond what a client waits for a person


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer that a person gave or released, or what the client gets meanwhile."""

    written: Written
    model: str  #: whose answer it is; empty: a person's
    meanwhile: bool = False  #: it is no answer, but what is said until there is one: no turn of a conversation


class Reviewing:
    """One request's way to people and back."""

    def __init__(
        self,
        decision: Decision,
        terms: ReviewTerms,
        desk: Desk | None,
        clocks: set[Clock],
        search: Search | None = None,
        sealed_with: str | None = None,
    ) -> None:
        """`clocks`: those that wait, for who has to interrupt them. `search` finds what answers hold; `None`: it is not looked for.

        `sealed_with`: the content key that the request's words were sealed with already, if with any.

        Raises `RequestError` for what a person could not wholly see before it goes out.
        """
        self._decision, self._terms, self._desk, self._clocks = decision, terms, desk, clocks
        self._search, self._sealed_with = search, sealed_with
        self.ticket: Ticket | None = None  #: that the client is told of
        readable = decision.request.api != "embeddings"
        if terms.approval and not readable:
            raise RequestError("a person approves every answer of this route: embeddings cannot be read", code="review_required")
        if terms.approval and decision.request.choices > 1:
            raise RequestError("a person approves one answer of this route at a time: ask for one", param="n", code="review_required")
        self.approval = terms.approval
        # Asked for every request: whether anybody wants a sample comes first.
        self.sampled = terms.sample > 0 and readable and desk is not None and not terms.approval and is_sampled(decision.seed, terms.sample)

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
        return self._spoken(found)

    async def approved(self, call: int, proposed: Sequence[Proposal], usage: Usage | None = None) -> Spoken:
        """What the client may have of a call's answer: what the reviewer was shown, written anew, and nothing that stood beside it.

        `usage`: of that call, told where its answer is what goes out.
        """
        found = await self._settled("approval", "a person approves every answer of this route", proposed, (), call)
        return self._spoken(found, usage if found.call == call else None)

    async def look(self, proposed: Sequence[Proposal], failures: Sequence[Failure], best: int = 0) -> None:
        """Keep an accepted answer for people to look at, that of the call `best`. The client's answer does not depend on that."""
        assert self._desk is not None
        try:
            labels = await self._labels(proposed)
            await self._desk.sample(self._decision, self._terms, proposed, failures, found=labels, best=best, sealed_with=self._sealed_with)
        except RecordError as error:
            _log.warning("an answer drawn for review was not kept: %s (%s)", error, self._decision.request.id)

    def _spoken(self, found: Resolution, usage: Usage | None = None) -> Spoken:
        told = () if usage is None else (Used(usage),)
        said = written(self._decision.request, (*_events(found, _custom(self._decision.request)), *told))
        return Spoken(said, found.model, meanwhile=found.verdict == "open")

    async def _labels(self, proposed: Sequence[Proposal]) -> Sequence[str]:
        """Those of what the answers say: who reviews must be allowed to see them as well."""
        pieces = tuple(_pieces(proposed))
        return () if self._search is None or not pieces else (await asyncio.to_thread(self._search.among, pieces)).labels

    async def _settled(self, why: Why, reason: str, proposed: Sequence[Proposal], failures: Sequence[Failure], best: int = 0) -> Resolution:
        if self._desk is None:
            raise RecordError("there is no place to keep reviews")
        loop = asyncio.get_running_loop()
        labels = await self._labels(proposed)
        self.ticket = await self._desk.open(
            self._decision, self._terms, why, reason, proposed, failures, found=labels, best=best, sealed_with=self._sealed_with
        )
        clock = Clock(loop, loop.time() + self._terms.wait_s + _SPARE_S)
        self._clocks.add(clock)
        try:
            return await clock.wait(self._desk.settle(self.ticket, self._terms))
        finally:
            clock.stop()
            self._clocks.discard(clock)


def may_be_seen(decision: Decision, terms: ReviewTerms) -> bool:
    """Whether there may come to be a ticket that holds what this request says."""
    plan = decision.plan
    if plan is None or decision.request.api == "embeddings":
        return False
    return plan.human or terms.approval or (terms.sample > 0 and is_sampled(decision.seed, terms.sample))


def _events(found: Resolution, custom: frozenset[str]) -> Iterator[Event]:
    """`custom`: names of the tools that take free text."""
    if found.text:
        yield Text(found.text)
    if found.refusal:
        yield Refusal(found.refusal)
    for at, call in enumerate(found.tool_calls):
        yield ToolBegan(at, call.id, call.name, custom=call.name in custom)
        yield ToolArguments(at, call.arguments)
    ended: FinishReason = "tool_calls" if found.tool_calls else "stop"
    yield Finished(_CUT_SHORT.get(found.finish_reason or "", ended))


def _custom(request: Request) -> frozenset[str]:
    """Names of the request's tools that take free text."""
    tools = None if request.content is None else request.content.chat.get("tools")
    own = [tool.get("custom") for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, Sequence) else []
    return frozenset(str(said.get("name")) for said in own if isinstance(said, Mapping))


def _pieces(proposed: Sequence[Proposal]) -> Iterator[Piece]:
    """What a reviewer reads of answers."""
    for each in proposed:
        calls = (text for call in each.answer.tool_calls for text in (call.name, call.arguments))
        yield from (Piece(text, role="assistant") for text in (each.answer.text, each.answer.refusal, *calls) if text)


def _unmet(decision: Decision) -> str:
    missed = () if decision.plan is None else (flag.removesuffix("_missed") for flag in decision.plan.flags)
    return f"no model keeps {' and '.join(missed)}"
