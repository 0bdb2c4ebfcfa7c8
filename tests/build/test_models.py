"""Which APIs a model speaks: stated, or as its provider usually does."""

from __future__ import annotations

import pytest

from pointsman.build.endpoints import Engines, endpoints
from pointsman.build.models import apis_of
from pointsman.config.models import ModelConfig
from pointsman.upstream.client import Timeouts
from pointsman.upstream.http import Pool

ELSEWHERE = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("model", "apis"),
    [
        ({"provider": "openai"}, ("chat", "responses")),
        ({"provider": "anthropic"}, ("messages",)),
        ({"provider": "mistral"}, ("chat",)),
        ({"provider": "local", "weights": "w"}, ("chat",)),
        ({"provider": "openai-compatible", "base_url": ELSEWHERE}, ("chat",)),
        ({"provider": "a-new-one", "base_url": ELSEWHERE}, ("chat",)),
        # Another server under a provider's name speaks its first API, and maybe no more.
        ({"provider": "openai", "base_url": ELSEWHERE}, ("chat",)),
        ({"provider": "anthropic", "base_url": ELSEWHERE}, ("messages",)),
        # A model whose name says that it embeds does nothing else.
        ({"provider": "openai", "model": "text-embedding-3-small"}, ("embeddings",)),
        ({"provider": "openai-compatible", "base_url": ELSEWHERE, "id": "nomic-Embed-text"}, ("embeddings",)),
        ({"provider": "openai", "id": "embedder", "model": "gpt-5.2"}, ("chat", "responses")),  # the provider's name for it counts
        # What is stated holds, whatever else would follow.
        ({"provider": "openai", "apis": ("completions",)}, ("completions",)),
        ({"provider": "openai", "model": "text-embedding-3-small", "apis": ("chat",)}, ("chat",)),
        ({"provider": "openai-compatible", "base_url": ELSEWHERE, "apis": ("messages", "chat")}, ("messages", "chat")),
    ],
)
def test_a_model_speaks_what_is_stated_or_what_its_provider_usually_does(model, apis):
    config = ModelConfig(**{"id": "m", **model})
    assert apis_of(config) == apis
    if config.provider != "local":
        assert endpoints([config], Engines(), Pool())[model.get("id", "m")].apis == apis


def test_the_clocks_of_a_call_are_those_of_its_model():
    plain = ModelConfig(id="plain", provider="openai")
    hasty = ModelConfig(id="hasty", provider="openai", timeout_s=30, first_token_timeout_s=5, idle_timeout_s=2)
    found = endpoints([plain, hasty], Engines(), Pool())
    assert (found["plain"].timeouts, found["hasty"].timeouts) == (Timeouts(), Timeouts(30, 5, 2))
