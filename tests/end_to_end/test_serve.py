"""The product as a user meets it: a process, a real local model, the official client."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest

from pointsman.testing.upstream import ScriptedUpstream
from tests.end_to_end.running import Running, served

pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")
pytestmark = pytest.mark.xdist_group("local-model")

CONFIG = """
version: 1
models:
  - {id: local-fast, provider: local, weights: smollm2-135m, perimeter: on_prem, context_tokens: 2048, tokenizer: smollm2,
     capabilities: {tools: false}, price: {gpu_second: 0.00001}, quality: {general: 0.3}}
  - {id: local-careful, provider: local, weights: smollm2-135m, tries: 3, perimeter: on_prem, context_tokens: 2048, tokenizer: smollm2,
     capabilities: {tools: false}, price: {gpu_second: 0.00001}, speed: {ms_per_output_token: 45}, quality: {general: 0.4}}
  - {id: elsewhere, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {input: 1, output: 1}, quality: {general: 0.99}}
keywords: {marked: [internal only]}
rules:
  - {name: marked texts, when: '"marked" in signals.keywords', labels: [restricted]}
policies:
  - {name: stays inside, when: '"restricted" in labels', require: {perimeter: [on_prem]}}
routes:
  auto: {models: [local-fast, local-careful], dial: 0}
  anywhere: {dial: 1}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "pointsman.yaml").write_text(CONFIG)
    with served(folder) as running:
        yield running


def get(url: str, key: str | None = None) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


ASK = [{"role": "user", "content": "What is the capital of France?"}]


def test_a_chat_is_answered_by_the_model_that_was_chosen_and_explained(running):
    raw = running.client.chat.completions.with_raw_response.create(model="auto", messages=ASK, max_tokens=12)
    answer = raw.parse()
    assert answer.choices[0].message.content.strip()
    assert raw.headers["x-pointsman-model"] == "local-fast"
    assert float(raw.headers["x-pointsman-cost-usd"]) > 0
    assert float(raw.headers["x-pointsman-overhead-ms"]) >= 0
    decision = raw.headers["x-pointsman-decision-id"]

    status, shown = get(f"{running.url}/v1/decisions/{decision}", running.key)
    assert (status, shown["model"]) == (200, "local-fast")
    assert [c["model"] for c in shown["candidates"]] == ["local-fast", "local-careful"]
    assert shown["calls"][0]["usage"]["output_tokens"] == answer.usage.completion_tokens

    told = running.cli("explain", "--decision", decision)
    assert told.returncode == 0, told.stderr
    assert "`local-fast` scores" in told.stdout
    assert "1. local-fast  ok" in told.stdout


def test_a_streamed_chat_arrives_in_pieces_with_usage(running):
    stream = running.client.chat.completions.create(
        model="local-careful", messages=ASK, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).strip()
    assert len(chunks) > 3
    assert chunks[-1].usage.completion_tokens > 0


def test_a_request_with_a_marked_word_stays_inside(running):
    marked = [{"role": "user", "content": "INTERNAL  ONLY: what is the capital of France?"}]
    raw = running.client.chat.completions.with_raw_response.create(model="anywhere", messages=marked, max_tokens=5)
    assert raw.headers["x-pointsman-model"] == "local-careful"
    with pytest.raises(openai.PermissionDeniedError, match="policy `stays inside` requires `on_prem`") as refused:
        running.client.chat.completions.create(model="elsewhere", messages=marked, max_tokens=5)
    assert refused.value.code == "policy_denied"


def test_the_log_holds_no_prompt_and_its_chain_holds(running):
    running.client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Xylophonic?"}], max_tokens=1)
    verified = running.cli("audit", "verify")
    assert verified.returncode == 0
    assert "the chain holds" in verified.stdout
    for file in (running.folder / ".pointsman").iterdir():
        assert b"Xylophonic" not in file.read_bytes()


def test_health_needs_no_key_and_the_rest_does(running):
    assert get(f"{running.url}/livez")[0] == 200
    assert get(f"{running.url}/readyz")[0] in (200, 503)
    status, error = get(f"{running.url}/v1/models")
    assert (status, error["error"]["code"]) == (401, "invalid_api_key")
    assert running.key not in (running.folder / ".pointsman" / "pointsman.db").read_bytes().decode("latin-1")


def test_a_dry_run_decides_alike_and_calls_nothing(running):
    body = json.dumps({"model": "auto", "messages": ASK}).encode()
    request = urllib.request.Request(f"{running.url}/v1/explain", body, {"authorization": f"Bearer {running.key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        shown = json.load(answer)
    assert (shown["model"], shown["calls"]) == ("local-fast", [])
    assert get(f"{running.url}/v1/decisions/{shown['id']}", running.key)[0] == 404
    assert running.cli("explain", "--json", ASK[0]["content"]).stdout.count('"local-careful"') >= 1


def test_the_key_is_shown_once(running):
    with served(running.folder) as again:
        assert "made earlier" in again.said
        assert "pm_" not in again.said


def test_a_model_behind_http_is_called_by_the_real_process(tmp_path):
    async def asked() -> tuple[list[str], list[str]]:
        async with ScriptedUpstream() as upstream:
            (tmp_path / "pointsman.yaml").write_text(
                f"""
version: 1
models:
  - {{id: broken, provider: openai-compatible, model: error-503, base_url: "{upstream.base_url}", quality: {{general: 0.9}}}}
  - {{id: sound, provider: openai-compatible, model: ok, base_url: "{upstream.base_url}", api_key: sk-upstream-key, quality: {{general: 0.5}}}}
routes:
  auto: {{dial: 1, plan: fallback, retry: {{base_s: 0.001}}}}
"""
            )
            with served(tmp_path) as running:
                return await asyncio.to_thread(talk, running), [call.model for call in upstream.ledger]

    def talk(running: Running) -> list[str]:
        create = running.client.chat.completions.create
        whole = create(model="auto", messages=ASK)
        streamed = create(model="auto", messages=ASK, stream=True)
        return [whole.choices[0].message.content, "".join(c.choices[0].delta.content or "" for c in streamed if c.choices)]

    said, called = asyncio.run(asked())
    assert all(said)
    assert called == ["error-503", "error-503", "ok"] * 2
