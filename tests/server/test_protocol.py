"""What a client without a key can do to the connection itself: nothing that costs others anything."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pointsman.server.protocol import Protocol
from tests.server.coroutines import soon
from tests.server.raw import Answered, Connection

BOTH_LOOPS = True
LIMIT = Protocol.max_header_bytes
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Hello:
    """An app that says what it was asked. `/wait` answers when the client leaves; `/begin` begins before; `/early` does not read the body."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        path, size, more = scope["path"], 0, scope["path"] != "/early"
        if path == "/begin":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while more or path in ("/wait", "/begin"):
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append(path)
                return
            size, more = size + len(message["body"]), message["more_body"]
        if path == "/later":
            passed = asyncio.Event()
            asyncio.get_running_loop().call_later(2 * Brief.header_timeout_s, passed.set)
            await passed.wait()
        body = json.dumps({"size": size, "headers": sorted(name.decode() for name, _ in scope["headers"])}).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Running:
    app: Hello
    state: ServerState
    port: int
    opened: list[Connection] = field(default_factory=list)

    async def connect(self) -> Connection:
        self.opened.append(await Connection.open(self.port))
        return self.opened[-1]


class Brief(Protocol):
    header_timeout_s = 0.03
    linger_s = 0.03


class Few(Protocol):
    max_connections = 2


class Narrow(Protocol):
    max_header_bytes = 2_048


@asynccontextmanager
async def running(protocol: type[Protocol] = Protocol) -> AsyncIterator[Running]:
    app, state = Hello(), ServerState()
    settings = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    settings.load()
    listening = await asyncio.get_running_loop().create_server(lambda: protocol(settings, state, {}), "127.0.0.1", 0)
    run = Running(app, state, listening.sockets[0].getsockname()[1])
    try:
        yield run
    finally:
        listening.close()
        for connection in run.opened:
            connection.close()
        for left in list(state.connections):
            left.transport.abort()
        while state.tasks:
            await asyncio.wait(set(state.tasks))
            await asyncio.sleep(0)


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def whole(data: bytes) -> Iterable[bytes]:
    return (data,)


SENDS = pytest.mark.parametrize("pieces", [whole, bytewise])


async def tell(connection: Connection, pieces: Iterable[bytes]) -> None:
    """Send each piece on its own."""
    connection.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        await connection.send(piece)
        await asyncio.sleep(0)


async def ends(connection: Connection) -> bytes:
    """What else comes until the connection is at its end, in whichever way."""
    got = b""
    try:
        while piece := await connection.reader.read(65_536):
            got += piece
    except ConnectionError:
        pass
    return got


async def refused(connection: Connection, status: int, code: str) -> None:
    answer = await connection.answered()
    assert (answer.status, answer.error["code"], answer.error["type"]) == (status, code, "invalid_request_error")
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert (answer.headers["content-type"], answer.headers["connection"]) == ("application/json", "close")
    assert await ends(connection) == b""


def headed(size: int) -> bytes:
    """A request whose line and headers have this many bytes."""
    return GET[:-2] + b"x: " + b"y" * (size - len(GET) - 5) + b"\r\n\r\n"


def many(size: int) -> bytes:
    return GET[:-2] + b"a:b\r\n" * (size // 5) + b"\r\n"


# What ordinary clients do.


@SENDS
async def test_a_connection_serves_request_after_request(pieces: Any) -> None:
    async with running() as run:
        connection = await run.connect()
        for _ in range(3):
            await tell(connection, pieces(GET))
            assert (await connection.answered()).status == 200
            await tell(connection, pieces(CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"))
            assert (await connection.answered()).json["size"] == 5
            await tell(connection, pieces(b"\r\nHEAD / HTTP/1.1\r\nhost: x\r\n\r\n"))
            assert (await connection.answered(bodyless=True)).status == 200
        assert len(run.app.asked) == 9


@pytest.mark.parametrize("piece", [100, 4_096])
async def test_a_large_body_arrives(piece: int) -> None:
    body = b"z" * 5_000_000
    chunks = b"".join(b"%x\r\n%b\r\n" % (piece, body[:piece]) for _ in range(1_000)) + b"0\r\n\r\n"
    async with running() as run:
        connection = await run.connect()
        await connection.request("/", body, expect="100-continue")
        assert (await connection.head())[0] == 100
        assert (await connection.answered()).json["size"] == len(body)
        await connection.send(CHUNKED + chunks)
        assert (await connection.answered()).json["size"] == 1_000 * piece
        await connection.request("/early", body)
        assert (await connection.answered()).json["size"] == 0
        await connection.request("/")
        assert (await connection.answered()).status == 200


async def test_an_upgrade_that_is_not_known_is_answered_as_if_it_had_not_been_asked_for() -> None:
    async with running() as run:
        for wanted in ("h2c", "websocket"):
            connection = await run.connect()
            await connection.request("/", connection="upgrade", upgrade=wanted, sec_websocket_key="x", sec_websocket_version="13")
            answer = await connection.answered()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await ends(connection) == b""


# 1. Size of the headers.


@pytest.mark.parametrize(("protocol", "pieces"), [(Protocol, whole), (Narrow, bytewise)])
async def test_headers_up_to_the_limit_are_accepted_and_one_byte_more_is_not(protocol: type[Protocol], pieces: Any) -> None:
    limit = protocol.max_header_bytes
    async with running(protocol) as run:
        connection = await run.connect()
        for _ in range(2):
            await tell(connection, pieces(headed(limit)))
            assert (await connection.answered()).status == 200
        await tell(connection, pieces(headed(limit + 1)[: limit + 1]))
        await refused(connection, 431, "headers_too_large")


OVERSIZE = {
    "one header": headed(3_000_000),
    "without end": b"GET / HTTP/1.1\r\nx: " + b"y" * 3_000_000,
    "many headers": many(3_000_000),
    "url": b"GET /" + b"y" * 3_000_000,
    "name": b"GET / HTTP/1.1\r\n" + b"y" * 3_000_000,
    "empty lines": b"\r\n" * 1_500_000,
}


@pytest.mark.parametrize("data", OVERSIZE.values(), ids=OVERSIZE)
async def test_what_is_too_large_is_refused_without_having_been_parsed(data: bytes) -> None:
    async with running() as run:
        connection = await run.connect()
        await connection.send(data)
        await refused(connection, 431, "headers_too_large")
        assert run.app.asked == []


@pytest.mark.parametrize(
    "data",
    [b"5;" + b"x" * 3_000_000, b"0\r\nx: " + b"y" * 3_000_000, b"0\r\n" + b"a:b\r\n" * 600_000],
    ids=["extension", "trailer", "trailers"],
)
async def test_what_surrounds_chunks_is_limited_too(data: bytes) -> None:
    async with running() as run:
        connection = await run.connect()
        await connection.send(CHUNKED + data)
        await refused(connection, 431, "headers_too_large")
        await soon(lambda: run.app.left == ["/"])


async def test_a_refused_client_that_stays_is_cut_off() -> None:
    async with running(Brief) as run:
        connection = await run.connect()
        await connection.send(headed(LIMIT + 1))
        assert (await connection.answered()).status == 431
        await soon(lambda: not run.state.connections)


# 2. Time for the headers.


async def test_a_connection_that_says_nothing_ends() -> None:
    async with running(Brief) as run:
        assert await ends(await run.connect()) == b""
        assert not run.state.connections


@pytest.mark.parametrize(
    "before", [b"", GET, CHUNKED + b"0\r\n\r\n", b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"]
)
@pytest.mark.parametrize("drip", [b"GET / HTTP/1.1\r\nx: ", b"\r\n"])
async def test_bytes_that_drip_do_not_keep_a_connection(before: bytes, drip: bytes) -> None:
    async with running(Brief) as run:
        connection = await run.connect()
        if before:
            await connection.send(before)
            assert (await connection.answered()).status == 200
        reading = asyncio.create_task(ends(connection))
        connection.writer.write(drip)
        while not connection.writer.is_closing():
            connection.writer.write(drip[-1:])
            await asyncio.sleep(0)
        assert await reading == b""
        await soon(lambda: not run.state.connections)


async def test_a_request_may_take_longer_than_its_headers() -> None:
    async with running(Brief) as run:
        connection = await run.connect()
        for _ in range(2):
            await connection.request("/later")
            assert (await connection.answered()).status == 200


# 3. Trailers.

TRAILERS = [b"authorization: Bearer x\r\n", b"authorization:\r\n", b"a: b\r\nauthorization: Bearer x\r\nc:\r\n"]


@SENDS
@pytest.mark.parametrize("trailer", TRAILERS)
async def test_trailers_are_no_headers_of_this_request_or_the_next(pieces: Any, trailer: bytes) -> None:
    async with running() as run:
        connection = await run.connect()
        await tell(connection, pieces(CHUNKED + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n"))
        assert (await connection.answered()).json == {"size": 1, "headers": ["host", "transfer-encoding"]}
        await tell(connection, pieces(GET))
        assert (await connection.answered()).json["headers"] == ["host"]


# 4. Pipelining.


@SENDS
@pytest.mark.parametrize("path", ["/wait", "/begin"])
@pytest.mark.parametrize("further", [GET, b"G", CHUNKED, b"\x00"])
async def test_a_further_request_before_the_answer_ends_both(pieces: Any, path: str, further: bytes) -> None:
    async with running() as run:
        connection = await run.connect()
        await tell(connection, pieces(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % path.encode()))
        await soon(lambda: run.app.asked)
        await tell(connection, [further])
        assert b"HTTP/1.1" not in (await ends(connection)).removeprefix(b"HTTP/1.1 200")
        await soon(lambda: run.app.left == [path])
        assert len(run.app.asked) == 1


async def test_two_requests_in_one_send_end_both() -> None:
    async with running() as run:
        connection = await run.connect()
        await connection.send(GET.replace(b"/ ", b"/wait ") + GET)
        assert await ends(connection) == b""
        await soon(lambda: run.app.left == ["/wait"])
        assert len(run.app.asked) == 1


# 5. While requests are refused unbegun.


class Shedding(Protocol):
    said = b"behind"
    shed: list[str]

    @classmethod
    def telling(cls, said: bytes = said, **limits: float) -> type[Shedding]:
        """Refuses every request in these words; `shed` is what was asked for."""
        shed: list[str] = []

        def sheds(path: str) -> bytes:
            shed.append(path)
            return said

        return type("Telling", (cls,), {"sheds": staticmethod(sheds), "said": said, "shed": shed, **limits})


LARGE = b"x" * 20_000_000  # more than the system takes for a client that does not read


@SENDS
async def test_one_refused_request_after_the_other_keeps_the_connection_and_a_head_has_no_body(pieces: Any) -> None:
    async with running(Shedding.telling()) as run:
        connection = await run.connect()
        for method in ("HEAD", "GET", "HEAD", "HEAD", "POST"):
            await tell(connection, pieces(GET.replace(b"GET", method.encode())))
            head = await connection.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 429 ")
            assert b"content-length: 6\r\n" in head
            if method != "HEAD":
                assert await connection.reader.readexactly(6) == b"behind"
        assert run.app.asked == []


async def test_a_request_that_is_read_together_with_a_refused_one_ends_both() -> None:
    telling = Shedding.telling()
    async with running(telling) as run:
        connection = await run.connect()
        await connection.send(GET * 100)
        assert (await ends(connection)).count(b"HTTP/1.1") <= 1
        assert telling.shed == ["/"]


async def test_who_goes_on_asking_and_reads_nothing_is_cut_off_before_his_answers_fill_the_memory() -> None:
    telling = Shedding.telling(b"x" * 1_000_000)
    async with running(telling) as run:
        connection, most = await run.connect(), 0
        await soon(lambda: run.state.connections)
        (served,) = run.state.connections
        while run.state.connections and len(telling.shed) < 100:
            telling.shed.append("asked")
            connection.writer.write(GET)
            await soon(lambda: telling.shed[-1] == "/" or not run.state.connections)
            most = max(most, served.transport.get_write_buffer_size())
        assert not run.state.connections
        assert most < 2_000_000


async def test_who_does_not_take_his_refusal_is_cut_off() -> None:
    async with running(Shedding.telling(LARGE, send_timeout_s=0.03)) as run:
        connection = await run.connect()
        await connection.send(GET)
        assert (await connection.head())[0] == 429
        await soon(lambda: not run.state.connections)


async def test_who_has_taken_his_refusal_and_says_no_more_is_cut_off() -> None:
    async with running(Shedding.telling(LARGE, header_timeout_s=0.03)) as run:
        connection = await run.connect()
        await connection.send(GET)
        assert (await ends(connection)).startswith(b"HTTP/1.1 429")
        await soon(lambda: not run.state.connections)


# 6. What is not HTTP.

MALFORMED = {
    "noise": b"\x16\x03\x01\x02\x00\x01",
    "no method": b"hello there\r\n\r\n",
    "no version of ours": b"GET / FTP/1.1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "space in a name": b"GET / HTTP/1.1\r\nx y : z\r\n\r\n",
    "url": b"GET http:// HTTP/1.1\r\nhost: x\r\n\r\n",
    "url of bytes": b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    "connect": b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "chunk": CHUNKED + b"zz\r\n",
    "chunk, while a body is awaited": CHUNKED.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") + b"zz\r\n",
}


@SENDS
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_not_http_gets_an_error_object(data: bytes, pieces: Any) -> None:
    async with running() as run:
        connection = await run.connect()
        await connection.send(GET)
        assert (await connection.answered()).status == 200
        await tell(connection, pieces(data))
        if b"expect" in data and pieces is bytewise:
            assert (await connection.head())[0] == 100
        await refused(connection, 400, "malformed_http")


@pytest.mark.parametrize("path", ["/begin", "/early"])
async def test_an_error_is_never_written_into_or_after_an_answer(path: str) -> None:
    async with running() as run:
        connection = await run.connect()
        await connection.send(CHUNKED.replace(b"/ ", path.encode() + b" "))
        await connection.head()
        await connection.send(b"zz\r\n")
        assert b"HTTP/1.1" not in await ends(connection)


# 7. How many connections.


async def test_connections_beyond_the_limit_are_closed_at_once_and_others_can_come_later() -> None:
    async with running(Few) as run:
        first, second, third = [await run.connect() for _ in range(3)]
        assert await ends(third) == b""
        for connection in (first, second):
            await connection.send(GET)
            assert (await connection.answered()).status == 200
        first.close()
        await soon(lambda: len(run.state.connections) == 1)
        fourth = await run.connect()
        await fourth.send(GET)
        answered: Answered = await fourth.answered()
        assert answered.status == 200
