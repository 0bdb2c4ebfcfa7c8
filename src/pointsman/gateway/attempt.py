"""One upstream call: opened until there is something to deliver, followed to its end, recorded whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, cast

import msgspec

from pointsman.core.answer import Answer
from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome, Status, UsageSource
from pointsman.core.prices import Usage, cost_picousd, usd
from pointsman.core.request import Request
from pointsman.errors import InvalidOutput, PointsmanError, UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.gateway.clock import Clock
from pointsman.gateway.envelope import envelope_of, written
from pointsman.gateway.live import Live
from pointsman.gateway.masking import unmasking_of
from pointsman.gateway.purse import Held
from pointsman.plans.checks import asked_of, unfit
from pointsman.plans.checks.asked import wanted_schema
from pointsman.plans.checks.fitness import QUICK, failing
from pointsman.plans.steps import Call
from pointsman.signals.tokens import count
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Letter
from pointsman.upstream.connection import Exchange
from pointsman.upstream.health import Ticket
from pointsman.upstream.transport import Reply
from pointsman.wire.answer import answer_of
from pointsman.wire.dialect import Completion, Stream
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.error_body import ErrorBody
from pointsman.wire.events import Event
from pointsman.wire.left_out import left_out
from pointsman.wire.openai_chat.unreadable import MALFORMED
from pointsman.wire.refused import refused, refused_event
from pointsman.wire.retry_after import retry_after_s
from pointsman.wire.translated import Translated

logger = logging.getLogger("pointsman.calls")

MAX_ANSWER_BYTES = 64_000_000
_MAX_ERROR_BYTES = 200_000
_MAX_HELD_BYTES = 8_000_000
_MAX_HELD_EVENTS = 100_000  # a small one takes more memory than it has bytes
_MAX_STREAM_BYTES = 512_000_000  # 128,000 tokens with twenty log-probabilities each come to less than half of it
_MOST_KEPT_BYTES = 2_000_000  # of a stream that is to be looked at afterwards: what is longer nobody reads
_REMAINING = (
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    *(f"anthropic-ratelimit-{what}-remaining" for what in ("requests", "tokens", "input-tokens", "output-tokens")),
)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_P = ParamSpec("_P")
_T = TypeVar("_T")


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
        self.body = b""
        self.final: bytes | None = None  #: the answer as it would have been unstreamed, where that is told apart from `body`
        self.answer: Answer | None = None  #: of a call that looks at it
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
        self.stream = self._new_stream() if asked.stream else None
        self._reply: Reply | None = None
        self._first: list[bytes] = []
        self._kept: list[bytes] | None = [] if kept and asked.stream else None
        self._kept_bytes = 0
        self._came_bytes = 0  # of a stream
        self._completion: Completion | None = None
        self._left_out: tuple[str, ...] = ()  # of a whole answer
        self._ttft_ms: float | None = None
        self._cost_picousd: int | None = None
        self._recorded = False
        self._why = "client_disconnected"
        self._events: AsyncGenerator[bytes, None] | None = None
        self._handed: hashlib._Hash | None = None  # what of a stream was handed out

    def _new_stream(self) -> Stream:
        request, api = self._decision.request, self._letter.api
        assert request.content is not None
        own = api == request.api and self._unmasking is None
        previous = request.content.previous if own else None
        reader = DIALECTS[api].reader(cast("dict[str, Any]", request.content.chat), own=own, previous=previous)
        return reader if own else Translated(reader, DIALECTS[request.api].writer(envelope_of(request)), request.api, self._unmasking)

    async def open(self) -> UpstreamError | None:
        """Call, and read until the first content (streamed) or the whole answer. What the upstream failed with is returned, not raised."""
        try:
            await self._reach()
            if self._completion is not None:
                await self._finish("ok", usage=self._completion.usage)
        except UpstreamError as error:
            self.error = error
            await self._finish("error", error, None if self._completion is None else self._completion.usage)
        except Exception as error:
            await self._finish("error", error)
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
            raise refused(reply.status, await _beginning(reply, _MAX_ERROR_BYTES), reply.headers, time.time())
        if not reply.headers.keys().isdisjoint(_REMAINING):
            self._look_at_what_remains(reply.headers)
        if self.stream is None:
            self._read_answer(await self._whole(reply))
            return
        await self._read_beginning(reply, self.stream)
        self._ttft_ms = round(self._elapsed_ms(), 3)
        self.clock.allow(self._started + self._timeouts.total_s)

    async def _read_beginning(self, reply: Reply, stream: Stream) -> None:
        """Read until there is something to deliver. One that only ends is read to its end where an answer must not be empty."""
        # An upstream that names its role and then fails has said nothing yet: another may still answer in its place.
        must_speak = "empty" in self._call.checks
        while not (stream.done or (stream.begun and (stream.spoken or not must_speak))):
            if self._came_bytes > _MAX_HELD_BYTES or len(self._first) > _MAX_HELD_EVENTS:
                raise UpstreamStreamBroken(f"the upstream sent {self._came_bytes:,} bytes that say nothing")
            if (chunk := await anext(reply.body, None)) is None:
                break
            self._first += self._fed(stream, chunk)
        if not stream.begun:
            raise UpstreamStreamBroken("the upstream's stream ended before any content")
        if must_speak and not stream.spoken:
            _understood(stream.ended)
            self._completion = Completion(stream.finish_reason, stream.usage, text="", empty=True)
            raise InvalidOutput("empty", "the answer is empty")

    def _fed(self, stream: Stream, chunk: bytes) -> Iterator[bytes]:
        """What the client gets of it. Raises as the stream does, and `UpstreamStreamBroken` for what its reader stumbles over."""
        self._keep(chunk)
        self._came_bytes += len(chunk)
        if self._came_bytes > _MAX_STREAM_BYTES:
            raise UpstreamStreamBroken(f"the upstream sent more than {_MAX_STREAM_BYTES:,} bytes")
        try:
            yield from stream.feed(chunk)
        except MALFORMED as error:
            raise UpstreamStreamBroken("the upstream sent an event that cannot be read") from error

    async def _whole(self, reply: Reply) -> bytes:
        body, pieces = bytearray(), reply.body
        async for chunk in pieces:
            body += chunk
            if not (isinstance(pieces, Exchange) and pieces.is_whole):
                self.clock.expect(self._timeouts.idle_s, "the model's answer stood still for too long")
            if len(body) > MAX_ANSWER_BYTES:
                raise UpstreamError(f"the upstream's answer is larger than {MAX_ANSWER_BYTES:,} bytes")
        return bytes(body)

    def _look_at_what_remains(self, headers: Mapping[str, str]) -> None:
        if any(headers.get(name) == "0" for name in _REMAINING) and (wait_s := retry_after_s(headers, time.time())) is not None:
            self._live.watch.used_up(self.model, wait_s)

    def _read_answer(self, body: bytes) -> None:
        request, dialect = self._decision.request, DIALECTS[self._letter.api]
        try:
            read = self._completion = _understood(dialect.read_completion, body)
        except UpstreamError:
            if ErrorBody(body).is_error:  # some providers say so with status 200
                raise refused_event(body) from None
            raise
        unmasking = self._unmasking
        if self._call.checks:
            self._check(body, read)
        if self._call.whole:
            self._look_at(body)
        elif unmasking is not None or self._letter.api != request.api:
            self._say(self._events_of(body))
        else:
            self.body = _understood(dialect.own_answer, body, None if request.content is None else request.content.previous)

    def _check(self, body: bytes, read: Completion) -> None:
        """Raises `InvalidOutput` for an answer that a check says is unfit."""
        request, unmasking, checks = self._decision.request, self._unmasking, self._call.checks
        content = read.content if unmasking is None or read.content is None else unmasking.text(read.content)
        wanted = wanted_schema(request.content) if request.response_format == "json_schema" else None
        truncated = read.finish_reason == "length"
        if (why := unfit(checks, content, empty=read.empty, truncated=truncated, schema=wanted)) is not None:
            raise InvalidOutput(*why)
        # The others take reading the answer as a whole.
        further = [name for name in checks if name not in QUICK and (name != "tool_calls" or request.tools)]
        if further:
            failed = failing(further, _understood(answer_of, self._events_of(body)), asked_of(request), self._live.world.own_checks)
            if failed is not None:
                raise InvalidOutput(*failed)

    def _events_of(self, body: bytes) -> list[Event]:
        dialect, unmasking = DIALECTS[self._letter.api], self._unmasking
        events = _understood(dialect.read_events, body)
        return events if unmasking is None else _understood(list, unmasking.whole(events))

    def _look_at(self, body: bytes) -> None:
        """The answer for the plan, and as the client would get it."""
        request, dialect, own = self._decision.request, DIALECTS[self._letter.api], self._letter.api == self._decision.request.api
        events = self._events_of(body)
        self.answer = _understood(answer_of, events)
        if request.stream or not own or self._unmasking is not None:
            self._say(events)
        else:
            self.body = _understood(dialect.own_answer, body, None if request.content is None else request.content.previous)

    def _say(self, events: list[Event]) -> None:
        """The answer as the client gets it, in words that are not the upstream's."""
        request = self._decision.request
        self.body, self.final = _understood(written, request, events)
        self._left_out = left_out(events, request.api)

    def _keep(self, chunk: bytes) -> None:
        if self._kept is None or not chunk:
            return
        self._kept.append(chunk)
        self._kept_bytes += len(chunk)
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self._kept = None

    def said(self) -> Answer | None:
        """What a stream that was `kept` has said, once it has ended; `None` where it was too long. Takes its time."""
        if self._kept is None:
            return None
        content = self._decision.request.content
        reader = DIALECTS[self._letter.api].reader({} if content is None else cast("dict[str, Any]", content.chat), own=False)
        events = _understood(lambda kept: [*reader.read(kept)], b"".join(self._kept))
        unmasking = unmasking_of(self._letter, self._asked)
        return _understood(answer_of, events if unmasking is None else unmasking.whole(events))

    def events(self, whole: Callable[[bytes], None], ended: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[bytes]:
        """The stream for the client. From here on no other model is tried: a failure is raised, after what came before it.

        `whole` gets the answer as it would have been unstreamed, where the API's last event holds it; `ended` is waited for at a good end.
        """
        self._events = self._deliver(whole, ended)
        return self._events

    async def _deliver(self, whole: Callable[[bytes], None], ended: Callable[[], Awaitable[None]] | None) -> AsyncGenerator[bytes, None]:
        stream, reply, clock, idle_s = self.stream, self._reply, self.clock, self._timeouts.idle_s
        assert stream is not None
        assert reply is not None
        handed = self._handed = hashlib.sha256()
        try:
            for event in self._first:
                handed.update(event)
                yield event
            while not stream.done:
                clock.expect(idle_s, "the model's stream stood still for too long")
                if (chunk := await clock.wait(anext(reply.body, None))) is None:
                    break
                for event in self._fed(stream, chunk):
                    handed.update(event)
                    yield event
            ending = _understood(stream.ended)
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
        await self._finish("aborted", usage=None if self.stream is None else self.stream.usage)

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
            logger.warning("a call of `%s` failed: %s%s (%s)", self.model, outcome.error, _cause(error), outcome.decision)
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
            error=self._why if status == "aborted" else None if error is None else _name(error),
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


def _name(error: Exception) -> str:
    return code_of((error.code or error.type) if isinstance(error, PointsmanError) else "internal") or "upstream_error"


def _cause(error: UpstreamError) -> str:
    """What an operator needs to mend it: which check an answer fails, why there was no connection, or the status with which the provider
    turned the gateway away."""
    if error.check:
        return f": its answer fails the check `{error.check}`"
    cause = error.__cause__
    if isinstance(cause, OSError):
        return f": {cause.strerror or cause or type(cause).__name__}"
    return f" with status {error.upstream_status}" if isinstance(error, UpstreamRefused) and error.upstream_status else ""


def code_of(text: str | None) -> str | None:
    """A code as the record keeps it. What an upstream calls one may be any text, even the client's: that is not kept."""
    return text if text is not None and _CODE.fullmatch(text) else None


def _understood(read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `read` makes of an answer. Raises as it does, and `UpstreamError` for what it stumbles over."""
    try:
        return read(*args, **kwargs)
    except MALFORMED as error:
        raise UpstreamError("the upstream sent an answer that cannot be read") from error


async def _beginning(reply: Reply, most: int) -> bytes:
    """Of an error as much as is looked at: servers may repeat the whole request in it."""
    body = bytearray()
    async for chunk in reply.body:
        body += chunk
        if len(body) >= most:
            break
    return bytes(body[:most])


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
