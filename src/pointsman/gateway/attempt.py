"""One upstream call: opened until there is something to deliver, followed to its end, recorded whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import msgspec

from pointsman.core.decision import Decision
from pointsman.core.outcome import Outcome, Status, UsageSource
from pointsman.core.prices import Usage, cost_picousd, usd
from pointsman.core.snapshot import Snapshot
from pointsman.errors import PointsmanError, UpstreamError, UpstreamStreamBroken, UpstreamTimeout
from pointsman.plans.steps import Call, Reached
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Egress
from pointsman.upstream.transport import Reply
from pointsman.wire.openai_answer import ChatStream, read_completion, refused
from pointsman.wire.openai_chat import wants_usage

MAX_ANSWER_BYTES = 64_000_000


class Attempt:
    """One upstream call: opened until there is something to deliver, followed to its end, recorded whatever happens."""

    def __init__(self, decision: Decision, snapshot: Snapshot, call: Call, number: int, egress: Egress, log: DecisionLog) -> None:
        self._decision, self._call, self._egress, self._log = decision, call, egress, log
        self._model = snapshot.models[call.model]
        self._outcome = Outcome(decision.request.id, number, call.model, "ok", task=decision.ruling.task)
        self._started = time.monotonic()
        self._deadline = asyncio.get_running_loop().time() + egress.timeout_s(call.model)
        self._reply: Reply | None = None
        self._first: list[bytes] = []
        self._recorded = False
        self.stream = ChatStream(keep_usage=wants_usage(decision.request)) if decision.request.stream else None
        self.body = b""
        self.error: PointsmanError | None = None

    async def open(self) -> Reached:
        """Call, and read until the first content (streamed) or the whole answer. A failure is recorded and told, not raised."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._reply = await self._egress.call(self._call.clearance, self._decision.request)
                await self._read_first(self._reply)
        except TimeoutError:
            return await self._failed(UpstreamTimeout("the model did not answer in time"))
        except UpstreamError as error:
            return await self._failed(error)
        except BaseException as error:
            await self._finish(*_cut_short(error))
            raise
        return Reached(self._call.model, ok=True)

    async def _read_first(self, reply: Reply) -> None:
        if reply.status >= 400:
            raise refused(reply.status, await _whole(reply, 1_000_000), reply.headers)
        if self.stream is None:
            self.body = await _whole(reply, MAX_ANSWER_BYTES)
            completion = read_completion(self.body)
            self._outcome = replace(self._outcome, http_status=reply.status, finish_reason=completion.finish_reason)
            await self._finish("ok", usage=completion.usage)
            return
        async for chunk in reply.body:
            if first := self.stream.feed(chunk):
                self._first = first
                self._outcome = replace(self._outcome, http_status=reply.status, ttft_ms=self._elapsed_ms())
                return
            if self.stream.done:
                break
        raise UpstreamStreamBroken("the upstream's stream ended before any content")

    async def events(self) -> AsyncIterator[bytes]:
        """The stream for the client. From here on no other model is tried: a failure is the stream's last event, raised."""
        assert self.stream is not None
        assert self._reply is not None
        try:
            for event in self._first:
                yield event
            while not self.stream.done and (chunk := await self._next_chunk(self._reply)) is not None:
                for event in self.stream.feed(chunk):
                    yield event
            ending = self.stream.ended()
            self._outcome = replace(self._outcome, finish_reason=self.stream.finish_reason)
            await self._finish("ok", usage=self.stream.usage)
            yield ending
        except BaseException as error:
            await self._finish(*_cut_short(error), self.stream.usage)
            raise

    async def _next_chunk(self, reply: Reply) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(reply.body, None)
        except TimeoutError:
            raise UpstreamTimeout("the model did not finish in time") from None

    async def _failed(self, error: PointsmanError) -> Reached:
        self.error = error
        self._outcome = replace(self._outcome, http_status=error.status)
        await self._finish("error", error.code or error.type)
        return Reached(self._call.model, ok=False, try_another=error.try_another)

    async def _finish(self, status: Status, error: str | None = None, usage: Usage | None = None) -> None:
        """Close the call and record its outcome, once; survives the cancellation of whoever asked."""
        if self._recorded:
            return
        self._recorded = True
        self._outcome = self._settled(status, usage, error)
        closing = asyncio.ensure_future(self._close_and_record())
        with suppress(asyncio.CancelledError):
            await asyncio.shield(closing)
            return
        await closing
        raise asyncio.CancelledError

    async def _close_and_record(self) -> None:
        try:
            if self._reply is not None:
                await self._reply.aclose()
        finally:
            await self._log.append("outcome", self._outcome.decision, msgspec.json.encode(self._outcome))

    def _settled(self, status: Status, usage: Usage | None, error: str | None) -> Outcome:
        total_ms = self._elapsed_ms()
        source: UsageSource = "reported" if usage is not None else "none"
        if usage is None and (usage := self._estimated_usage()) is not None:
            source = "estimated"
        price = self._model.price
        cost = None if usage is None or price is None else cost_picousd(price, usage, total_ms / 1000)
        return replace(
            self._outcome,
            status=status,
            error=error,
            usage=usage,
            usage_source=source,
            cost_picousd=cost,
            total_ms=round(total_ms, 3),
            try_another=self.error is not None and self.error.try_another,
        )

    def _estimated_usage(self) -> Usage | None:
        """What an unfinished stream used: the estimated input, and a token for each chunk that came. `None` when nothing came."""
        if self.stream is None or not self.stream.chunks:
            return None
        tokens = self._decision.signals.tokens.input_for(self._model.tokenizer).tokens
        return Usage(input_tokens=tokens, output_tokens=self.stream.chunks)

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


def _cut_short(error: BaseException) -> tuple[Status, str]:
    """How a call that did not end by itself is recorded. A closed generator or a cancelled task means that the client left."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "aborted", "client_disconnected"
    return "error", (error.code or error.type) if isinstance(error, PointsmanError) else "internal"


async def _whole(reply: Reply, limit: int) -> bytes:
    body = bytearray()
    async for chunk in reply.body:
        body += chunk
        if len(body) > limit:
            raise UpstreamError(f"the upstream's answer is larger than {limit:,} bytes")
    return bytes(body)
