"""A gateway in front of Claude on Vertex AI: Messages, with a token of Google's."""

from __future__ import annotations

import importlib.util
import json

import pytest

from tests.server.conftest import Serve
from tests.server.served import PRICE
from tests.upstream.test_signed import Asked, account, server

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("google") and importlib.util.find_spec("google.auth")), reason="needs the extra `google` (google-auth)"
)

MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "forty-two"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 7, "cache_read_input_tokens": 90, "output_tokens": 3},
}  # fmt: skip
EVENTS = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "forty-two"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
STREAM = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS)


def reply(asked: Asked) -> tuple[int, bytes]:
    if asked.path == "/token":
        return 200, json.dumps({"access_token": "ya29", "expires_in": 3_600, "token_type": "Bearer"}).encode()
    if asked.path.endswith("claude-old:rawPredict"):
        return 404, b'{"error": {"code": 404, "message": "Publisher Model was not found.", "status": "NOT_FOUND"}}'
    return 200, STREAM if asked.path.endswith(":streamRawPredict") else json.dumps(MESSAGE).encode()


async def test_it_answers_clients_of_chat_and_of_messages(serve: Serve, monkeypatch, tmp_path):
    async with server(reply) as (url, asked):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account(tmp_path, f"{url}/token")))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        place = f"{url}/v1/projects/p/locations/europe-west1"
        shared = {"provider": "vertex", "base_url": place, "region": "europe-west1", "price": PRICE}
        pool = [{"id": "claude", "model": "claude-sonnet-4-5@20250929", **shared}, {"id": "old", "model": "claude-old", **shared}]
        async with serve(pool) as gateway:
            whole = await gateway.chat("claude", "what?")
            assert whole.json["choices"][0]["message"]["content"] == "forty-two"
            assert whole.json["usage"]["prompt_tokens_details"]["cached_tokens"] == 90
            assert (await gateway.chat("claude", "what?", stream=True)).text == "forty-two"
            body = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "what?"}]}
            assert (await gateway.ask("/v1/messages", body, anthropic_beta="b-1")).json == MESSAGE
            assert (await gateway.chat("old", "what?")).status == 502
    calls = [call for call in asked if call.path != "/token"]
    assert [call.path.rpartition(":")[2] for call in calls] == ["rawPredict", "streamRawPredict", "rawPredict", "rawPredict"]
    assert {call.headers["authorization"] for call in calls} == {"Bearer ya29"}
    assert all(json.loads(call.body)["anthropic_version"] == "vertex-2023-10-16" for call in calls)
    assert [call.headers.get("anthropic-beta") for call in calls] == [None, None, "b-1", None]
