"""A model server on loopback that speaks the dialects of OpenAI and Anthropic, and misbehaves when the model's name says so.

```python
async with ScriptedUpstream() as upstream:
    ...  # configure a model with `base_url: <upstream.base_url>` and `model: cut-after-3`, and call it
    assert upstream.ledger[0].model == "cut-after-3"
```

It answers on `/chat/completions`, `/completions`, `/responses`, `/messages`, `/messages/count_tokens`, `/embeddings` and `/models`.
`pointsman.testing.scripts` has the table of scripts; `pointsman fake-upstream` starts one for programs in other languages.
Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pointsman.testing.asked import Memory
from pointsman.testing.manners import Pause, Signal
from pointsman.testing.paths import steps

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_Say = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Exchange:
    """One call as it arrived, and how far its answer came."""

    model: str  #: empty where the call names none
    headers: Mapping[str, str]  #: lower-case names
    body: bytes
    url_path: str
    connection: int  #: number of the connection, from 1
    bytes_sent: int = 0
    answered: bool = False  #: the script was played to its end
    left_at: float | None = None  #: event loop time at which the caller closed the connection before that
    arrived_at: float = 0.0  #: event loop time

    @property
    def authorization(self) -> str | None:
        """The key the caller showed."""
        return self.headers.get("authorization")

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class ScriptedUpstream:
    """An async context manager. `ledger` lists the calls in the order of their arrival; `release` lets waiting scripts go on.

    With `hold_faults`, what a script does after its so many events waits for `release` as well: the client has seen them by then.
    `keep` bounds the ledger to the last so many calls. `finished` is called with each exchange that is over.
    """

    def __init__(
        self,
        *,
        hold_faults: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int | None = None,
        finished: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.hold_faults = hold_faults
        self.ledger: list[Exchange] = []
        self.release = asyncio.Event()
        self._address = host, port
        self._keep = keep
        self._finished = finished
        self._memory = Memory()
        self._calls: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._accepted = 0

    async def __aenter__(self) -> ScriptedUpstream:
        self._server = await asyncio.start_server(self._accept, *self._address)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        """What goes into a model's `base_url`."""
        host = self._address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.sockets[0].getsockname()[1]}/v1"

    async def until(self, happened: Callable[[], object]) -> None:
        """Return once `happened()` is true; asked again at every change of the ledger."""
        async with self._changed:
            await self._changed.wait_for(happened)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._connections.add(serving)
        self._accepted += 1
        try:
            await self._serve(reader, writer, self._accepted)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the caller dropped the connection, or the test is over
        finally:
            self._connections.discard(serving)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        upcoming = asyncio.ensure_future(_read(reader, connection))
        try:
            while (exchange := await upcoming) is not None:
                # Waiting for the next request is also how to notice that the caller leaves.
                upcoming = asyncio.ensure_future(_read(reader, connection))
                self._calls[exchange.model] += 1
                self.ledger.append(exchange)
                if self._keep is not None:
                    del self.ledger[: -self._keep]
                await self._note()
                if not await self._answer(exchange, writer, upcoming):
                    return
        finally:
            upcoming.cancel()

    async def _answer(self, exchange: Exchange, writer: asyncio.StreamWriter, upcoming: asyncio.Future[Exchange | None]) -> bool:
        """Play the script. False where the connection is over."""

        async def say(data: bytes) -> None:
            if writer.is_closing():
                raise ConnectionResetError("the caller has left")
            writer.write(data)
            exchange.bytes_sent += len(data)
            await writer.drain()
            await self._note()

        playing, left = asyncio.ensure_future(self._play(exchange, say)), False
        try:
            waited: set[asyncio.Future[Any]] = {playing, upcoming}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            left = not playing.done() and upcoming.result() is None
            return not left and await playing
        except _Reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
            return False
        except ConnectionError:
            left = True
            return False
        finally:
            playing.cancel()
            await asyncio.wait({playing})
            if left:
                exchange.left_at = asyncio.get_running_loop().time()
            if self._finished:
                self._finished(exchange)
            await self._note()

    async def _play(self, exchange: Exchange, say: _Say) -> bool:
        try:
            body = exchange.json
        except ValueError:
            body = None
        for step in steps(exchange.url_path, exchange.headers, body, self._calls[exchange.model], self._memory):
            match step:
                case bytes():
                    await say(step)
                case Pause(ms):
                    await asyncio.sleep(ms / 1000)
                case Signal.RELEASE:
                    await self.release.wait()
                case Signal.HOLD if self.hold_faults:
                    await self.release.wait()
                case Signal.RESET:
                    exchange.answered = True
                    raise _Reset
                case Signal.DROP:
                    exchange.answered = True
                    return False
        exchange.answered = True
        return True


class _Reset(Exception):
    """The connection is to be reset."""


async def _read(reader: asyncio.StreamReader, connection: int) -> Exchange | None:
    """The next request, `None` when the caller has left."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        body: object = None
        with suppress(ValueError):
            body = json.loads(content)
        model = body.get("model") if isinstance(body, dict) else None
        at = asyncio.get_running_loop().time()
        return Exchange(model if isinstance(model, str) else "", headers, content, first.split()[1], connection, arrived_at=at)
    return None
