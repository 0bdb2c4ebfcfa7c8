"""The table of known providers, against the price catalogue that ships with the product."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlsplit

import pytest

from pointsman.catalogue import prices
from pointsman.config.providers import LOCAL, OPENAI_COMPATIBLE, PROVIDERS, STATED_QUALITY, KnownModel, KnownProvider

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
