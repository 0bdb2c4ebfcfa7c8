"""Model servers found on this machine. What they answer is a stranger's text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.servers import PLACES, FoundModel, found_servers, parse_models

OLLAMA, VLLM, LLAMA_CPP, LM_STUDIO = PLACES


def answer(*entries: object) -> bytes:
    return json.dumps({"object": "list", "data": entries}).encode()


def test_places_are_asked_by_their_address() -> None:
    asked: list[str] = []
    assert found_servers(lambda url: asked.append(url)) == ()
    assert asked == [f"http://127.0.0.1:{port}/v1/models" for port in (11434, 8000, 8080, 1234)]


def test_our_own_port_is_not_asked() -> None:
    asked: list[str] = []
    found_servers(lambda url: asked.append(url), except_ports=(8080,))
    assert not any(":8080/" in url for url in asked)


def test_a_server_without_models_is_not_one() -> None:
    assert found_servers(lambda url: answer()) == ()


@pytest.mark.parametrize(
    ("place", "entry", "models"),
    [
        pytest.param(OLLAMA, {"id": "qwen3:8b", "owned_by": "library"}, (FoundModel("qwen3:8b"),), id="ollama"),
        pytest.param(
            VLLM, {"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "max_model_len": 40960}, (FoundModel("Qwen/Qwen3-8B", 40960),), id="vllm"
        ),
        pytest.param(LLAMA_CPP, {"id": "m.gguf", "owned_by": "llamacpp", "meta": {}}, (FoundModel("m.gguf"),), id="llama.cpp"),
        pytest.param(LM_STUDIO, {"id": "qwen/qwen3-4b"}, (FoundModel("qwen/qwen3-4b"),), id="lm studio"),
        pytest.param(VLLM, {"id": "gpt-4o", "owned_by": "openai"}, (), id="a proxy on vllm's port"),
        pytest.param(LLAMA_CPP, {"id": "auto", "owned_by": "pointsman"}, (), id="another pointsman"),
        pytest.param(OLLAMA, {"id": "auto", "owned_by": "pointsman"}, (), id="another pointsman on ollama's port"),
        pytest.param(OLLAMA, {"id": "gpt-oss:120b-cloud", "owned_by": "library"}, (), id="ollama's cloud"),
        pytest.param(OLLAMA, {"id": "glm-5.2:cloud", "owned_by": "library"}, (), id="ollama's cloud, newer spelling"),
        pytest.param(OLLAMA, {"id": "nomic-embed-text"}, (), id="embeddings"),
        pytest.param(OLLAMA, {"id": "${HOME}"}, (), id="a variable"),
        pytest.param(OLLAMA, {"id": "x\n  api_key: y"}, (), id="yaml"),
        pytest.param(OLLAMA, {"id": 7}, (), id="a number"),
        pytest.param(VLLM, {"id": "m", "owned_by": "vllm", "max_model_len": "long"}, (FoundModel("m"),), id="a strange length"),
        pytest.param(VLLM, {"id": "m", "owned_by": "vllm", "max_model_len": True}, (FoundModel("m"),), id="a boolean length"),
        pytest.param(OLLAMA, "qwen", (), id="not an object"),
    ],
)
def test_models(place: object, entry: object, models: tuple[FoundModel, ...]) -> None:
    assert parse_models(answer(entry), place) == models  # type: ignore[arg-type]


def test_a_model_named_twice_is_one() -> None:
    assert parse_models(answer({"id": "a"}, {"id": "a"}), OLLAMA) == (FoundModel("a"),)


def test_a_long_list_is_cut() -> None:
    assert len(parse_models(answer(*({"id": f"m{n}"} for n in range(500))), OLLAMA)) == 8


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"data": {}}', b'{"data": null}', b"[" * 100_000, b"\xff"])
def test_other_answers_are_no_models(body: bytes) -> None:
    assert parse_models(body, OLLAMA) == ()


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda v: st.lists(v, max_size=3), max_leaves=5)


@settings(deadline=None)
@given(entries=st.lists(values | st.dictionaries(st.sampled_from(["id", "owned_by", "max_model_len", "x"]), values)))
def test_no_answer_is_an_error(entries: list[object]) -> None:
    for place in PLACES:
        for model in parse_models(answer(*entries), place):
            assert model.name
            assert model.context_tokens is None or model.context_tokens > 0
