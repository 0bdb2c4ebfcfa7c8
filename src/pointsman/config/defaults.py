"""The configuration when there is no file, and the file that `pointsman init` writes: one text, `template.yaml`, filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import resources
from typing import Final

from pointsman.config.load import load
from pointsman.config.models import CapabilitiesConfig
from pointsman.config.providers import PROVIDERS, STATED_QUALITY, STATED_SOURCE, KnownModel, KnownProvider
from pointsman.config.schema import Config
from pointsman.config.servers import FoundModel, FoundServer

NAME: Final = "default configuration"  #: what errors call it
PLACEHOLDER: Final = "  # {{models}}\n"

#: What local servers cut prompts to unless told otherwise; a larger guess would lose the beginning of a conversation silently.
_CAUTIOUS_CONTEXT_TOKENS = 4096
_GUESSED_PRICE = '{gpu_second: 0.0001, source: "stated: a guess, write what a second of this machine costs"}'
_OUR_KEYS = "pm_"  # what gateway keys begin with: clients of ours may have put one where the provider's belongs


def default_config(env: Mapping[str, str], servers: Sequence[FoundServer] = ()) -> tuple[Config, list[str]]:
    """The configuration for this environment, and sentences that say what was added and why. Raises ConfigError for an unusable key.

    >>> config, said = default_config({"OPENAI_API_KEY": "sk-1"})
    >>> [model.id for model in config.models], said
    (['local-fast', 'local-careful', 'gpt-5.2', 'gpt-5-mini'], ['OPENAI_API_KEY is set: added gpt-5.2, gpt-5-mini'])
    """
    text, said = render(env, servers)
    return load(text, NAME, env), said


def render(env: Mapping[str, str], servers: Sequence[FoundServer] = ()) -> tuple[str, list[str]]:
    """The same as a file with comments, for `pointsman init`. Keys are written as `${NAME}`, never as they are."""
    blocks: list[str] = []
    said: list[str] = []
    for provider in PROVIDERS.values():
        if (key := _key_variable(provider, env)) is None:
            continue
        if env[key].strip().startswith(_OUR_KEYS):
            said.append(f"{key} holds a key of this gateway, not the provider's: its models are left out")
            continue
        if elsewhere := next((name for name in provider.elsewhere_variables if env.get(name)), None):
            said.append(f"{key} is set, and so is {elsewhere}: what models are there is not known, add them to the file")
            continue
        blocks.append(_lines(_provider_lines(provider, key)))
        said.append(f"{key} is set: added {', '.join(model.pool_id for model in provider.models)}")
    for server in servers:
        blocks.append(_lines(_server_lines(server)))
        names = ", ".join(_found_id(server, model) for model in server.models)
        said.append(f"{server.place.server} answers at {server.place.base_url}: added {names}")
    if not blocks:
        variables = ", ".join(provider.key_variables[0] for provider in PROVIDERS.values())
        blocks.append(f"  # More models appear here when `pointsman init` finds a key: {variables}.\n")
    template = resources.files("pointsman.config").joinpath("template.yaml").read_text(encoding="utf-8")
    return template.replace(PLACEHOLDER, "\n".join(blocks)), said


def _key_variable(provider: KnownProvider, env: Mapping[str, str]) -> str | None:
    return next((name for name in provider.key_variables if env.get(name, "").strip()), None)


def _provider_lines(provider: KnownProvider, key: str) -> Iterator[str]:
    for at, model in enumerate(provider.models):
        if at == 0:
            yield f"# {provider.id}, because {key} is set. Say `approved` and `region` yourself: they are promises that only you can make."
        yield f"- id: {model.pool_id}"
        yield f"  provider: {provider.id}"
        if model.pool_id != model.name:
            yield f"  model: {model.name}"
        yield f"  api_key: ${{{key}}}"
        if provider.perimeter != "external":
            yield f"  perimeter: {provider.perimeter}"
        if provider.region:
            yield f"  region: {provider.region}"
        yield from _capabilities(model)
        mean = STATED_QUALITY[model.tier]
        yield f'  quality: {{general: {{mean: {mean}, evidence: 0, source: "{STATED_SOURCE}"}}}}'


def _capabilities(model: KnownModel) -> Iterator[str]:
    defaults = CapabilitiesConfig()
    unusual = [
        f"{field.name}: {str(has).lower()}"
        for field in fields(defaults)
        if (has := getattr(model, field.name)) != getattr(defaults, field.name)
    ]
    if unusual:
        yield f"  capabilities: {{{', '.join(unusual)}}}"


def _server_lines(server: FoundServer) -> Iterator[str]:
    place = server.place
    yield f"# {place.server} answered on this machine. Check what it can do: tools and images are left off until you say so."
    for model in server.models:
        yield f"- id: {json.dumps(_found_id(server, model))}"
        yield "  provider: openai-compatible"
        yield f"  model: {json.dumps(model.name)}"
        yield f"  base_url: {place.base_url}"
        yield "  perimeter: on_prem # if it passes requests on to somewhere else, say `external`"
        yield f"  context_tokens: {model.context_tokens or _CAUTIOUS_CONTEXT_TOKENS}"
        yield f"  capabilities: {{tools: false, json_mode: {str(place.json_mode).lower()}}}"
        yield f"  price: {_GUESSED_PRICE}"


def _found_id(server: FoundServer, model: FoundModel) -> str:
    # With the server in front: it cannot collide with a route or with a provider's model.
    return f"{server.place.server}/{model.name}"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"  {line}\n" for line in lines)
