"""What a client says is nowhere but where it belongs: with the model that was asked, and in the answer to that client.

Each request carries a word of its own. Looked through are every file of the store (its write-ahead log included), everything logged and
printed, and every answer to anybody else.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.governance.bypasses import APIS, FAULTS, GENEROUS, PATHS, body
from tests.server.conftest import Serve
from tests.server.raw import Answered
from tests.server.served import ONCE, Served, chat, model

PATIENT = {"failures": 1_000_000, "window": 1_000_000, "retry_floor": 0, "slow_factor": 1e9}
POLICIES = [{"name": "inside", "when": '"pii" in labels', "require": {"perimeter": ["on_prem"]}}]
USER = "user"


class Words:
    """Words that nobody else says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self) -> str:
        self.said.append(f"canary{len(self.said):04}zq")
        return self.said[-1]


Sent = dict[str, Any]


def asked(word: str) -> Iterator[Sent]:
    """One request with the word at each place where a client can put one. What is not said goes the usual way."""
    function = {"name": "f", "description": word, "parameters": {"type": "object", "properties": {word: {"description": word}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": word})}}
    turns = [
        {"role": USER, "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": word},
    ]
    picture = f"data:image/png;base64,{base64.b64encode(word.encode()).decode()}"
    for api in APIS:
        yield {"path": PATHS[api], "body": body(api, "ok", word)}
        yield {"path": PATHS[api], "body": body(api, word, "x")}
        yield {"path": PATHS[api], "body": body(api, "ok", "x", user=word, **{f"x_{word}": word})}
        yield {"path": PATHS[api], "body": body(api, "away", word), "x_pointsman_labels": "pii"}
        yield {"path": PATHS[api], "body": json.dumps(body(api, "ok", word)).encode()[:-3]}
        yield {"path": PATHS[api], "body": json.dumps(body(api, "ok", word)).encode() + word.encode()}
        yield {"path": PATHS[api], "body": body(api, "ok", word), "key": None}
        yield {"path": PATHS[api], "body": body(api, "small", word * 2_000)}
        yield {"path": "/v1/explain", "body": body(api, "ok", word), "x_pointsman_api": api}
    yield {"path": "/v1/messages/count_tokens", "body": body("messages", "ok", word)}
    yield {"body": chat("ok", tools=[{"type": "function", "function": function}])}
    yield {"body": {"model": "ok", "messages": turns}}
    yield {"body": {"model": "ok", "messages": [{"role": "system", "content": word}, {"role": USER, "content": "x", "name": word}]}}
    yield {"body": {"model": "ok", "messages": [{"role": USER, "content": [{"type": "image_url", "image_url": {"url": picture}}]}]}}
    yield {"body": {"model": "ok", "messages": [{"role": word, "content": "x"}]}}
    yield {"body": chat("ok", stop=[word], seed=7)}
    yield {"body": chat("not-json", response_format={"type": "json_schema", "json_schema": {"name": word, "schema": {"const": word}}})}
    yield {"body": chat("ok", api_base=f"http://{word}.example/v1")}
    yield {"body": chat("ok", metadata={"api_key": word})}
    yield {"body": chat("ok", metadata={"pointsman_label": word})}
    yield {"body": chat("ok", metadata={"a": [word]})}
    yield {"body": chat("ok", temperature=word)}
    yield {"body": chat("ok", **{word: 1, f"{word}\u0000": 2})}
    yield {"body": f'{{"model":"ok","{word}":1,"{word}":2,"messages":[]}}'.encode()}
    yield {"body": word.encode("utf-16")}
    yield {"body": chat("ok"), "x_pointsman_labels": f"!{word}"}
    yield {"body": chat("ok"), "x_pointsman_task": f"{word} {word}"}
    yield {"body": chat("ok"), "x_pointsman_api": word, "path": "/v1/explain"}
    yield {"body": chat("ok"), "user_agent": word, "cookie": word, "x_anything": word, "referer": f"http://{word}/", "traceparent": word}
    yield {"body": chat("ok"), "key": word}
    yield {"body": chat("ok"), "key": f"pm_{word[:12]}_{word}"}
    yield {"body": chat("ok"), "key": None, "x_api_key": word}
    yield {"body": chat("ok"), "key": None, "authorization": f"Basic {word}"}
    yield {"body": chat("ok"), "idempotency_key": word}
    yield {"body": chat("ok"), "idempotency_key": word * 40}
    yield {"body": chat("error-429"), "idempotency_key": word}
    yield {"body": chat("ok"), "content_encoding": word}
    yield {"body": chat("ok"), "anthropic_version": word, "path": PATHS["messages"]}
    yield {"body": chat("ok"), "path": f"/v1/{word}"}
    yield {"body": chat("ok"), "path": f"/v1/chat/completions?{word}={word}"}
    yield {"path": f"/v1/models/{word}"}
    yield {"path": f"/v1/decisions/{word}"}
    yield {"path": f"/v1/models?after_id={word}", "anthropic_version": "2023-06-01"}
    yield {"body": chat("ok"), "method": word.upper()}
    yield {"path": PATHS["responses"], "body": body("responses", "ok", "x", previous_response_id=word)}
    yield {"path": PATHS["responses"], "body": body("responses", "ok", "x", instructions=word)}
    yield {"path": PATHS["messages"], "body": body("messages", "ok", "x", system=word)}
    for script in FAULTS:
        yield {"body": chat(script, word)}
        yield {"body": chat(script, word, stream=True)}
        yield {"path": PATHS["responses"], "body": body("responses", script, word, stream=True)}
        yield {"path": PATHS["messages"], "body": body("messages", script, word, stream=True)}


async def tried(gateway: Served, sent: Sent) -> Answered | None:
    try:
        return await gateway.ask(sent.pop("path", PATHS["chat"]), sent.pop("body", None), **sent)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def kept(folder: Path) -> bytes:
    """Everything on disk."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def pool() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    generous = {"perimeter": "on_prem", **GENEROUS}
    models = [model(f"in-{script}", script, **generous) for script in FAULTS] + [
        model("away"),
        model("small", **{**generous, "context_tokens": 64}),
    ]
    return models, {script: {"models": [f"in-{script}"], "retry": ONCE} for script in FAULTS}


async def test_the_words_of_a_client_are_nowhere_else(serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    words, requests = Words(), len(list(asked("")))
    models, routes = pool()
    answers: list[Answered | None] = []
    async with serve(models, routes=routes, policies=POLICIES, health=PATIENT) as gateway:
        for at in range(requests):
            answers.append(await tried(gateway, list(asked(words()))[at]))
        await gateway.quiet()
        others = [
            await gateway.ask(path, key=key) for path in ("/livez", "/readyz", "/v1/models", "/metrics", "/nowhere") for key in (None, "x")
        ]
        others += [await gateway.chat("error-500"), await gateway.chat("nothing"), await gateway.ask(body=b"{")]
        others += [await gateway.ask("/v1/explain", chat("ok")), await gateway.ask(PATHS["messages"], b"[")]
        on_disk = kept(gateway.folder)
        decisions = (await gateway.kinds()).count("decision")
    printed = "".join(capfd.readouterr())
    assert requests > 200
    assert decisions > requests / 2
    assert sum(answer is not None and answer.status == 200 for answer in answers) > requests / 4
    for place, text in {"disk": on_disk + kept(gateway.folder), "log": caplog.text.encode(), "output": printed.encode()}.items():
        assert b"in-error-429" in text or place == "output"
        assert not found(words, text), place
    for answer, own in zip(answers, words.said, strict=True):
        if answer is not None:
            assert found(words, seen(answer)) <= {own}
    assert not any(found(words, seen(answer)) for answer in others)


def seen(answer: Answered) -> bytes:
    return answer.body + json.dumps(answer.headers).encode()


def found(words: Words, text: bytes) -> set[str]:
    """Words that occur in it, also as base64."""
    if b"canary" not in text and base64.b64encode(b"canary")[:8] not in text:
        return set()
    return {word for word in words.said if word.encode() in text or base64.b64encode(word.encode())[:12] in text}


@pytest.mark.parametrize(
    ("sent", "on_disk"),
    [
        ({"body": chat("ok", "WORD")}, False),
        # Said to be recorded as they are
        ({"body": chat("ok", metadata={"run": "WORD"})}, True),
        ({"body": chat("ok", tools=[{"type": "function", "function": {"name": "WORD"}}])}, True),
        ({"body": chat("ok"), "x_pointsman_task": "WORD"}, True),
        ({"body": chat("ok"), "x_pointsman_labels": "WORD"}, True),
        # An answer that may be asked for again is kept; the script repeats what it was asked.
        ({"body": chat("ok", "WORD"), "idempotency_key": "k"}, True),
    ],
)
async def test_what_is_recorded_is_what_the_manual_says(serve: Serve, sent, on_disk):
    models, routes = pool()
    async with serve(models, routes=routes) as gateway:
        answer = await tried(gateway, dict(sent))
        assert answer is not None
        assert answer.status == 200
        await gateway.quiet()
    assert (b"WORD" in kept(gateway.folder)) is on_disk


async def test_a_key_opens_where_keys_belong_and_nowhere_else(serve: Serve):
    """Not in the URL, where proxies would log it; not in a cookie, which a foreign page could have sent along."""
    async with serve() as gateway:
        key = await gateway.key()
        for path in (f"/v1/models?key={key}", f"/v1/models?api_key={key}", f"/v1/models?access_token={key}", f"/v1/models#{key}"):
            assert (await gateway.ask(path, key=None)).status == 401
        for name in ("cookie", "proxy_authorization", "x_auth_token", "api_key", "x_forwarded_authorization", "referer"):
            for value in (key, f"Bearer {key}", f"key={key}", f"authorization=Bearer {key}"):
                assert (await gateway.ask("/v1/models", key=None, **{name: value})).status == 401, name
        for answer in [await gateway.ask("/v1/models", key=key), await gateway.ask("/v1/models", key=None, x_api_key=key)]:
            assert answer.status == 200
            assert "set-cookie" not in answer.headers
