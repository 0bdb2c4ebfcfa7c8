"""One upstream call: opened until there is something to deliver, followed to its end, recorded whatever happens."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import msgspec

from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome, Status, UsageSource
from pointsman.core.prices import Usage, cost_picousd, usd
from pointsman.core.request import Request
from pointsman.core.snapshot import Snapshot
from pointsman.errors import PointsmanError, UpstreamError, UpstreamStreamBroken, UpstreamTimeout
from pointsman.plans.steps import Call, Reached
from pointsman.signals.tokens import count
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Egress
from pointsman.upstream.transport import Reply
from pointsman.wire.openai_chat.answer import ChatStream, Completion, read_completion, refused
from pointsman.wire.openai_chat.request import wants_usage

logger = logging.getLogger("pointsman.calls")

MAX_ANSWER_BYTES = 64_000_000
_MAX_ERROR_BYTES = 1_000_000
_MAX_HELD_BYTES = 8_000_000
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class Attempt:
    """`open` it; if that reached something, deliver `body` or `events`; `aclose` it in any case."""

    def __init__(self, decision: Decision, snapshot: Snapshot, call: Call, number: int, egress: Egress, log: DecisionLog) -> None:
        self._decision, self._call, self._egress, self._log = decision, call, egress, log
        self._model = snapshot.models[call.model]
        self._outcome = Outcome(decision.request.id, number, call.model, "ok", task=decision.ruling.task)
        self._started = time.monotonic()
        self._deadline = asyncio.get_running_loop().time() + egress.timeout_s(call.model)
        self._reply: Reply | None = None
        self._first: list[bytes] = []
        self._completion: Completion | None = None
        self._recorded = False
        self._events: AsyncGenerator[bytes, None] | None = None
        self.stream = _stream(decision.request) if decision.request.stream else None
        self.body = b""
        self.error: UpstreamError | None = None
        self.waited_s = 0.0  #: for the upstream, until there was something to deliver

    async def open(self) -> Reached:
        """Call, and read until the first content (streamed) or the whole answer. A failed call is recorded and told, not raised."""
        try:
            await self._reach()
            if self._completion is not None:
                await self._finish("ok", usage=self._completion.usage)
        except UpstreamError as error:
            self.error = error
            await self._finish("error", error)
        except Exception as error:
            await self._finish("error", error)
            raise
        return Reached(self._call.model, ok=self.error is None, try_another=self.error is not None and self.error.try_another)

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                self._reply = await self._egress.call(self._call.clearance, self._decision.request)
                self._outcome = replace(self._outcome, http_status=self._reply.status)
                await self._read_first(self._reply)
        except TimeoutError:
            raise UpstreamTimeout("the model did not answer in time") from None
        finally:
            self.waited_s = time.monotonic() - self._started

    async def _read_first(self, reply: Reply) -> None:
        if reply.status != 200:
            raise refused(reply.status, await _whole(reply, _MAX_ERROR_BYTES), reply.headers)
        if self.stream is None:
            self.body = await _whole(reply, MAX_ANSWER_BYTES)
            self._completion = read_completion(self.body)
            self._outcome = replace(self._outcome, finish_reason=_code(self._completion.finish_reason))
            return
        # An upstream that names its role and then fails has said nothing yet: another may still answer in its place.
        held = 0
        while not self.stream.begun and not self.stream.done and (chunk := await anext(reply.body, None)) is not None:
            self._first += self.stream.feed(chunk)
            if (held := held + len(chunk)) > _MAX_HELD_BYTES and not self.stream.begun:
                raise UpstreamStreamBroken(f"the upstream sent {held:,} bytes that say nothing")
        if not self.stream.begun:
            raise UpstreamStreamBroken("the upstream's stream ended before any content")
        self._outcome = replace(self._outcome, ttft_ms=round(self._elapsed_ms(), 3))

    def events(self) -> AsyncIterator[bytes]:
        """The stream for the client. From here on no other model is tried: a failure is raised, after what came before it."""
        self._events = self._deliver()
        return self._events

    async def _deliver(self) -> AsyncGenerator[bytes, None]:
        assert self.stream is not None
        assert self._reply is not None
        try:
            for event in self._first:
                yield event
            while not self.stream.done and (chunk := await self._next_chunk(self._reply)) is not None:
                for event in self.stream.feed(chunk):
                    yield event
            ending = self.stream.ended()
            self._outcome = replace(self._outcome, finish_reason=_code(self.stream.finish_reason))
            await self._finish("ok", usage=self.stream.usage)
        except Exception as error:
            await self._finish("error", error, self.stream.usage)
            raise
        yield ending

    async def _next_chunk(self, reply: Reply) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(reply.body, None)
        except TimeoutError:
            raise UpstreamTimeout("the model did not finish in time") from None

    async def aclose(self) -> None:
        """Let go of the call. One that has not ended by itself ends now: the client left, and the upstream hears of it."""
        if self._events is not None:
            await self._events.aclose()
        await self._finish("aborted", usage=None if self.stream is None else self.stream.usage)

    async def _finish(self, status: Status, error: Exception | None = None, usage: Usage | None = None) -> None:
        """Record the outcome and close the call, once. The cancellation of whoever asked cannot stop it, only wait."""
        if self._recorded:
            return
        if isinstance(error, PointsmanError):
            self._egress.redact(self._call.model, error)
        self._outcome = self._settled(status, error, usage)
        self._recorded = True
        if status == "error":
            # Codes and ids only: what an upstream says may be the user's own words.
            logger.warning("a call of `%s` failed: %s (%s)", self._call.model, self._outcome.error, self._outcome.decision)
        ending = asyncio.ensure_future(self._end())
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

    async def _end(self) -> None:
        """An unfinished call is closed before anything else, so that the upstream stops; after a whole one, its connection can be kept."""
        try:
            if self._outcome.status != "ok":
                await self._close()
            await self._log.append("outcome", self._outcome.decision, msgspec.json.encode(self._outcome))
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._reply is not None:
            await self._reply.aclose()
            if isinstance(self._reply.body, AsyncGenerator):
                await self._reply.body.aclose()

    def _settled(self, status: Status, error: Exception | None, usage: Usage | None) -> Outcome:
        total_ms = self._elapsed_ms()
        source: UsageSource = "reported" if usage is not None else "none"
        if usage is None and (usage := self._estimated_usage(status, error)) is not None:
            source = "estimated"
        price = self._model.price
        cost = None if usage is None or price is None else cost_picousd(price, usage, total_ms / 1000)
        return replace(
            self._outcome,
            status=status,
            error="client_disconnected" if status == "aborted" else None if error is None else _name(error),
            usage=usage,
            usage_source=source,
            cost_picousd=cost,
            total_ms=round(total_ms, 3),
            try_another=self.error is not None and self.error.try_another,
        )

    def _estimated_usage(self, status: Status, error: Exception | None) -> Usage | None:
        """What a call used that did not say so: the estimated input, and what came of the answer. `None` where it was not answered at all.

        A call cut short by us, or by its client, was being worked on: its input counts though nothing came.
        """
        came = self.stream is not None and self.stream.pieces > 0
        if self._completion is None and not came and status != "aborted" and not isinstance(error, UpstreamTimeout):
            return None
        written = 0 if self.stream is None else self.stream.pieces
        if self._completion is not None:
            written = count(self._completion.text, self._model.tokenizer)
        return Usage(input_tokens=self._decision.signals.tokens.input_for(self._model.tokenizer).tokens, output_tokens=written)

    def _elapsed_ms(self) -> float:
        return (time.monotonic() - self._started) * 1000

    def headers(self, overhead_ms: float) -> dict[str, str]:
        """What the client is told about the answer; never where it came from."""
        expected = next(c.estimate for c in self._decision.candidates if c.model == self._call.model)
        said = {
            "x-request-id": self._decision.request.id,
            "x-pointsman-decision-id": self._decision.request.id,
            "x-pointsman-model": self._call.model,
            "x-pointsman-attempts": str(self._outcome.attempt),
            "x-pointsman-overhead-ms": f"{overhead_ms:.2f}",
        }
        if expected is not None and expected.cost_picousd is not None:
            said["x-pointsman-expected-cost-usd"] = usd(expected.cost_picousd)
        if self._outcome.cost_picousd is not None:
            said["x-pointsman-cost-usd"] = usd(self._outcome.cost_picousd)
        return said


def _stream(request: Request) -> ChatStream:
    return ChatStream(keep_usage=wants_usage(request), choices=request.choices)


def _name(error: Exception) -> str:
    return _code((error.code or error.type) if isinstance(error, PointsmanError) else "internal") or "upstream_error"


def _code(text: str | None) -> str | None:
    """A code as the record keeps it. What an upstream calls one may be any text, even the client's: that is not kept."""
    return text if text is not None and _CODE.fullmatch(text) else None


async def _whole(reply: Reply, limit: int) -> bytes:
    body = bytearray()
    async for chunk in reply.body:
        body += chunk
        if len(body) > limit:
            raise UpstreamError(f"the upstream's answer is larger than {limit:,} bytes")
    return bytes(body)
