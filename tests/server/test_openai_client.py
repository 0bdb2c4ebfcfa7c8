"""The official client meets the gateway: what it sends is understood, what it gets is what it expects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pointsman.server.app import Limits
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, Served, model

openai = pytest.importorskip("openai", reason="the official client is a development dependency")

ASK = [{"role": "user", "content": "one two three"}]
SCRIPTS = (
    "ok",
    "no-usage",
    "cut-after-0",
    "error-400",
    "error-401",
    "error-429",
    "error-500",
    "cut-after-3",
    "fin-after-3",
    "error-event-after-3",
    "malformed-after-3",
)
ONCE_EACH = {"limited": "error-429", "broken": "error-500", "cut": "cut-after-0"}
"""Routes to models that are not asked again, which would take the seconds that they ask for."""


@asynccontextmanager
async def client_of(gateway: Served, key: str = OPERATOR) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=key, max_retries=0, timeout=20) as client:
        yield client


@asynccontextmanager
async def meeting(serve: Serve) -> AsyncIterator[tuple[Served, openai.AsyncOpenAI]]:
    pool = [model(script, script) for script in SCRIPTS]
    policy = {"name": "no", "when": "'pii' in labels", "forbid": {"perimeter": ["external"]}}
    routes = {name: {"models": [script], "retry": ONCE} for name, script in ONCE_EACH.items()}
    async with (
        serve(pool, policies=[policy], routes=routes, limits=Limits(max_body_bytes=200_000)) as gateway,
        client_of(gateway) as client,
    ):
        yield gateway, client


async def test_plain(serve: Serve):
    async with meeting(serve) as (_, client):
        raw = await client.chat.completions.with_raw_response.create(model="ok", messages=ASK)
        answer = raw.parse()
        assert answer.choices[0].message.content == "one two three"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens == 6
        assert answer._request_id == raw.headers["x-request-id"] == raw.headers["x-pointsman-decision-id"]
        assert raw.headers["x-pointsman-model"] == "ok"


@pytest.mark.parametrize("usage", [False, True])
async def test_streamed(serve: Serve, usage):
    async with meeting(serve) as (_, client):
        options = {"stream_options": {"include_usage": True}} if usage else {}
        chunks = [chunk async for chunk in await client.chat.completions.create(model="ok", messages=ASK, stream=True, **options)]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
        assert len({(chunk.id, chunk.model, chunk.created, chunk.object) for chunk in chunks}) == 1
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([3] if usage else [])
        assert (chunks[-1].choices == []) is usage


async def test_streams_can_be_left(serve: Serve):
    async with serve([model("slow", "stall-after-3")]) as gateway, client_of(gateway) as client:
        async with await client.chat.completions.create(model="slow", messages=ASK, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        await gateway.quiet()
        assert [outcome.status for outcome in await gateway.outcomes()] == ["aborted"]


@pytest.mark.parametrize("script", ["cut-after-3", "fin-after-3", "error-event-after-3", "malformed-after-3"])
async def test_a_broken_stream_is_raised(serve: Serve, script):
    async with meeting(serve) as (gateway, client):
        gateway.upstream.hold_faults = True
        said = ""
        with pytest.raises(openai.APIError) as raised:
            async for chunk in await client.chat.completions.create(model=script, messages=ASK, stream=True):
                said += chunk.choices[0].delta.content or ""
                gateway.upstream.release.set()
        assert "one two three".startswith(said)
        assert raised.value.body["message"]


@pytest.mark.parametrize(
    ("request_", "kind", "code"),
    [
        ({"model": "unheard-of"}, openai.NotFoundError, "model_not_found"),
        ({"model": "error-400"}, openai.BadRequestError, "scripted_400"),
        ({"model": "error-401"}, openai.InternalServerError, "upstream_refused"),
        ({"model": "limited"}, openai.RateLimitError, "scripted_429"),
        ({"model": "broken"}, openai.InternalServerError, "scripted_500"),
        ({"model": "cut"}, openai.InternalServerError, "upstream_error"),
        ({"model": "ok", "temperature": 3}, openai.BadRequestError, None),
        ({"model": "ok", "extra_body": {"api_base": "http://x"}}, openai.BadRequestError, None),
        ({"model": "ok", "extra_headers": {"x-pointsman-labels": "pii"}}, openai.PermissionDeniedError, "policy_denied"),
        ({"model": "ok", "metadata": {"pointsman_labels": "pii"}}, openai.PermissionDeniedError, "policy_denied"),
        ({"model": "ok", "messages": [{"role": "user", "content": "x" * 300_000}]}, openai.APIStatusError, "request_too_large"),
        ({"model": "ok", "messages": [{"role": "user", "content": "word " * 30_000}]}, openai.BadRequestError, "context_length_exceeded"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_errors_become_the_clients_own(serve: Serve, request_, kind, code, stream):
    async with meeting(serve) as (_, client):
        with pytest.raises(kind) as raised:
            await client.chat.completions.create(**{"messages": ASK, "stream": stream, **request_})
        assert raised.value.code == code
        assert raised.value.body["message"]
        if code == "request_too_large":
            assert raised.value.status_code == 413
        if code == "scripted_429":
            assert raised.value.response.headers["retry-after"] == "7"


async def test_a_wrong_key_is_an_authentication_error(serve: Serve):
    async with serve() as gateway, client_of(gateway, "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            await client.chat.completions.create(model="inside", messages=ASK)
        assert raised.value.code == "invalid_api_key"


async def test_models_are_listed_and_looked_up(serve: Serve):
    async with meeting(serve) as (_, client):
        assert [entry.id async for entry in client.models.list()] == [*ONCE_EACH, *SCRIPTS]
        assert (await client.models.retrieve("ok")).owned_by == "openai-compatible"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("unheard-of")
