"""Fields that a model refuses never reach it, over HTTP; the list of models in two shapes."""

from __future__ import annotations

import json

import pytest

from tests.server.conftest import Serve
from tests.server.served import chat, model


@pytest.mark.parametrize("api", ["chat", "messages"])
async def test_what_a_model_refuses_is_left_out_and_told(serve: Serve, api):
    async with serve([model("inside", apis=[api], refuses=["temperature", "max_tokens", "stop"])]) as gateway:
        answer = await gateway.ask(body=chat("inside", temperature=0.2, max_tokens=50))
        assert (answer.status, answer.headers["x-pointsman-dropped"]) == (200, "temperature")
        refused = await gateway.ask(body=chat("inside", stop=["x"]))
        assert (refused.status, "refuses stop" in refused.error["message"]) == (400, True)
        sent = gateway.ledger[0].body
        sent = json.loads(sent) if isinstance(sent, (bytes, str)) else sent
        assert "temperature" not in sent
        assert ("max_tokens" in sent, "max_completion_tokens" in sent) == ((False, True) if api == "chat" else (True, False))


async def test_clients_of_anthropic_see_its_list(serve: Serve):
    async with serve([model("a"), model("b")], routes={"ab": {"models": ["a", "b"]}}) as gateway:
        page = (await gateway.ask("/v1/models?limit=2", anthropic_version="2023-06-01")).json
        assert [(entry["type"], entry["id"]) for entry in page["data"]] == [("model", "ab"), ("model", "a")]
        assert (page["has_more"], page["last_id"]) == (True, "a")
        one = (await gateway.ask("/v1/models/a", anthropic_version="2023-06-01")).json
        assert one == page["data"][1]
        assert (await gateway.ask("/v1/models")).json["object"] == "list"
