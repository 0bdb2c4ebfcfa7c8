"""Streams of Responses: their numbers, and what they go on from."""

from __future__ import annotations

import json

import pytest

from tests.server.conftest import Serve
from tests.server.served import model

TEXT = "one two three four five six"


def events_of(raw: bytes) -> list[dict]:
    blocks = raw.removesuffix(b"data: [DONE]\n\n").decode().split("\n\n")[:-1]
    return [json.loads(block.rpartition("\n")[2].removeprefix("data: ")) for block in blocks if not block.startswith(":")]


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_an_error_event_goes_on_from_the_events_before_it(serve: Serve, api):
    async with serve([model("inside", "cut-after-6", apis=[api])]) as gateway:
        gateway.upstream.hold_faults = True
        gateway.upstream.release.set()
        failed = await gateway.ask("/v1/responses", {"model": "inside", "input": TEXT, "stream": True})
        events = events_of(failed.body)
        assert (events[-1]["type"], len(events) > 2) == ("error", True)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_says_what_it_goes_on_from(serve: Serve, api, stream):
    async with serve([model("inside", apis=[api])]) as gateway:
        first = (await gateway.ask("/v1/responses", {"model": "inside", "input": TEXT})).json
        asked = {"model": "inside", "input": "and?", "previous_response_id": first["id"], "stream": stream}
        following = await gateway.ask("/v1/responses", asked)
        told = [event["response"] for event in events_of(following.body) if "response" in event] if stream else [following.json]
        assert len(told) == (3 if stream else 1)
        assert {response["previous_response_id"] for response in told} == {first["id"]}
