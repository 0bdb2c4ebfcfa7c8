"""The table of known providers, against the price catalogue that ships with the product."""

from __future__ import annotations

import ast
import re
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import pointsman
from pointsman.catalogue import prices
from pointsman.config.cloud import Cloud
from pointsman.config.providers import (
    CLOUDS,
    LOCAL,
    OPENAI_COMPATIBLE,
    PROVIDERS,
    STATED_QUALITY,
    KnownModel,
    KnownProvider,
    catalogue_id,
)

SOURCE = Path(pointsman.__file__).parent
EXAMPLES = {"bedrock": "amazon.nova-lite-v1:0", "vertex": "claude-sonnet-4-5@20250929"}
MODELS = [pytest.param(provider, model, id=model.pool_id) for provider in PROVIDERS.values() for model in provider.models]


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_model_has_a_price_and_a_context_window(provider: KnownProvider, model: KnownModel) -> None:
    listing = prices.load().find(provider.catalogue_id, model.name, date(2026, 11, 1))
    assert listing is not None
    assert listing.price.input
    assert listing.price.output


def test_names_in_the_pool_are_unique() -> None:
    ids = [model.pool_id for provider in PROVIDERS.values() for model in provider.models]
    assert len(ids) == len(set(ids))
    assert not {"auto", "cheap", "best", "local-fast", "local-careful"} & set(ids)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.id)
def test_a_provider_can_be_reached_and_is_outside(provider: KnownProvider) -> None:
    url = urlsplit(provider.base_url)
    assert url.scheme == "https"
    assert url.hostname
    assert not provider.base_url.endswith("/")
    assert provider.key_variables
    assert provider.perimeter == "external"
    assert provider.id not in (LOCAL, OPENAI_COMPATIBLE)
    assert 2 <= len(provider.models) <= 3


def test_tiers_are_ordered() -> None:
    assert STATED_QUALITY["strong"] > STATED_QUALITY["middle"] > STATED_QUALITY["small"] > 0.5


def test_what_a_json_request_needs_is_not_claimed_for_an_endpoint_that_ignores_it() -> None:
    assert not any(model.json_mode for model in PROVIDERS["anthropic"].models)
    assert all(model.json_schema for model in PROVIDERS["anthropic"].models), "Messages has `output_config.format`"
    assert not any(model.json_schema for model in PROVIDERS["deepseek"].models)


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=lambda cloud: cloud.id)
def test_a_cloud_is_asked_for_by_name_in_its_own_file_and_in_its_lines_of_the_tables_alone(cloud: Cloud) -> None:
    named = re.compile(rf"['\"`]{cloud.id}['\"`]|\b{cloud.id.upper()}\b")
    places = [path for folder in ("config", "build") for path in sorted((SOURCE / folder).glob("*.py"))]
    assert {path.name for path in places if named.search(_code(path))} == {f"{cloud.id}.py", "providers.py", "clouds.py"}


def _code(path: Path) -> str:
    """Without what is said to people."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant(str())):
                node.value = ast.Constant(None)
            case ast.Call(ast.Name("says"), [ast.Constant()]):
                node.args = []
    return ast.unparse(tree)


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=lambda cloud: cloud.id)
def test_a_cloud_can_be_reached_and_its_prices_are_known(cloud: Cloud) -> None:
    assert cloud.id not in PROVIDERS
    for address in (cloud.like, cloud.base_url):
        assert address == "" or (urlsplit(address).scheme, address[-1:] == "/") == ("https", False)
    assert catalogue_id(cloud.id) == cloud.prices
    assert prices.load().find(cloud.prices, EXAMPLES[cloud.id], date(2026, 11, 1)) is not None
