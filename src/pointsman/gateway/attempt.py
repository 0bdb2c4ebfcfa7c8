"""One upstream call: opened until there is something to deliver, followed to its end, recorded whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from pointsman.core.answer import Answer
from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome, Status, UsageSource
from pointsman.core.prices import Usage, cost_picousd, usd
from pointsman.core.request import Request
from pointsman.errors import PointsmanError, UpstreamError
from pointsman.gateway.bodies import all_of, beginning_of
from pointsman.gateway.clock import Clock
from pointsman.gateway.codes import cause_of, code_of, code_of_error
from pointsman.gateway.followed import Followed
from pointsman.gateway.live import Live
from pointsman.gateway.masking import unmasking_of
from pointsman.gateway.purse import Held
from pointsman.gateway.whole import Whole
from pointsman.plans.steps import Call
from pointsman.signals.tokens import count
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Letter
from pointsman.upstream.health import Ticket
from pointsman.upstream.transport import Reply
from pointsman.wire.dialect import Completion
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.refused import refused
from pointsman.wire.retry_after import retry_after_s

logger = logging.getLogger("pointsman.calls")

_LARGE_BYTES = 200_000  # of many small parts, these take some tens of milliseconds to read
_REMAINING = (
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    *(f"anthropic-ratelimit-{what}-remaining" for what in ("requests", "tokens", "input-tokens", "output-tokens")),
)


class Attempt:
    """`open` it; if that reached something, deliver `body` or `events`; `aclose` it in any case."""

    def __init__(
        self,
        decision: Decision,
        live: Live,
        call: Call,
        asked: Request,
        letter: Letter,
        ticket: Ticket,
        number: int,
        log: DecisionLog,
        loop: asyncio.AbstractEventLoop,
        deadline_at: float,
        held: Held | None = None,
        kept: bool = False,
    ) -> None:
        """`asked`: the request as this call varies it. `deadline_at`: loop time by which there must be something to deliver.
        `kept`: what a stream says is kept, to be looked at.
        """
        self.number, self.model = number, call.model
        self.error: UpstreamError | None = None
        self.waited_s = 0.0  #: for the upstream, until there was something to deliver
        self._decision, self._live, self._call, self._asked, self._log = decision, live, call, asked, log
        self._model = live.world.snapshot.models[call.model]
        self._letter, self._ticket, self._held = letter, ticket, held
        self._timeouts = live.egress.timeouts(call.model)
        self._reserved_tokens = reserved_tokens(decision)
        self._started = loop.time()
        self._began_at_ns = time.time_ns()
        self._measured_from_s = time.perf_counter()  # uvloop's clock counts whole milliseconds
        self.clock = Clock(loop, min(self._started + self._timeouts.total_s, deadline_at))
        self._unmasking = unmasking_of(letter, asked)
        self._followed = Followed(decision.request, letter, self._unmasking, keeps=kept) if asked.stream else None
        self.stream = None if self._followed is None else self._followed.stream
        self._whole: Whole | None = None
        self._reply: Reply | None = None
        self._ttft_ms: float | None = None
        self._cost_picousd: int | None = None
        self._recorded = False
        self._why = "client_disconnected"
        self._events: AsyncGenerator[bytes, None] | None = None
        self._handed: hashlib._Hash | None = None  # what of a stream was handed out

    async def open(self) -> UpstreamError | None:
        """Call, and read until the first content (streamed) or the whole answer. What the upstream failed with is returned, not raised."""
        try:
            await self._reach()
            if self._completion is not None:
                await self._finish("ok", usage=self._completion.usage)
        except UpstreamError as error:
            self.error = error
            await self._finish("error", error, self.usage)
        except Exception as error:
            await self._finish("error", error, self.usage)
            raise
        return self.error

    async def _reach(self) -> None:
        clock = self.clock
        try:
            if self.stream is not None:
                clock.expect(self._first_token_s(), "the model did not begin to answer in time")
            await clock.wait(self._call_and_read())
        finally:
            self.waited_s = time.perf_counter() - self._measured_from_s

    def _first_token_s(self) -> float:
        wanted = self._call.first_token_s
        return self._timeouts.first_token_s if wanted is None else min(wanted, self._timeouts.first_token_s)

    async def _call_and_read(self) -> None:
        reply = self._reply = await self._live.egress.call(self._call.clearance, self._asked, self._letter)
        if reply.status != 200:
            raise refused(reply.status, await beginning_of(reply.body), reply.headers, time.time())
        if not reply.headers.keys().isdisjoint(_REMAINING):
            self._look_at_what_remains(reply.headers)
        if self._followed is None:
            body = await all_of(reply.body, self.clock, self._timeouts.idle_s)
            await self._read_whole(body)
            return
        await self._followed.begin(reply.body, must_speak="empty" in self._call.checks)
        self._ttft_ms = round(self._elapsed_ms(), 3)
        self.clock.allow(self._started + self._timeouts.total_s)

    async def _read_whole(self, body: bytes) -> None:
        whole = self._whole = Whole(self._decision.request, self._call, self._letter, self._unmasking)
        own_checks = self._live.world.own_checks
        if len(body) < _LARGE_BYTES:
            whole.read(body, own_checks)
            return
        self.clock.stop()  # the answer has come: reading it is our own time
        await _shielded(asyncio.to_thread(whole.read, body, own_checks))  # to its end: what it is goes on record whoever leaves meanwhile

    def _look_at_what_remains(self, headers: Mapping[str, str]) -> None:
        if any(headers.get(name) == "0" for name in _REMAINING) and (wait_s := retry_after_s(headers, time.time())) is not None:
            self._live.watch.used_up(self.model, wait_s)

    def said(self) -> Answer | None:
        """What a stream that was `kept` has said, once it has ended; `None` where it was too long. Takes its time."""
        return None if self._followed is None else self._followed.said()

    def events(self, whole: Callable[[bytes], None], ended: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[bytes]:
        """The stream for the client. From here on no other model is tried: a failure is raised, after what came before it.

        `whole` gets the answer as it would have been unstreamed, where the API's last event holds it; `ended` is waited for at a good end.
        """
        self._events = self._deliver(whole, ended)
        return self._events

    async def _deliver(self, whole: Callable[[bytes], None], ended: Callable[[], Awaitable[None]] | None) -> AsyncGenerator[bytes, None]:
        followed, reply, clock, idle_s = self._followed, self._reply, self.clock, self._timeouts.idle_s
        assert followed is not None
        assert reply is not None
        stream = followed.stream
        handed = self._handed = hashlib.sha256()
        try:
            for event in followed.first:
                handed.update(event)
                yield event
            while not stream.done:
                clock.expect(idle_s, "the model's stream stood still for too long")
                if (chunk := await clock.wait(anext(reply.body, None))) is None:
                    break
                for event in followed.feed(chunk):
                    handed.update(event)
                    yield event
            ending = followed.ended()
            handed.update(ending)
            await self._finish("ok", usage=stream.usage)
        except Exception as error:
            await self._finish("error", error, stream.usage)
            raise
        if (final := getattr(stream, "final", None)) is not None:
            whole(final)
        if ended is not None:
            await ended()
        yield ending

    def error_event(self, error: PointsmanError) -> bytes:
        """The event that ends the client's stream with this error, numbered as those before it."""
        return DIALECTS[self._decision.request.api].error_event(error, 0 if self.stream is None else self.stream.sequence)

    async def aclose(self, why: str = "client_disconnected") -> None:
        """Let go of the call. One that has not ended by itself ends now, and the upstream hears of it; `why` goes on record."""
        self._why = why
        if self._events is not None:
            await self._events.aclose()
        await self._finish("aborted", usage=self.usage if self.stream is None else self.stream.usage)

    async def _finish(self, status: Status, error: Exception | None = None, usage: Usage | None = None) -> None:
        """Record the outcome and close the call, once."""
        if self._recorded:
            return
        self._recorded = True
        self.clock.stop()
        if isinstance(error, PointsmanError):
            self._live.egress.redact(self.model, error)
            if self._unmasking is not None:
                self._unmasking.mend(error)
        outcome = self._outcome(status, error, usage)
        if self._held is not None:
            self._held.settle(outcome)
        self._tell(outcome, error)
        if status == "ok":
            await self._end(outcome)
        else:
            await _shielded(self._end(outcome))

    async def _end(self, outcome: Outcome) -> None:
        """An unfinished call is closed before anything else, so that the upstream stops; after a whole one, its connection can be kept."""
        try:
            if outcome.status != "ok":
                await self._close()
            # Queued before the first wait: cancelling does not take it back.
            await self._log.append("outcome", outcome.decision, msgspec.json.encode(outcome))
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._reply is not None:
            await self._reply.aclose()
            if isinstance(self._reply.body, AsyncGenerator):
                await self._reply.body.aclose()

    def _tell(self, outcome: Outcome, error: Exception | None) -> None:
        watch = self._live.watch
        used = None if outcome.usage is None else outcome.usage.input_tokens + outcome.usage.output_tokens
        watch.settle(self.model, self._reserved_tokens, 0 if used is None and outcome.status == "error" else used)
        if isinstance(error, UpstreamError):
            # Codes and ids only: what an upstream says may be the user's own words.
            logger.warning("a call of `%s` failed: %s%s (%s)", self.model, outcome.error, cause_of(error), outcome.decision)
        if outcome.status == "ok":
            took_ms, tokens = outcome.ttft_ms, None
            if self.stream is None and (usage := outcome.usage) is not None:
                took_ms, tokens = outcome.total_ms, usage.output_tokens or usage.input_tokens  # embeddings have none of the former
            watch.ended(self.model, self._ticket, None, took_ms, None, tokens, self._decision.signals.tokens.input)
        elif isinstance(error, UpstreamError) and not self._was_hurried(error):
            watch.ended(self.model, self._ticket, error.fault, outcome.ttft_ms, error.retry_after_s)
        else:
            watch.left(self.model, self._ticket)
        watch.took(outcome)

    def _was_hurried(self, error: UpstreamError) -> bool:
        """Whether the request's time was up rather than the model's: that says nothing against the model."""
        if self._decision.request.reads_for:
            return False  # it has the time that reading has, always
        if error.fault != "timeout" or self._ttft_ms is not None or (self.stream is None and not self.clock.is_total):
            return False
        own_s = min(self._timeouts.first_token_s, self._timeouts.total_s)
        if self.stream is None:  # one that has had half of its own time was not pressed
            own_s = self._timeouts.total_s / 2 if self._call.hurried else self._timeouts.total_s
        return self._elapsed_ms() < own_s * 990

    def _outcome(self, status: Status, error: Exception | None, usage: Usage | None) -> Outcome:
        elapsed_ms = self._elapsed_ms()
        source: UsageSource = "reported" if usage is not None else "none"
        whole = status == "ok" or self._completion is not None  # until then, what was reported is only what had come so far
        if (usage is None or not whole) and (usage := _at_least(usage, self._estimated_usage(status, error))) is not None:
            source = "estimated"
        price = self._model.price
        self._cost_picousd = None if usage is None or price is None else cost_picousd(price, usage, elapsed_ms / 1000)
        said = self._completion or self.stream
        return Outcome(
            decision=self._decision.request.id,
            attempt=self.number,
            model=self.model,
            status=status,
            task=self._decision.ruling.task,
            http_status=None if self._reply is None else self._reply.status,
            error=self._why if status == "aborted" else None if error is None else code_of_error(error),
            fault=error.fault if isinstance(error, UpstreamError) else None,
            check=error.check if isinstance(error, UpstreamError) else None,
            finish_reason=code_of(said.finish_reason) if said is not None and status == "ok" else None,
            usage=usage,
            usage_source=source,
            cost_picousd=self._cost_picousd,
            ttft_ms=self._ttft_ms,
            total_ms=round(elapsed_ms, 3),
            started_at_ns=self._began_at_ns,
            answer_digest=self._digest(),
            masked=len(self._letter.values),
            sent=not isinstance(error, UpstreamError) or error.sent,
            dropped=(*self._letter.dropped, *(self._left_out or getattr(self.stream, "dropped", ()))),
            reckoned_input_tokens=self._decision.signals.tokens.input_for(self._model.tokenizer).tokens,
        )

    def _digest(self) -> str | None:
        if self._handed is not None:
            return self._handed.hexdigest()
        return hashlib.sha256(self.body).hexdigest() if self.body else None

    def _estimated_usage(self, status: Status, error: Exception | None) -> Usage | None:
        """What a call used that did not say so: the estimated input, and what came of the answer. `None` where it was not answered at all.

        A call cut short by us, or by its client, was being worked on: its input counts though nothing came.
        """
        came = self.stream is not None and self.stream.pieces > 0
        cut_short = status == "aborted" or (isinstance(error, UpstreamError) and error.fault == "timeout")
        if self._completion is None and not came and not cut_short:
            return None
        written = 0 if self.stream is None else self.stream.pieces
        if self._completion is not None:
            written = count(self._completion.text, self._model.tokenizer)
        return Usage(input_tokens=self._decision.signals.tokens.input_for(self._model.tokenizer).tokens, output_tokens=written)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._measured_from_s) * 1000

    @property
    def body(self) -> bytes:
        """A whole answer as the client gets it."""
        return b"" if self._whole is None else self._whole.body

    @property
    def final(self) -> bytes | None:
        """A whole answer as it would have been unstreamed, where that is told apart from `body`."""
        return None if self._whole is None else self._whole.final

    @property
    def answer(self) -> Answer | None:
        """Of a call that looks at it."""
        return None if self._whole is None else self._whole.answer

    @property
    def _left_out(self) -> tuple[str, ...]:
        return () if self._whole is None else self._whole.left_out

    @property
    def _completion(self) -> Completion | None:
        came = self._followed or self._whole
        return None if came is None else came.completion

    @property
    def usage(self) -> Usage | None:
        """What the upstream says that a whole answer took."""
        return None if self._completion is None else self._completion.usage

    @property
    def cost_picousd(self) -> int | None:
        """What the call cost, as far as that is known by now."""
        return self._cost_picousd

    def headers(self, overhead_ms: float, others_picousd: int = 0) -> dict[str, str]:
        """What the client is told about the answer; never where it came from. `others_picousd`: what the request's other calls cost."""
        decision = self._decision
        said = {
            "x-request-id": decision.request.id,
            "x-pointsman-decision-id": decision.request.id,
            "x-pointsman-model": self.model,
            "x-pointsman-attempts": str(self.number),
            "x-pointsman-overhead-ms": f"{overhead_ms:.2f}",
        }
        if (expected := decision.cost_picousd(self.model)) is not None:
            said["x-pointsman-expected-cost-usd"] = usd(expected)
        if self._cost_picousd is not None:
            said["x-pointsman-cost-usd"] = usd(self._cost_picousd + others_picousd)
        if flags := decision.flags(self.model):
            said["x-pointsman-flags"] = ", ".join(flags)
        if dropped := (*self._letter.dropped, *self._left_out):
            said["x-pointsman-dropped"] = ", ".join(dropped)
        if self._letter.values:
            said["x-pointsman-masked"] = str(len(self._letter.values))
        return said


def reserved_tokens(decision: Decision) -> int:
    """Tokens that a call is expected to take, input and output together, at most."""
    tokens = decision.signals.tokens
    return tokens.input + (tokens.output if tokens.room is None else tokens.room) * decision.request.choices


def _at_least(said: Usage | None, seen: Usage | None) -> Usage | None:
    """Of an answer that is not whole: what was reported until then, and no less than what came."""
    if said is None or seen is None:
        return said or seen
    return replace(said, input_tokens=said.input_tokens or seen.input_tokens, output_tokens=max(said.output_tokens, seen.output_tokens))


async def _shielded(work: Any) -> None:
    """Do it to its end. The cancellation of whoever asked cannot stop it, only wait."""
    ending = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.wait({ending})
        except asyncio.CancelledError as asked:
            cancelled = asked
    try:
        ending.result()
    finally:
        if cancelled is not None:
            raise cancelled
