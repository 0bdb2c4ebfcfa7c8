"""Hostile requests get a 4xx with a proper error object, disturb nobody, and leave nothing in the log."""

from __future__ import annotations

import asyncio
import json

import pytest

from pointsman.server.app import Limits
from tests.server.conftest import Serve
from tests.server.raw import Connection
from tests.server.served import OPERATOR, Served, chat

FOUR_KEYS = {"message", "type", "param", "code"}
LIMITS = Limits(max_body_bytes=300_000, body_timeout_s=0.2)
USER = [{"role": "user", "content": "x"}]


def body(**fields: object) -> bytes:
    return json.dumps({**chat("inside"), **fields}).encode()


HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\n"
WHOLE = body()


def nested(depth: int) -> bytes:
    return b'{"model":"inside","messages":[{"role":"user","content":"x"}],"x":' + b"[" * depth + b"]" * depth + b"}"


BODIES = {
    "empty": b"",
    "spaces": b"   ",
    "not json": b"hello",
    "a list": b"[]",
    "a string": b'"inside"',
    "null": b"null",
    "a number": b"1",
    "cut off": b'{"model":"inside"',
    "trailing": body() + b"x",
    "two objects": body() + body(),
    "single quotes": b"{'model':'inside'}",
    "comment": b'{"model":"inside"/**/}',
    "byte order mark": b"\xef\xbb\xbf" + body(),
    "utf-16": body().decode().encode("utf-16"),
    "latin-1": b'{"model":"inside","messages":[{"role":"user","content":"caf\xe9"}]}',
    "invalid utf-8 in a key": b'{"model":"inside","\xff":1}',
    "overlong utf-8": b'{"model":"inside","messages":[{"role":"user","content":"\xc0\xaf"}]}',
    "raw surrogate": b'{"model":"inside","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "lone surrogate": b'{"model":"inside","messages":[{"role":"user","content":"\\ud800"}]}',
    "swapped surrogates": b'{"model":"inside","messages":[{"role":"user","content":"\\udc00\\ud800"}]}',
    "raw control character": b'{"model":"inside","messages":[{"role":"user","content":"\x00"}]}',
    "NaN": b'{"model":"inside","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    "Infinity": b'{"model":"inside","messages":[{"role":"user","content":"x"}],"temperature":Infinity}',
    "1e999": b'{"model":"inside","messages":[{"role":"user","content":"x"}],"temperature":1e999}',
    "5000 digits": b'{"model":"inside","messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 5_000 + b"}",
    "5000 digits, unknown field": b'{"model":"inside","messages":[{"role":"user","content":"x"}],"x":' + b"9" * 5_000 + b"}",
    "nested 65": nested(65),
    "nested 1,000": nested(1_000),
    "nested 100,000": nested(100_000),
    "opened 100,000": b"[" * 100_000,
    "50,000 objects": b'{"model":"inside","messages":[' + b",".join([b"{}"] * 60_000) + b"]}",
    "duplicate key": b'{"model":"inside","model":"inside","messages":[{"role":"user","content":"x"}]}',
    "duplicate key, escaped": b'{"model":"inside","\\u006dodel":"inside","messages":[{"role":"user","content":"x"}]}',
    "too large": body(x="x" * 400_000),
    "no model": b'{"messages":[{"role":"user","content":"x"}]}',
    "no messages": b'{"model":"inside"}',
    "unknown model": body(model="gpt-17"),
    "model of controls": body(model="\x00\r\n\x1b[31m"),
    "model of quotes": body(model="\"`'; DROP TABLE log; --"),
    "model null": body(model=None),
    "model number": body(model=1),
    "model list": body(model=["inside"]),
    "model object": body(model={"id": "inside"}),
    "model empty": body(model=""),
    "model huge": body(model="x" * 100_000),
    "model in another case": body(model="INSIDE"),
    "model with a space": body(model="inside "),
    "model full-width": body(model="\uff49nside"),
    "messages empty": body(messages=[]),
    "messages null": body(messages=None),
    "messages string": body(messages="x"),
    "messages object": body(messages={"0": USER[0]}),
    "message null": body(messages=[None]),
    "message list": body(messages=[[]]),
    "role missing": body(messages=[{"content": "x"}]),
    "role unknown": body(messages=[{"role": "root", "content": "x"}]),
    "role huge": body(messages=[{"role": "x" * 100_000, "content": "x"}]),
    "content null": body(messages=[{"role": "user", "content": None}]),
    "content missing": body(messages=[{"role": "user"}]),
    "content number": body(messages=[{"role": "user", "content": 1}]),
    "content object": body(messages=[{"role": "user", "content": {"type": "text", "text": "x"}}]),
    "part null": body(messages=[{"role": "user", "content": [None]}]),
    "part without type": body(messages=[{"role": "user", "content": [{"text": "x"}]}]),
    "part without text": body(messages=[{"role": "user", "content": [{"type": "text"}]}]),
    "image without url": body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
    "tool call without name": body(messages=[{"role": "assistant", "tool_calls": [{"function": {}}]}]),
    "stream string": body(stream="true"),
    "stream number": body(stream=1),
    "stream_options list": body(stream=True, stream_options=[]),
    "n zero": body(n=0),
    "n huge": body(n=10**9),
    "n float": body(n=1.5),
    "n true": body(n=True),
    "max_tokens negative": body(max_tokens=-1),
    "max_tokens 2**63": body(max_tokens=2**63),
    "max_tokens string": body(max_tokens="10"),
    "temperature string": body(temperature="0"),
    "temperature list": body(temperature=[0]),
    "top_p 2": body(top_p=2),
    "stop number": body(stop=1),
    "stop nested": body(stop=[["x"]]),
    "seed huge": body(seed=2**64),
    "tools object": body(tools={}),
    "tools null inside": body(tools=[None]),
    "tool without function": body(tools=[{"type": "function"}]),
    "tools without end": body(tools=[{"type": "x"}] * 2_000),
    "response_format string": body(response_format="json"),
    "response_format unknown": body(response_format={"type": "yaml"}),
    "metadata list": body(metadata=[]),
    "metadata number inside": body(metadata={"a": 1}),
    "metadata huge value": body(metadata={"a": "x" * 1_000}),
    "metadata huge key": body(metadata={"x" * 1_000: "a"}),
    "metadata of thousands": body(metadata={str(n): "x" for n in range(1_000)}),
    "label of controls": body(metadata={"pointsman_labels": "pii\r\nx-evil: 1"}),
    "task of controls": body(metadata={"pointsman_task": "\x00"}),
    "user object": body(user={}),
    "context too long": body(messages=[{"role": "user", "content": "word " * 20_000}]),
}

HEADERS = {
    "no key": {"key": None},
    "empty key": {"key": ""},
    "unknown key": {"key": "sk-1234"},
    "made-up key": {"key": "pm_abcdefghijkl_" + "A" * 43},
    "key of bytes": {"key": "\xff\xfe" * 50},
    "huge key": {"key": "x" * 60_000},
    "another scheme": {"key": None, "authorization": f"Basic {OPERATOR}"},
    "two keys": {"authorization": f"Bearer {OPERATOR}, Bearer {OPERATOR}"},
    "label in full-width": {"x_pointsman_labels": "p\xefi"},
    "labels without end": {"x_pointsman_labels": ",".join(["pii"] * 1_000)},
    "label huge": {"x_pointsman_labels": "x" * 60_000},
    "two tasks": {"x_pointsman_task": "a,b"},
    "task of odd characters": {"x_pointsman_task": "<script>"},
    "giant header": {"x_anything": "x" * 70_000},
    "giant headers": {f"x_anything_{n}": "x" * 7_000 for n in range(12)},
    "gzip": {"content_encoding": "gzip"},
    "br, Identity": {"content_encoding": "br, Identity"},
    "length beyond the limit": {"content_length": str(10**12)},
    "length of twenty digits": {"content_length": "9" * 19},
}


async def checked(gateway: Served, connection: Connection, name: str) -> None:
    """The answer on this connection is a 4xx as it should be, and so is what the connection is worth afterwards."""
    answer = await connection.answered()
    assert 400 <= answer.status < 500, (name, answer)
    assert set(answer.json) == {"error"}, name
    assert set(answer.error) == FOUR_KEYS, name
    assert answer.error["message"], name
    assert answer.error["type"], name
    assert len(answer.body) < 3_000, name
    assert answer.headers["content-type"] == "application/json"
    if answer.headers.get("connection") == "close":
        assert await connection.reader.read() == b""
        return
    await connection.request("/v1/models", key=OPERATOR)
    assert (await connection.answered()).status == 200, name


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/explain"])
async def test_hostile_bodies(serve: Serve, path):
    async with serve(limits=LIMITS) as gateway:
        for name, raw in BODIES.items():
            connection = await gateway.connect()
            await connection.request(path, raw, key=OPERATOR)
            if name == "context too long":
                answer = await connection.answered()
                assert (answer.status, answer.json.get("error", {}).get("code")) in [(400, "context_length_exceeded"), (200, None)]
                continue
            await checked(gateway, connection, name)
            connection.close()
        await still_well(gateway, decisions=0 if path.endswith("explain") else 1)


async def test_hostile_headers(serve: Serve):
    async with serve(limits=LIMITS) as gateway:
        for name, headers in HEADERS.items():
            connection = await gateway.connect()
            await connection.request("/v1/chat/completions", body(), **{"key": OPERATOR, **headers})
            if name.startswith("length"):
                answer = await connection.answered()
                assert (answer.status, answer.error["code"]) == (413, "request_too_large")
            else:
                await checked(gateway, connection, name)
            connection.close()
        await still_well(gateway, decisions=0)


async def still_well(gateway: Served, decisions: int) -> None:
    await gateway.quiet()
    assert gateway.app._in_progress == 0
    assert not gateway.ledger
    assert (await gateway.kinds()).count("decision") == decisions
    assert (await gateway.chat("inside")).status == 200


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (f"{HEAD}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", 408, "request_timeout"),
        (f"{HEAD}content-length: 100\r\n\r\n{{", 408, "request_timeout"),
        (f"{HEAD}transfer-encoding: chunked\r\n\r\n{len(WHOLE):x}\r\n{WHOLE.decode()}\r\n0\r\n\r\n", 200, None),
        (f"{HEAD}expect: 100-continue\r\ncontent-length: 999999\r\n\r\n", 413, "request_too_large"),
    ],
)
async def test_bodies_that_do_not_keep_their_word(serve: Serve, sent, status, code):
    async with serve(limits=LIMITS) as gateway:
        connection = await gateway.connect()
        await connection.send(sent.encode())
        answer = await connection.answered()
        assert answer.status == status
        if status != 200:
            assert (answer.error["code"], set(answer.error)) == (code, FOUR_KEYS)
        if status == 408:
            assert await connection.reader.read() == b""  # closed
        assert len(gateway.ledger) == (status == 200)
        connection.close()
        await gateway.quiet()
        assert gateway.app._in_progress == 0


async def test_a_chunked_body_without_end_is_cut_at_the_limit(serve: Serve):
    async with serve(limits=LIMITS) as gateway:
        connection = await gateway.connect()
        await connection.send(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
        for _ in range(8):
            await connection.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        answer = await connection.answered()
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
        await gateway.quiet()
        assert gateway.app._in_progress == 0


@pytest.mark.parametrize(
    "sent",
    [
        f"{HEAD}content-length: 1\r\n\r\n{WHOLE.decode()}".encode(),  # the rest of the body poses as the next request
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: \xb2\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n obs: folded\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost : x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nx-pointsman-labels: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_http_ends_the_connection(serve: Serve, sent):
    async with serve(limits=LIMITS) as gateway:
        connection = await gateway.connect()
        await connection.send(sent)
        answer = await connection.reader.read()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        assert not gateway.ledger


async def test_a_hostile_client_does_not_hold_up_others(serve: Serve):
    """While one client's megabytes are looked at, the health endpoint answers."""
    async with serve(limits=Limits(max_body_bytes=30_000_000)) as gateway:
        sprawl = b'{"model":"inside","messages":[{"role":"user","content":"' + b"word " * 4_000_000 + b'"}]}'
        asking = [asyncio.ensure_future(gateway.ask(body=sprawl)) for _ in range(3)]
        probes = 0
        while not all(ask.done() for ask in asking):
            assert (await gateway.ask("/livez", key=None)).status == 200
            probes += 1
        assert [(await ask).error["code"] for ask in asking] == ["context_length_exceeded"] * 3
        assert probes > 3
