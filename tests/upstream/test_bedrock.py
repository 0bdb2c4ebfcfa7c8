"""Converse over real connections: what arrives is signed and named as AWS's own client does it, and frames are read however they are cut."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Mapping
from struct import pack
from typing import Any
from zlib import crc32

import pytest

from pointsman.errors import UpstreamError, UpstreamStreamBroken
from pointsman.upstream.bedrock import ConverseTransport, _Streamed
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.upstream.signed import AwsSigner, SignedTransport
from pointsman.upstream.transport import Reply, Transport
from pointsman.upstream.vertex import VertexTransport
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.bedrock_converse import ConverseEvents
from pointsman.wire.events import Finished, Text, ToolArguments, ToolBegan
from tests.upstream.aws import assert_signed
from tests.upstream.bedrock_server import BEGIN, NOVA, Answer, answered, bedrock, delta, ending, event, exception, frame, said, stop, tool
from tests.upstream.test_signed import server

AWS = pytest.mark.skipif(not importlib.util.find_spec("botocore"), reason="needs the extra `aws` (botocore)")
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01", "anthropic-beta": "x", "accept": "application/json"}
HI = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def letter(model: str = NOVA, *, stream: bool = False) -> bytes:
    return json.dumps({"model": model, "stream": stream, **HI}).encode()


async def read(reply: Reply) -> bytes:
    return b"".join([piece async for piece in reply.body])


def signing(url: str) -> Transport:
    return ConverseTransport(SignedTransport(url, HttpTransport(url, Pool()), AwsSigner("bedrock", "eu-central-1"), "nova"))


def client(url: str) -> Any:
    """AWS's own, told not to try again."""
    from botocore.config import Config
    from botocore.session import Session

    settings = Config(retries={"total_max_attempts": 1}, read_timeout=20, connect_timeout=20, proxies={})
    return Session().create_client("bedrock-runtime", region_name="eu-central-1", endpoint_url=url, config=settings)


@AWS
@pytest.mark.parametrize("model", [NOVA, PROFILE, "a-name"])
async def test_a_call_is_signed_and_named_as_awss_own_client_does_it(aws, model):
    async with bedrock(Answer([answered({"text": "yes"})])) as there:
        transport = signing(there.url)
        assert json.loads(await read(await transport.send("/messages", HEADERS, letter(model))))["content"] == [
            {"type": "text", "text": "yes"}
        ]
        theirs = await asyncio.to_thread(lambda: client(there.url).converse(modelId=model, **HI))
        await transport.aclose()
    assert theirs["output"]["message"]["content"] == [{"text": "yes"}], "the server here speaks what AWS's client reads"
    ours, reference = there.asked
    assert (ours.path, ours.json) == (reference.path, reference.json)
    assert ours.model == model
    assert not {"anthropic-version", "anthropic-beta"} & ours.headers.keys(), "what is not Converse's does not travel on"
    for call in there.asked:
        assert_signed(call.path, call.headers, call.body)


@AWS
async def test_streams_here_are_what_awss_own_client_reads(aws):
    frames = [BEGIN, delta(0, text="Hel"), delta(0, text="lo"), stop(0), tool(1, "t1", "f"), delta(1, toolUse={"input": "{}"}), stop(1)]
    async with bedrock(Answer([*frames, *ending("tool_use")])) as there:
        theirs = await asyncio.to_thread(lambda: [*client(there.url).converse_stream(modelId=NOVA, **HI)["stream"]])
        assert [next(iter(found)) for found in theirs] == [
            "messageStart",
            *["contentBlockDelta"] * 2,
            "contentBlockStop",
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ]
        transport = signing(there.url)
        reader = MESSAGES.reader({}, own=False)
        events = list(reader.read(await read(await transport.send("/messages", HEADERS, letter(stream=True)))))
        await transport.aclose()
    assert there.asked[0].path == there.asked[1].path
    assert there.asked[1].headers["accept"] == "application/vnd.amazon.eventstream"
    wanted = [Text("Hel"), Text("lo"), ToolBegan(0, "t1", "f"), ToolArguments(0, "{}"), Finished("tool_calls")]
    assert [found for found in events if not hasattr(found, "usage")] == wanted


@AWS
async def test_nothing_in_the_environment_says_where_a_call_goes(aws, tmp_path):
    async with bedrock(Answer([answered({"text": "yes"})])) as there, bedrock(Answer([answered({"text": "no"})])) as trap:
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            aws.setenv(name, trap.url)
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {trap.url}\nregion = us-east-1\nuse_fips_endpoint = true\n")
        aws.setenv("AWS_DEFAULT_REGION", "us-east-1")
        transport = signing(there.url)
        await read(await transport.send("/messages", HEADERS, letter()))
        await transport.aclose()
    assert (len(there.asked), trap.asked) == (1, [])
    assert "/eu-central-1/" in there.asked[0].headers["authorization"]


@AWS
async def test_a_key_goes_as_bedrock_wants_it():
    async with bedrock(Answer([answered({"text": "yes"})])) as there:
        transport = ConverseTransport(HttpTransport(there.url, Pool()))
        await read(await transport.send("/messages", {**HEADERS, "x-api-key": "bedrock-key"}, letter()))
        await transport.aclose()
    assert there.asked[0].headers["authorization"] == "Bearer bedrock-key"
    assert "x-api-key" not in there.asked[0].headers


class Canned:
    """A transport that answers with these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(200, {}, self._body(), self.aclose)

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        pass


async def answer_to(*pieces: bytes, stream: bool = True) -> bytes:
    return await read(await ConverseTransport(Canned(*pieces)).send("/messages", HEADERS, letter(stream=stream)))


@AWS
@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 12, 13, 100, 10_000])
async def test_frames_are_read_however_they_are_cut(size):
    whole = b"".join(said("one ", "two ☃ ", "three"))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert await answer_to(*pieces) == await answer_to(whole)
    assert b"message_stop" in await answer_to(whole)


@AWS
@pytest.mark.parametrize("at", range(0, 120, 3))
async def test_a_damaged_frame_breaks_the_stream(at):
    whole = bytearray(BEGIN + delta(0, text="one"))
    whole[at] ^= 0x55
    try:
        told = await answer_to(bytes(whole))
    except UpstreamStreamBroken:
        return
    # A length that grew waits for more, which never comes: no ending is invented.
    assert b"message_stop" not in told


@AWS
@pytest.mark.parametrize(
    "pieces",
    [
        [b'{"message": "not a stream at all, but text"}'],
        [frame(b"[]", message_type="event", event_type="contentBlockDelta")],
        [frame(b"{}", message_type="event", event_type="contentBlockDelta")],
    ],
)
async def test_what_is_no_stream_is_broken(pieces):
    with pytest.raises(UpstreamStreamBroken):
        await answer_to(*pieces)


@AWS
@pytest.mark.parametrize("broken", [b"\x00\x00\x00\x10garbage garbage", frame(b"[]", message_type="event", event_type="contentBlockDelta")])
async def test_what_came_before_a_failure_is_told_before_it(broken):
    reply = await ConverseTransport(Canned(BEGIN + delta(0, text="one") + broken)).send("/messages", HEADERS, letter(stream=True))
    assert b'"one"' in await anext(reply.body)
    with pytest.raises(UpstreamStreamBroken):
        await anext(reply.body)


@AWS
async def test_no_cut_makes_an_ending():
    unfinished = b"".join([BEGIN, delta(0, text="one"), stop(0), ending()[0]])
    for at in range(0, len(unfinished), 5):
        assert b"message_stop" not in await answer_to(unfinished[:at])
    assert b"message_stop" in await answer_to(unfinished), "why it ended was said; what it cost was not"


@AWS
async def test_messages_of_other_kinds_mean_nothing_and_errors_are_told():
    quiet = [frame(b"{}", message_type="brand-new"), frame(b"{}"), event("initial-response")]
    assert await answer_to(*quiet, *said("one")) == await answer_to(*said("one"))
    told = await answer_to(BEGIN, frame(b"", message_type="error", error_code="InternalError", error_message="it broke"))
    assert json.loads(told.rpartition(b"data: ")[2])["error"] == {"message": "it broke", "type": "InternalError"}
    assert b"throttlingException" in await answer_to(BEGIN, exception("throttlingException", "slow down"))


def prelude(size: int) -> bytes:
    """What a frame of this size begins with."""
    said = pack("!II", size, 0)
    return said + pack("!I", crc32(said))


@AWS
@pytest.mark.parametrize("size", [0, 12, 15, 16_000_001, 2**32 - 1])
@pytest.mark.parametrize("cut", [1, 12, 10_000])
async def test_a_frame_of_no_possible_size_is_refused_by_its_beginning(size, cut):
    whole = BEGIN + prelude(size)
    with pytest.raises(UpstreamStreamBroken):
        await answer_to(*(whole[at : at + cut] for at in range(0, len(whole), cut)))


@AWS
async def test_a_large_frame_is_put_together_once():
    """AWS's buffer copies what it holds each time it gets something: of a frame in many pieces it gets the beginning, and the rest at once."""
    from botocore.eventstream import EventStreamBuffer

    class Counted(EventStreamBuffer):
        added = 0

        def add_data(self, data: bytes) -> None:
            self.added += 1
            super().add_data(data)

    buffer, whole = Counted(), b"".join([BEGIN, delta(0, text="x" * 1_000_000)])
    stream = _Streamed(buffer, ConverseEvents("req", NOVA))
    told = b"".join(stream.take(whole[at : at + 1_400]) for at in range(0, len(whole), 1_400))
    assert (stream.error, buffer.added) == (None, 4)
    assert b"x" * 1_000_000 in told


@AWS
async def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr("pointsman.upstream.bedrock._MOST_BYTES", 100)
    with pytest.raises(UpstreamError, match="larger than 100 bytes"):
        await answer_to(b"x" * 60, b"x" * 60, stream=False)


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
async def test_claude_on_vertex_is_named_in_the_path(stream, verb):
    async with server(lambda _: (200, b"{}")) as (url, asked):
        transport = VertexTransport(HttpTransport(f"{url}/v1/projects/p/locations/europe-west1", Pool()))
        body = {"model": "claude-sonnet-4-5@20250929", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        reply = await transport.send("/messages", {**HEADERS, "x-api-key": "k"}, json.dumps(body).encode())
        assert (reply.status, await read(reply)) == (200, b"{}")
        await transport.aclose()
    [call] = asked
    assert call.path == f"/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5@20250929:{verb}"
    del body["model"]
    assert json.loads(call.body) == {**body, "anthropic_version": "vertex-2023-10-16"}
    assert call.headers["anthropic-beta"] == "x"
    assert not {"anthropic-version", "x-api-key"} & call.headers.keys()
