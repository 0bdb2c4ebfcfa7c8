"""The configuration without a file, and the file that `pointsman init` writes: the same text."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.defaults import PLACEHOLDER, default_config, render
from pointsman.config.load import load, warnings
from pointsman.config.models import PriorConfig
from pointsman.config.providers import PROVIDERS, STATED_SOURCE
from pointsman.config.servers import PLACES, FoundModel, FoundServer
from pointsman.errors import ConfigError

ALL_KEYS = {name: "sk-1" for provider in PROVIDERS.values() for name in provider.key_variables}
OLLAMA, VLLM = PLACES[0], PLACES[1]
NAME = re.compile(r"[A-Za-z0-9][\w./:@+-]{0,30}", re.ASCII)
SERVERS = (FoundServer(OLLAMA, (FoundModel("qwen3:8b"),)), FoundServer(VLLM, (FoundModel("Qwen/Qwen3-8B", 32_768),)))


def test_without_keys_the_pool_is_local() -> None:
    config, said = default_config({})
    assert [(model.id, model.provider, model.tries, model.perimeter, model.approved) for model in config.models] == [
        ("local-fast", "local", 1, "on_prem", True),
        ("local-careful", "local", 4, "on_prem", True),
    ]
    assert said == []


def test_a_key_adds_its_providers_models_and_says_so() -> None:
    config, said = default_config({"ANTHROPIC_API_KEY": "sk-2", "OPENAI_API_KEY": ""})
    assert [model.id for model in config.models[2:]] == ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]
    assert {model.api_key for model in config.models[2:]} == {"sk-2"}
    assert said == ["ANTHROPIC_API_KEY is set: added claude-opus-5-5, claude-sonnet-5-5, claude-haiku-5-5"]


def test_either_of_a_providers_variables_will_do() -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        config, said = default_config({name: "k"})
        assert config.models[-1].api_key == "k"
        assert said[0].startswith(f"{name} is set: added gemini-")


def test_a_key_for_another_server_is_not_sent_to_the_provider() -> None:
    config, said = default_config({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://proxy.internal/v1"})
    assert {model.provider for model in config.models} == {"local"}
    assert said[0].startswith("OPENAI_API_KEY is set, and so is OPENAI_BASE_URL: ")


def test_an_unusable_key_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="has a space, line break or control character") as caught:
        default_config({"OPENAI_API_KEY": "sk secret"})
    assert "secret" not in str(caught.value)


def test_found_servers_are_added_with_caution() -> None:
    config, said = default_config({}, SERVERS)
    ollama, vllm = config.models[2:]
    assert (ollama.id, ollama.model, ollama.base_url) == ("ollama/qwen3:8b", "qwen3:8b", "http://127.0.0.1:11434/v1")
    assert (ollama.perimeter, ollama.approved, ollama.capabilities.tools, ollama.context_tokens) == ("on_prem", False, False, 4096)
    assert vllm.context_tokens == 32_768
    assert said == [
        "ollama answers at http://127.0.0.1:11434/v1: added ollama/qwen3:8b",
        "vllm answers at http://127.0.0.1:8000/v1: added vllm/Qwen/Qwen3-8B",
    ]


def test_the_default_is_clean_and_keeps_its_promises() -> None:
    config, _ = default_config(ALL_KEYS, SERVERS)
    assert warnings(config) == []
    assert len(config.models) == 2 + sum(len(provider.models) for provider in PROVIDERS.values()) + 2
    assert set(config.routes) == {"auto", "cheap", "best"}
    assert (config.routes["cheap"].dial, config.routes["best"].dial) == (0, 1)
    inside = [policy for policy in config.policies if policy.require and policy.require.perimeter == ("on_prem",)]
    for label in ("restricted", "pii", "phi", "financial", "secret", "credential"):
        assert any(f'"{label}"' in policy.when for policy in inside)
    assert config.rules[0].labels == ("restricted",)


def test_providers_are_outside_unapproved_and_only_guessed_at() -> None:
    config, _ = default_config(ALL_KEYS)
    for model in config.models[2:]:
        assert (model.perimeter, model.approved, model.region) == ("external", False, "")
        prior = model.quality["general"]
        assert isinstance(prior, PriorConfig)
        assert (prior.evidence, prior.source) == (0, STATED_SOURCE)


def test_the_file_is_the_default_and_holds_no_key() -> None:
    text, said = render(ALL_KEYS, SERVERS)
    assert (load(text, "pointsman.yaml", ALL_KEYS), said) == default_config(ALL_KEYS, SERVERS)
    assert "sk-1" not in text
    assert text.startswith("# yaml-language-server: $schema=.pointsman/pointsman.schema.json\n")


def test_the_template_is_a_configuration_by_itself() -> None:
    template = resources.files("pointsman.config").joinpath("template.yaml").read_text(encoding="utf-8")
    assert template.count(PLACEHOLDER) == 1
    assert load(template, "template.yaml", {}) == default_config({})[0]


@settings(deadline=None)
@given(names=st.lists(st.from_regex(NAME, fullmatch=True), min_size=1, max_size=4, unique=True))
def test_any_name_a_server_may_report_survives_the_file(names: list[str]) -> None:
    config, _ = default_config({}, (FoundServer(OLLAMA, tuple(FoundModel(name) for name in names)),))
    assert [model.model for model in config.models[2:]] == names
