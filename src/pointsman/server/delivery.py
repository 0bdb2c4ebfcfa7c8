"""How an answer gets to its client: whole or as a stream, kept alive while it waits, and again for a key that asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from pointsman.errors import PointsmanError
from pointsman.gateway import Answer, Decided, Gateway, Inquiry
from pointsman.gateway.idempotency import Pending, Replays, request_digest
from pointsman.server.admission import Admission
from pointsman.server.asgi import ClientLeftError, Send, begin, respond
from pointsman.server.faults import report, unexpected
from pointsman.wire.dialects import DIALECTS

STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}


class Delivery:
    """One request, from here to its last byte."""

    def __init__(self, gateway: Gateway, replays: Replays, admission: Admission, inquiry: Inquiry, send: Send, keep_alive_s: float) -> None:
        self._gateway, self._replays, self._admission, self._inquiry, self._send = gateway, replays, admission, inquiry, send
        self._dialect = DIALECTS[inquiry.api]
        self._keep_alive_s = keep_alive_s
        self._pending: Pending | None = None

    async def run(self) -> None:
        """Deliver. Raises `PointsmanError` as long as nothing has been sent."""
        key = self._replays.key(self._inquiry.headers)
        if key is None:
            await self._deliver()
            return
        digest = request_digest(self._dialect.path, self._inquiry.raw)
        found = await self._replays.begin(self._inquiry.caller.key, key, digest, time.time())
        if not isinstance(found, Pending):
            await respond(self._send, found.status, found.body, found.headers)
            return
        self._pending = found
        try:
            await self._deliver()
        finally:
            await found.abandon()

    async def _deliver(self) -> None:
        self._admission.waiting += 1
        try:
            decided = await self._gateway.decide(self._inquiry)
        finally:
            self._admission.waiting -= 1
        if decided.decision.request.stream:
            await self._deliver_stream(decided)
            return
        async with aclosing(await self._gateway.answer(decided)) as answer:
            assert isinstance(answer.body, bytes)
            await self._keep(answer.headers, answer.body)
            await respond(self._send, 200, answer.body, answer.headers)

    async def _deliver_stream(self, decided: Decided) -> None:
        heart = Heart(self._send, decided.decision.request.id, self._dialect.keep_alive, self._keep_alive_s)
        try:
            answer = await self._gateway.answer(decided)
        except PointsmanError as error:
            if not await heart.stop():
                raise
            await self._last(self._dialect.error_event(error))
            return
        except BaseException:
            await heart.stop()
            raise
        async with aclosing(answer):
            begun = await heart.stop()
            assert not isinstance(answer.body, bytes)
            await self._stream(answer, answer.body, begun=begun)

    async def _stream(self, answer: Answer, events: AsyncIterator[bytes], *, begun: bool) -> None:
        """Send events as they come. A failure becomes the stream's last event, and nothing says that it ended well."""
        headers = {**STREAM_HEADERS, **answer.headers}
        if not begun:
            await begin(self._send, 200, headers)
        held = b""  # the last words are sent once the answer can be given again
        try:
            async for event in events:
                if held:
                    await self._send({"type": "http.response.body", "body": held, "more_body": True})
                held = event
                if self._pending is not None:
                    self._pending.add(event)
                else:
                    await self._send({"type": "http.response.body", "body": held, "more_body": True})
                    held = b""
            await self._keep(headers, None)
        except PointsmanError as error:
            held += answer.error_event(error)
        except Exception as error:
            if isinstance(error, ClientLeftError):
                raise
            report(error)
            held += answer.error_event(unexpected())
        await self._last(held)

    async def _keep(self, headers: Mapping[str, str], body: bytes | None) -> None:
        if self._pending is not None:
            await self._pending.complete(200, headers, body)

    async def _last(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body})


class Heart:
    """Begins a stream whose first word is long in coming, and beats until it is there, so that nothing between takes it for dead."""

    def __init__(self, send: Send, decision_id: str, beat: bytes, every_s: float) -> None:
        """It beats from now on."""
        self._send, self._decision_id, self._beat, self._every_s = send, decision_id, beat, every_s
        self._beating: asyncio.Task[None] | None = None
        self._begun = False
        self._timer = asyncio.get_running_loop().call_later(every_s, self._begin)

    async def stop(self) -> bool:
        """Beat no more; whether the answer has begun."""
        self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        return self._begun

    def _begin(self) -> None:
        self._beating = asyncio.get_running_loop().create_task(self._go_on())

    async def _go_on(self) -> None:
        said = {"x-request-id": self._decision_id, "x-pointsman-decision-id": self._decision_id}
        self._begun = True
        await begin(self._send, 200, {**STREAM_HEADERS, **said})
        while True:
            await self._send({"type": "http.response.body", "body": self._beat, "more_body": True})
            await asyncio.sleep(self._every_s)
