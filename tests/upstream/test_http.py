"""The HTTP client keeps to HTTP, gives up at once when asked to, and never mixes up two answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pointsman.errors import UpstreamUnreachable
from pointsman.testing import ScriptedUpstream
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.upstream.transport import Reply
from tests.server.coroutines import soon

BOTH_LOOPS = True

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CERTIFICATE = Path(__file__).with_name("localhost.pem")


@asynccontextmanager
async def server(handler: Handler, **tls: object) -> AsyncIterator[int]:
    """A server that hands each connection to `handler`; yields its port."""
    serving: set[asyncio.Task] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, **tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def pooled(tls: ssl.SSLContext | None = None) -> AsyncIterator[Pool]:
    pool = Pool(tls)
    try:
        yield pool
    finally:
        await pool.aclose()


async def request(reader: asyncio.StreamReader) -> bytes:
    """One request as it came."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def saying(*answers: bytes, then_close: bool = True) -> Handler:
    """Gives one answer a request."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request(reader)
            writer.write(answer)
            await writer.drain()
        if not then_close:
            await reader.read()

    return handler


async def whole(reply: Reply) -> tuple[int, bytes]:
    try:
        return reply.status, b"".join([piece async for piece in reply.body])
    finally:
        await reply.aclose()


async def post(transport: HttpTransport, body: bytes = b"{}") -> tuple[int, bytes]:
    return await whole(await transport.send("/chat/completions", {"content-type": "application/json"}, body))


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (OK, (200, b"hi")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;extension=x\r\ni\r\n0\r\ntrailer: x\r\n\r\n", (200, b"hi")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection", (200, b"until the end of the connection")),
        (b"HTTP/1.0 200 OK\r\n\r\nold", (200, b"old")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (200, b"")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", (302, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, (200, b"hi")),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, (200, b"hi")),
        (b"HTTP/1.1 599 Odd\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", (599, b"no")),
    ],
)
async def test_answers_are_read_as_http_has_them(answer, read):
    async with server(saying(answer)) as port, pooled() as pool:
        assert await post(HttpTransport(f"http://127.0.0.1:{port}/v1", pool)) == read


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>not http at all</html>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-padding: " + b"x" * 300_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000,
    ],
)
async def test_what_is_cut_short_or_no_http_is_an_error(answer):
    async with server(saying(answer)) as port, pooled() as pool:
        with pytest.raises(UpstreamUnreachable) as raised:
            await post(HttpTransport(f"http://127.0.0.1:{port}/v1", pool))
        assert str(port) not in str(raised.value)
        assert raised.value.sent


async def test_a_request_is_exactly_what_it_says():
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(OK)

    async with server(handler) as port, pooled() as pool:
        transport = HttpTransport(f"http://localhost:{port}/base/v1/", pool)
        await whole(await transport.send("/chat/completions", {"authorization": "Bearer k", "content-type": "application/json"}, b"{}"))
        assert seen[0].decode().split("\r\n") == [
            "POST /base/v1/chat/completions HTTP/1.1",
            f"host: localhost:{port}",
            "user-agent: pointsman/0.1.0",
            "accept-encoding: identity",
            "authorization: Bearer k",
            "content-type: application/json",
            "content-length: 2",
            "",
            "{}",
        ]


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "a\x00b", "caf\u0119"])
async def test_no_header_can_smuggle_another(value):
    async with ScriptedUpstream() as upstream, pooled() as pool:
        with pytest.raises(UpstreamUnreachable, match="not allowed") as raised:
            await HttpTransport(upstream.base_url, pool).send("/chat/completions", {"authorization": value}, b"{}")
        assert not upstream.ledger
        assert not raised.value.sent


async def test_connections_are_kept_for_the_next_call_and_not_shared_by_two():
    both_are_there = asyncio.Barrier(2)
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while body := (await request(reader)).partition(b"\r\n\r\n")[2]:
            if body == b"together":
                await both_are_there.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with server(handler) as port, pooled() as pool:
        transport = HttpTransport(f"http://127.0.0.1:{port}", pool)
        for n in range(5):
            assert await post(transport, b"%d" % n) == (200, b"%d" % n)
        assert connections == 1
        await asyncio.gather(post(transport, b"together"), post(transport, b"together"))
        assert connections == 2


@pytest.mark.parametrize("header", [b"connection: close\r\ncontent-length: 2\r\n", b"content-length: 2\r\n"])
async def test_a_connection_that_the_server_closes_is_not_used_again(header):
    answers = [b"HTTP/1.1 200 OK\r\n" + header + b"\r\nhi"]
    async with server(saying(*answers)) as port, pooled() as pool:
        transport = HttpTransport(f"http://127.0.0.1:{port}", pool)
        for _ in range(3):
            assert await post(transport) == (200, b"hi")
            await soon(lambda: not any(connection.usable for connection in pool._open))  # the server's FIN is on its way


@pytest.mark.parametrize(
    "more", [OK, b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nev", b"HTTP/1.1 2", b"\x00", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_bytes_that_nobody_asked_for_never_become_the_next_answer(more, at_once):
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await request(reader):
            writer.write(OK + more if at_once else OK)
            await writer.drain()
            writer.write(b"" if at_once else more)

    async with server(handler) as port, pooled() as pool:
        transport = HttpTransport(f"http://127.0.0.1:{port}", pool)
        for _ in range(3):
            assert await post(transport) == (200, b"hi")
            for _ in range(10):
                await asyncio.sleep(0)


async def test_an_answer_is_read_no_further_ahead_than_its_reader_allows():
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
        for _ in range(640):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with server(handler) as port, pooled() as pool:
        reply = await HttpTransport(f"http://127.0.0.1:{port}", pool).send("/x", {}, b"")
        before = -1
        while sent != before:  # until the server is stuck
            before = sent
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert sent < 30_000_000  # what the system's own buffers hold, and a little
        assert len((await whole(reply))[1]) == 64_000_000


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", ["hang", "slow-first-token", "stall-after-2"])
async def test_giving_up_closes_the_connection_whatever_the_upstream_was_doing(script, stream):
    body = f'{{"model":"{script}","stream":{str(stream).lower()},"messages":[{{"role":"user","content":"a b c"}}]}}'.encode()
    async with ScriptedUpstream() as upstream, pooled() as pool:
        replies: list[Reply] = []

        async def call() -> None:
            reply = await HttpTransport(upstream.base_url, pool).send("/chat/completions", {}, body)
            replies.append(reply)
            await whole(reply)

        calling = asyncio.ensure_future(call())
        await upstream.until(lambda: upstream.ledger and (script == "hang" or upstream.ledger[0].bytes_sent))
        await soon(lambda: script == "hang" or replies)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await upstream.until(lambda: upstream.ledger[0].left_at)
        assert not pool._open


async def test_giving_up_at_any_moment_leaves_nothing_open():
    body = b'{"model":"ok","stream":true,"messages":[{"role":"user","content":"a b c d e f g h"}]}'
    async with ScriptedUpstream() as upstream, pooled() as pool:
        transport = HttpTransport(upstream.base_url, pool)
        for steps in range(60):
            calling = asyncio.ensure_future(post(transport, body))
            for _ in range(steps):
                await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait({calling})
            used = [connection for connection in pool._open if connection.usable]
            assert len(used) == sum(map(len, pool._idle.values()))
        assert (await post(transport, body))[1].endswith(b"data: [DONE]\n\n")


async def test_an_answer_that_came_whole_gives_its_connection_back_though_nobody_read_to_the_end():
    body = b'{"model":"ok","stream":true,"messages":[{"role":"user","content":"a b"}]}'
    async with ScriptedUpstream() as upstream, pooled() as pool:
        transport = HttpTransport(upstream.base_url, pool)
        for _ in range(3):
            reply = await transport.send("/chat/completions", {}, body)
            await upstream.until(lambda: upstream.ledger[-1].answered)
            async for piece in reply.body:
                if b"[DONE]" in piece:
                    break
            await reply.aclose()
            await reply.aclose()
        assert {exchange.connection for exchange in upstream.ledger} == {1}


async def test_nobody_there_is_told_without_saying_where():
    async with pooled() as pool:
        for url in ("http://127.0.0.1:1/v1", "http://no.such.host.invalid/v1", "http://" + "x" * 80 + ".invalid/v1"):
            with pytest.raises(UpstreamUnreachable, match=r"^the model's server could not be reached$") as raised:
                await post(HttpTransport(url, pool))
            assert not raised.value.sent


async def test_a_closed_pool_ends_what_is_running_and_starts_nothing():
    async with ScriptedUpstream() as upstream:
        pool = Pool()
        transport = HttpTransport(upstream.base_url, pool)
        calling = asyncio.ensure_future(post(transport, b'{"model":"hang"}'))
        await upstream.until(lambda: upstream.ledger)
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(UpstreamUnreachable) as cut:
            await calling
        with pytest.raises(UpstreamUnreachable, match="shutting down") as refused:
            await post(transport)
        assert (cut.value.sent, refused.value.sent) == (True, False)
        await upstream.until(lambda: upstream.ledger[0].left_at)


async def test_tls_is_checked():
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(CERTIFICATE)
    async with server(saying(OK, OK), ssl=serving) as port:
        async with pooled(ssl.create_default_context(cafile=CERTIFICATE)) as trusting:
            transport = HttpTransport(f"https://localhost:{port}/v1", trusting)
            assert await post(transport) == (200, b"hi")
            assert await post(transport) == (200, b"hi")
        async with pooled() as pool:
            with pytest.raises(UpstreamUnreachable, match="certificate") as raised:
                await post(HttpTransport(f"https://localhost:{port}/v1", pool))
            assert not raised.value.sent
