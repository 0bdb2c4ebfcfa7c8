"""The egress client: no call without a clearance, a request in words its model knows, and no secret in what comes back."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping

import pytest

from pointsman.core.apis import Api
from pointsman.core.clearance import Clearance
from pointsman.core.decide import decide
from pointsman.core.model import Model
from pointsman.core.request import Caller, Request
from pointsman.core.signals import Signals
from pointsman.errors import ClearanceError, UpstreamRefused
from pointsman.testing.upstream import ScriptedUpstream
from pointsman.upstream.client import Egress, Endpoint, Timeouts
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.wire.request import parse_request
from tests.worlds import snapshot

ASKED = {"role": "user", "content": "hi"}
CHAT = {"model": "auto", "messages": [ASKED]}
MESSAGES = {"model": "auto", "messages": [ASKED], "max_tokens": 100}
RESPONSES = {"model": "auto", "input": "hi"}


def request(body: Mapping[str, object] = CHAT, api: Api = "chat", id: str = "one", **headers: str) -> Request:
    return parse_request(json.dumps(body).encode(), id, Caller(), headers, api=api)


def cleared(made: Request, name: str = "a") -> Clearance:
    world = snapshot([Model(name)])
    return decide(made, Signals(), world, world.routes["auto"], 0).clear(name)


def writer(*apis: Api) -> Egress:
    return Egress({"a": Endpoint(None, "their-name", apis=apis)})


def test_nothing_goes_out_without_a_clearance_for_this_request():
    async def attempts() -> int:
        async with ScriptedUpstream() as upstream:
            egress = Egress({"a": Endpoint(HttpTransport(upstream.base_url, Pool()), "ok")})
            other = request(id="two")
            for given in (None, "a", object(), cleared(request())):
                with pytest.raises(ClearanceError):
                    await egress.call(given, other, egress.write("a", other))
            await egress.aclose()
            return len(upstream.ledger)

    assert asyncio.run(attempts()) == 0


@pytest.mark.parametrize(("key", "cure"), [("", "it has no `api_key`: set one"), ("k", "its `api_key` is not accepted: set another")])
async def test_the_log_tells_the_cure_once_where_a_key_is_not_accepted(caplog, key, cure):
    async with ScriptedUpstream() as upstream:
        egress = Egress({"a": Endpoint(HttpTransport(upstream.base_url, Pool()), "error-401", key)})
        for each in ("one", "two"):
            made = request(id=each)
            reply = await egress.call(cleared(made), made, egress.write("a", made))
            assert reply.status == 401
            await reply.aclose()
        await egress.aclose()
    assert caplog.messages == [f"`a` does not accept who calls (status 401): {cure}, or see `auth` in docs/apis.md"]


def test_the_key_and_the_address_are_taken_out_of_errors():
    endpoint = Endpoint(None, "m", "sk-provider-key", address="https://gpu-7.internal:8443/v1")
    error = UpstreamRefused(
        "bad key sk-provider-key at https://gpu-7.internal:8443/v1",
        status=400,
        fault="malformed",
        type="sk-provider-key",
        code="gpu-7.internal:8443",
        param="sk-provider-key",
    )
    Egress({"a": endpoint}).redact("a", error)
    said = f"{error} {error.message} {error.type} {error.code} {error.param}"
    assert "sk-provider-key" not in said
    assert "gpu-7" not in said


def test_keys_and_addresses_are_in_no_representation():
    endpoint = Endpoint(None, "m", "sk-provider-key", address="https://gpu-7.internal:8443/v1")
    assert "sk-provider-key" not in repr(endpoint)
    assert "gpu-7" not in repr(endpoint)


@pytest.mark.parametrize(
    ("api", "body", "sent"),
    [
        ("chat", {**CHAT, "seed": 7, "unheard_of": {"a": [1.5, None]}}, {"seed": 7, "unheard_of": {"a": [1.5, None]}}),
        ("chat", {**CHAT, "stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ("messages", {**MESSAGES, "top_k": 5, "unheard_of": 1}, {"top_k": 5, "unheard_of": 1, "max_tokens": 100}),
        ("messages", {**MESSAGES, "stream": True}, {"stream": True, "max_tokens": 100}),
        ("responses", {**RESPONSES, "reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
        ("completions", {"model": "auto", "prompt": "hi", "echo": True}, {"echo": True, "prompt": "hi"}),
        ("embeddings", {"model": "auto", "input": ["a", "b"], "dimensions": 8}, {"input": ["a", "b"], "dimensions": 8}),
    ],
)
def test_to_a_model_that_speaks_the_clients_api_every_field_travels_on(api, body, sent):
    made = request(body, api)
    before = copy.deepcopy(dict(made.content.body))
    letter = writer("chat", "responses", "messages", "completions", "embeddings").write("a", made)
    assert (letter.api, letter.dropped) == (api, ())
    written = json.loads(letter.body)
    assert written["model"] == "their-name"
    assert {name: written[name] for name in sent} == sent
    added = {"stream_options"} if api == "chat" and body.get("stream") else {"store"} if api == "responses" else set()
    assert set(body) <= set(written) <= set(body) | added
    assert made.content.body == before, "what was asked is not changed by asking it"


@pytest.mark.parametrize(
    ("apis", "api", "body", "spoken", "there"),
    [
        (("messages",), "chat", CHAT, "messages", lambda sent: (sent["messages"][0]["role"], sent["max_tokens"] > 0) == ("user", True)),
        (("responses",), "chat", CHAT, "responses", lambda sent: sent["input"] == [ASKED]),
        (("chat",), "messages", {**MESSAGES, "system": "be brief"}, "chat", lambda sent: sent["messages"][0]["content"] == "be brief"),
        (("chat",), "responses", RESPONSES, "chat", lambda sent: sent["messages"] == [ASKED]),
        (("chat",), "completions", {"model": "auto", "prompt": "hi"}, "chat", lambda sent: sent["messages"] == [ASKED]),
        (("responses",), "messages", MESSAGES, "responses", lambda sent: sent["max_output_tokens"] == 100),
        (("messages",), "responses", {**RESPONSES, "max_output_tokens": 9}, "messages", lambda sent: sent["max_tokens"] == 9),
        # Of several the first that can say everything.
        (("messages", "chat"), "responses", RESPONSES, "messages", lambda sent: "messages" in sent),
        (("messages", "chat"), "completions", {"model": "auto", "prompt": "hi", "n": 2}, "chat", lambda sent: sent["n"] == 2),
        (("responses", "messages"), "chat", {**CHAT, "stop": ["x"]}, "messages", lambda sent: sent["stop_sequences"] == ["x"]),
    ],
)
def test_another_api_is_translated_into(apis, api, body, spoken, there):
    letter = writer(*apis).write("a", request(body, api))
    assert letter.api == spoken
    sent = json.loads(letter.body)
    assert sent["model"] == "their-name"
    assert there(sent), sent


@pytest.mark.parametrize(
    ("apis", "api", "body", "dropped"),
    [
        (("messages",), "chat", CHAT, ()),
        (("messages",), "chat", {**CHAT, "seed": 1, "logit_bias": {"5": 1}}, ("logit_bias", "seed")),
        (("responses",), "chat", {**CHAT, "seed": 1}, ("seed",)),
        (("chat",), "messages", {**MESSAGES, "top_k": 5}, ("top_k",)),
        (("responses",), "messages", {**MESSAGES, "top_k": 5}, ("top_k",)),  # lost on the way there or from there: named once
        (("messages",), "completions", {"model": "auto", "prompt": "hi", "seed": 1}, ("seed",)),
    ],
)
def test_what_is_lost_in_translation_is_named(apis, api, body, dropped):
    letter = writer(*apis).write("a", request(body, api))
    assert tuple(sorted(letter.dropped)) == dropped
    sent = json.loads(letter.body)
    assert not set(dropped) & set(sent)


def test_our_own_metadata_stays_here():
    for api, body in (("chat", CHAT), ("messages", MESSAGES), ("responses", RESPONSES)):
        for apis in (("chat",), ("messages",), ("responses",)):
            made = request({**body, "metadata": {"pointsman_labels": "pii", **({} if api == "messages" else {"team": "a"})}}, api)
            assert made.labels == ("pii",)
            assert b"pointsman" not in writer(*apis).write("a", made).body


@pytest.mark.parametrize(("apis", "features"), [(("embeddings",), ()), (("messages",), ("n",)), ((), ())])
def test_what_a_gate_should_have_refused_is_not_written(apis, features):
    made = request({**CHAT, "n": 2} if features else CHAT)
    assert made.features == features
    with pytest.raises(ValueError, match="cannot be asked in any API"):
        writer(*apis).write("a", made)


def test_a_request_read_from_a_record_cannot_be_sent():
    with pytest.raises(ValueError, match="no content to send"):
        writer("chat").write("a", Request("one", "auto"))


def test_a_letter_goes_to_its_api_with_the_headers_of_it_and_no_others():
    async def sent() -> list[tuple[str, dict[str, str]]]:
        async with ScriptedUpstream() as upstream:
            endpoint = Endpoint(HttpTransport(upstream.base_url, Pool()), "ok", "sk-provider-key", apis=("chat", "messages", "responses"))
            egress = Egress({"a": endpoint})
            said = {
                "anthropic_beta": "b",
                "anthropic_version": "2024-01-01",
                "cookie": "c",
                "x_api_key": "theirs",
                "authorization": "theirs",
            }
            for api, body in (("chat", CHAT), ("messages", MESSAGES), ("responses", RESPONSES)):
                headers = {name.replace("_", "-"): value for name, value in said.items()}
                made = parse_request(json.dumps(body).encode(), "one", Caller(), headers, api=api)
                reply = await egress.call(cleared(made), made, egress.write("a", made))
                assert reply.status == 200
                assert b"".join([chunk async for chunk in reply.body])
                await reply.aclose()
            await egress.aclose()
            return [(exchange.url_path, dict(exchange.headers)) for exchange in upstream.ledger]

    usual = {"host", "user-agent", "accept-encoding", "content-length", "content-type", "accept"}
    (chat, chat_headers), (messages, messages_headers), (responses, responses_headers) = asyncio.run(sent())
    assert (chat, messages, responses) == ("/v1/chat/completions", "/v1/messages", "/v1/responses")
    assert set(chat_headers) == set(responses_headers) == usual | {"authorization"}
    assert chat_headers["authorization"] == "Bearer sk-provider-key"
    assert set(messages_headers) == usual | {"anthropic-version", "anthropic-beta", "x-api-key"}
    assert messages_headers["x-api-key"] == "sk-provider-key"
    assert (messages_headers["anthropic-version"], messages_headers["anthropic-beta"]) == ("2024-01-01", "b")


def test_a_models_clocks_are_known():
    assert Egress({"a": Endpoint(None, "m", timeouts=Timeouts(1, 2, 3))}).timeouts("a") == Timeouts(1, 2, 3)
