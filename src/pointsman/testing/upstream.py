"""A model server on loopback that answers like OpenAI's, and misbehaves when the model's name says so.

```python
async with ScriptedUpstream() as upstream:
    ...  # configure a model with `base_url: <upstream.base_url>` and `model: cut-after-3`, and call it
    assert upstream.ledger[0].model == "cut-after-3"
```

| model | what it does |
|---|---|
| `ok` | answers with the text of the last message |
| `no-usage` | the same, and never says what it used |
| `slow-first-token` | sends its headers, and the rest after `release` |
| `stall-after-2` | sends 2 events (half the body, if not streamed), and the rest after `release` |
| `hang` | sends nothing until `release` |
| `error-429` | answers with that status and an error object; any status will do, `retry-after: 7` comes with a 429 |
| `error-html-502` | the same, with a page of HTML |
| `cut-after-2` | sends 2 events (half the body) and a piece of the third, then drops the connection |
| `fin-after-2` | sends 2 events and ends the stream in good order, without finish reason or `[DONE]` |
| `error-event-after-2` | sends 2 events, then an error object |
| `malformed-after-2` | sends 2 events, then one that is not JSON, then the rest |
| `giant-line` | sends one event that does not end |
| `wrong-shape` | answers 200 with JSON that is no completion |
| `empty` | answers 200 with nothing |

A stream's first event is the role, its last two are usage (where asked for) and `[DONE]`. What follows an `@` in the name is ignored:
`ok@one` and `ok@two` behave alike. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pointsman.testing.answers import chunk, completion, error, error_object, events, response

_SCRIPT = re.compile(r"(?P<name>[a-z]+(?:-[a-z]+)*)(?:-(?P<number>\d+))?(?:@.*)?")
_GIANT_PIECE = b"x" * 65_536

_Say = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Exchange:
    """One call as it arrived, and how far its answer came."""

    model: str
    headers: Mapping[str, str]  #: lower-case names
    body: bytes
    url_path: str
    connection: int  #: number of the connection, from 1
    bytes_sent: int = 0
    answered: bool = False  #: the script was played to its end
    left_at: float | None = None  #: event loop time at which the caller closed the connection before that

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
    """

    def __init__(self, *, hold_faults: bool = False) -> None:
        self.hold_faults = hold_faults
        self.ledger: list[Exchange] = []
        self.release = asyncio.Event()
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._accepted = 0

    async def __aenter__(self) -> ScriptedUpstream:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

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
                self.ledger.append(exchange)
                await self._note()
                if not await self._answer(exchange, writer, upcoming):
                    return
        finally:
            upcoming.cancel()

    async def _answer(self, exchange: Exchange, writer: asyncio.StreamWriter, upcoming: asyncio.Future[Exchange | None]) -> bool:
        """Play the script. False where the connection is over."""

        async def say(data: bytes) -> None:
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
        except ConnectionError:
            left = True
            return False
        finally:
            playing.cancel()
            await asyncio.wait({playing})
            if left:
                exchange.left_at = asyncio.get_running_loop().time()
            await self._note()

    async def _play(self, exchange: Exchange, say: _Say) -> bool:
        found = _SCRIPT.fullmatch(exchange.model)
        name, number = (found["name"], int(found["number"] or 0)) if found else ("error", 404)
        asked, usage = exchange.json, name != "no-usage"
        if name == "hang":
            await self.release.wait()
            exchange.answered = True
            return False
        if name in ("error", "error-html"):
            await say(error(number, html=name == "error-html"))
        elif name == "wrong-shape":
            await say(response(200, b'{"hello":"world"}', "application/json"))
        elif name == "empty":
            await say(response(200, b"", "text/event-stream" if asked.get("stream") else "application/json"))
        elif asked.get("stream"):
            await self._stream(name, number, [event.encode() for event in events(asked, usage=usage)], say)
        else:
            await self._whole(name, response(200, completion(asked, usage=usage), "application/json"), say)
        exchange.answered = True
        return name != "cut-after" and (name != "fin-after" or bool(asked.get("stream")))

    async def _whole(self, name: str, whole: bytes, say: _Say) -> None:
        head = whole.index(b"\r\n\r\n") + 4
        first = head if name == "slow-first-token" else (head + len(whole)) // 2
        await say(whole[:first])
        if name in ("slow-first-token", "stall-after"):
            await self.release.wait()
        if name not in ("cut-after", "fin-after"):
            await say(whole[first:])

    async def _stream(self, name: str, number: int, script: list[bytes], say: _Say) -> None:
        await say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n")
        if name in ("slow-first-token", "giant-line"):
            number = 0
        for event in script[:number]:
            await say(chunk(event))
        if self.hold_faults and name.endswith("-after"):
            await self.release.wait()
        match name:
            case "cut-after":
                await say(chunk(script[number])[:-20])
                return
            case "giant-line":
                await say(chunk(b"data: "))
                while True:
                    await say(chunk(_GIANT_PIECE))
            case "slow-first-token" | "stall-after":
                await self.release.wait()
            case "error-event-after":
                script[number:] = [f"data: {json.dumps(error_object(500))}\n\n".encode()]
            case "malformed-after":
                script.insert(number, b'data: {"id": \n\n')
            case "fin-after":
                del script[number:]
        for event in script[number:]:
            await say(chunk(event))
        await say(b"0\r\n\r\n")


async def _read(reader: asyncio.StreamReader, connection: int) -> Exchange | None:
    """The next request, `None` when the caller has left."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Exchange(str(json.loads(body)["model"]), headers, body, first.split()[1], connection)
    return None
