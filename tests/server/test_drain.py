"""A server that is told to stop: what is in progress ends whole, or is told why it does not."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from pointsman.server.drain import DrainingServer
from pointsman.server.protocol import Protocol
from tests.server.coroutines import soon
from tests.server.raw import Connection

WHOLE, CUT = b"first last", b"first cut"


class App:
    """Answers `/stream` with a word now and another when `release` is set, or when it is cut; anything else at once."""

    def __init__(self) -> None:
        self.draining = False
        self.release = asyncio.Event()
        self.was_cut = asyncio.Event()
        self.in_progress: set[asyncio.Task[Any]] = set()
        self.ignores_cut = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503 if self.draining else 200, "headers": [(b"x", b"y")]})
        if scope["path"] == "/stream":
            task = asyncio.current_task()
            self.in_progress.add(task)
            waits = [asyncio.ensure_future(event.wait()) for event in (self.release, self.was_cut)]
            try:
                await send({"type": "http.response.body", "body": b"first ", "more_body": True})
                await asyncio.wait(waits[: 1 if self.ignores_cut else 2], return_when=asyncio.FIRST_COMPLETED)
                await send({"type": "http.response.body", "body": b"last" if self.release.is_set() else b"cut"})
            finally:
                for wait in waits:
                    wait.cancel()
                self.in_progress.discard(task)
        elif scope["path"] == "/flood":
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                await asyncio.sleep(0)
        else:
            await send({"type": "http.response.body", "body": b"ok"})

    async def cut(self) -> None:
        self.was_cut.set()
        await soon(lambda: not self.in_progress)


class Scene:
    def __init__(self, drain_s: float, patient: bool) -> None:
        self.app = App()
        self.listener = socket.create_server(("127.0.0.1", 0))
        settings = uvicorn.Config(self.app, http=Protocol, lifespan="off", loop="none", log_config=None, access_log=False)
        self.server = DrainingServer(settings, self.app, drain_s, patient=patient)
        self.serving = asyncio.create_task(self.server.serve(sockets=[self.listener]))
        self.port = self.listener.getsockname()[1]
        self.connections: list[Connection] = []

    async def ask(self, path: str) -> Connection:
        connection = await Connection.open(self.port)
        self.connections.append(connection)
        await connection.request(path)
        return connection

    async def streams(self, count: int) -> list[Connection]:
        connections = [await self.ask("/stream") for _ in range(count)]
        await soon(lambda: len(self.app.in_progress) == count)
        return connections


@asynccontextmanager
async def scene(drain_s: float = 60.0, *, patient: bool = False) -> AsyncIterator[Scene]:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)]
    made = Scene(drain_s, patient)
    await soon(lambda: made.server.started)
    yield made
    await made.serving
    for connection in made.connections:
        connection.close()
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)]
    with pytest.raises(OSError):
        await Connection.open(made.port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_streams_end_whole_and_new_requests_hear_that_it_stops(number):
    async with scene() as stage:
        idle = await stage.ask("/")
        assert (await idle.answered()).status == 200
        streams = await stage.streams(50)
        signal.raise_signal(number)
        assert stage.app.draining
        for connection in (await stage.ask("/"), idle):
            if connection is idle:
                await idle.request("/")
            assert (await connection.answered()).status == 503
        assert not stage.serving.done()
        stage.app.release.set()
        assert {(await stream.answered()).body for stream in streams} == {WHOLE}
    assert not stage.app.was_cut.is_set()


async def test_with_nothing_in_progress_it_ends_though_clients_stay_connected():
    async with scene() as stage:
        idle = await stage.ask("/")
        await idle.answered()
        silent = await Connection.open(stage.port)
        stage.connections.append(silent)
        signal.raise_signal(signal.SIGTERM)


async def test_at_the_deadline_what_is_left_is_cut_in_words():
    async with scene(drain_s=0.0) as stage:
        streams = await stage.streams(50)
        signal.raise_signal(signal.SIGTERM)
        assert {(await stream.answered()).body for stream in streams} == {CUT}


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
async def test_a_second_signal_cuts_at_once(second):
    async with scene() as stage:
        [stream] = await stage.streams(1)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(second)
        assert (await stream.answered()).body == CUT


async def test_a_worker_may_be_told_twice_and_is_hurried_by_its_parent_alone():
    async with scene(patient=True) as stage:
        first, _ = await stage.streams(2)
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert (await (await stage.ask("/")).answered()).status == 503
        assert not stage.app.was_cut.is_set()
        signal.raise_signal(signal.SIGQUIT)
        assert (await first.answered()).body == CUT


async def test_neither_clients_that_read_nothing_nor_requests_that_cannot_be_cut_hold_it_up():
    async with scene(drain_s=0.0) as stage:
        flooded = await stage.ask("/flood")
        flooded.writer.transport.pause_reading()
        stage.app.ignores_cut = True
        await stage.streams(1)
        signal.raise_signal(signal.SIGTERM)
