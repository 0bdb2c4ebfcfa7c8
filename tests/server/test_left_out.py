"""What an answer loses on its way into another API is told: in a header, at the end of a stream in a comment, and in the record."""

from __future__ import annotations

import pytest

from tests.server.conftest import Serve
from tests.server.served import OPERATOR, chat, model

SIGNED = "answer.thinking.signature"


@pytest.mark.parametrize("script", ["reasoning", "reasoning+ragged-5"])
async def test_a_whole_answer_s_losses_are_in_its_header_beside_the_request_s(serve: Serve, script):
    async with serve([model("m", script, apis=["messages"])]) as gateway:
        answer = await gateway.chat("m", seed=7)
        assert answer.headers["x-pointsman-dropped"] == f"seed, {SIGNED}"
        [outcome] = await gateway.outcomes()
        assert outcome.dropped == ("seed", SIGNED)
        told = (await gateway.ask(f"/v1/decisions/{answer.headers['x-pointsman-decision-id']}", method="GET")).json
        assert [call["dropped"] for call in told["calls"]] == [["seed", SIGNED]]


async def test_a_stream_s_losses_are_in_a_comment_before_its_last_words(serve: Serve):
    async with serve([model("m", "reasoning", apis=["messages"])]) as gateway:
        answer = await gateway.chat("m", stream=True, seed=7)
        assert answer.headers["x-pointsman-dropped"] == "seed"
        assert answer.body.endswith(f": x-pointsman-dropped: {SIGNED}\n\ndata: [DONE]\n\n".encode())
        [outcome] = await gateway.outcomes()
        assert outcome.dropped == ("seed", SIGNED)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_within_one_api_nothing_is_lost_or_told(serve: Serve, stream):
    async with serve([model("m", "reasoning", apis=["messages"])]) as gateway:
        body = {**chat("m", stream=stream), "max_tokens": 100}
        answer = await gateway.ask("/v1/messages", body, key=OPERATOR)
        assert answer.status == 200
        assert "x-pointsman-dropped" not in answer.headers
        assert b"x-pointsman" not in answer.body
        [outcome] = await gateway.outcomes()
        assert outcome.dropped == ()


async def test_the_openai_client_reads_a_stream_that_tells_what_it_lost(serve: Serve):
    openai = pytest.importorskip("openai")
    async with serve([model("m", "reasoning", apis=["messages"])]) as gateway:
        client = openai.AsyncOpenAI(api_key=OPERATOR, base_url=gateway.base_url, max_retries=0)
        async with client:
            stream = await client.chat.completions.create(**chat("m", "one two three", stream=True))
            said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(said) == "one two three"
