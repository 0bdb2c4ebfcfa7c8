"""Models of clouds: what they speak, what they cost, and which way leads to them."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from contextlib import aclosing
from dataclasses import replace
from datetime import date

import pytest

from pointsman.build.clouds import WAYS
from pointsman.build.endpoints import Engines, endpoints
from pointsman.build.models import model_of
from pointsman.build.service import open_service
from pointsman.catalogue import prices
from pointsman.config.models import ModelConfig
from pointsman.config.providers import CLOUDS
from pointsman.config.schema import Config, StoreConfig
from pointsman.errors import ConfigError
from pointsman.upstream.bedrock import ConverseTransport
from pointsman.upstream.client import Endpoint
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.upstream.signed import AwsSigner, GoogleSigner, SignedTransport
from pointsman.upstream.vertex import VertexTransport
from pointsman.wire.bedrock_converse import to_converse

NOVA = ModelConfig(id="nova", provider="bedrock", model="amazon.nova-lite-v1:0", region="eu-central-1")
CLAUDE = ModelConfig(
    id="claude",
    provider="vertex",
    model="claude-sonnet-4-5@20250929",
    base_url="https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1",
)
OWN = ModelConfig(id="own", provider="openai-compatible", base_url="http://127.0.0.1:9/v1")
MISSING = {name: not importlib.util.find_spec(name) for name in ("botocore", "google")}


def endpoint(model: ModelConfig) -> Endpoint:
    return endpoints([model], Engines(), Pool())[model.id]


@pytest.mark.parametrize("config", [NOVA, CLAUDE], ids=lambda config: config.provider)
def test_prices_and_windows_are_the_clouds_own(config):
    found = model_of(config, prices.load(), date(2026, 11, 1))
    assert found.apis == ("messages",)
    assert found.price is not None
    assert found.context_tokens >= 200_000


@pytest.mark.skipif(MISSING["botocore"], reason="needs the extra `aws` (botocore)")
def test_bedrock_is_asked_where_the_region_says():
    found = endpoint(NOVA)
    assert (found.address, found.apis) == ("https://bedrock-runtime.eu-central-1.amazonaws.com", ("messages",))
    assert isinstance(found.transport, ConverseTransport)
    assert found.spelled is to_converse


def test_every_cloud_has_a_way():
    assert WAYS.keys() == CLOUDS.keys()


@pytest.mark.skipif(MISSING["botocore"] or MISSING["google"], reason="needs the extras `aws` and `google`")
@pytest.mark.parametrize(
    ("model", "proof"),
    [
        (NOVA, AwsSigner),
        (replace(NOVA, api_key="k"), None),
        (replace(NOVA, api_key="k", auth="aws"), AwsSigner),
        (CLAUDE, GoogleSigner),
        (replace(CLAUDE, auth="google"), GoogleSigner),
        (OWN, None),
        (replace(OWN, auth="aws", base_url="https://bedrock-mantle.us-east-1.api.aws/v1"), AwsSigner),
        (replace(OWN, auth="google", api_key="k"), GoogleSigner),
    ],
)
def test_who_proves_who_calls(model, proof):
    found = endpoint(model).transport
    signing = found._transport if model.provider in CLOUDS else found
    assert isinstance(signing, HttpTransport if proof is None else SignedTransport)
    assert proof is None or isinstance(signing._signer, proof)


@pytest.mark.skipif(MISSING["botocore"], reason="needs the extra `aws` (botocore)")
def test_a_region_in_capitals_is_the_same():
    assert endpoint(replace(NOVA, region="EU-CENTRAL-1")).address == endpoint(NOVA).address


@pytest.mark.skipif(MISSING["botocore"] or MISSING["google"], reason="needs the extras `aws` and `google`")
def test_models_in_one_place_look_for_credentials_together():
    models = [replace(model, id=f"{model.id} {at}") for model in (NOVA, CLAUDE) for at in range(2)]
    models.append(replace(NOVA, id="away", region="us-east-1"))
    found = endpoints(models, Engines(), Pool())
    signers = [found[model.id].transport._transport._signer for model in models]
    assert [signers.index(signer) for signer in signers] == [0, 0, 2, 2, 4]


@pytest.mark.skipif(MISSING["google"], reason="needs the extra `google` (google-auth)")
def test_vertex_is_asked_where_its_address_says():
    found = endpoint(CLAUDE)
    assert isinstance(found.transport, VertexTransport)
    assert (found.address, found.spelled) == (CLAUDE.base_url, None)


@pytest.mark.skipif(MISSING["botocore"] or MISSING["google"], reason="needs the extras `aws` and `google`")
def test_what_is_missing_is_refused_at_the_start_and_at_a_reload_which_changes_nothing(monkeypatch, tmp_path):
    store = StoreConfig(path=str(tmp_path / "test.db"))
    config = Config(version=1, models=(OWN,), routes={}, store=store)

    async def reloading() -> str:
        async with aclosing(await open_service(config)) as service:
            before = service.gateway.live
            for name in ("botocore", "google.auth"):
                monkeypatch.setitem(sys.modules, name, None)
            with pytest.raises(ConfigError) as raised:
                await service.reload(replace(config, models=(OWN, NOVA, CLAUDE)))
            assert service.gateway.live is before
        return str(raised.value)

    cure = "whose library is not installed here: pip install 'pointsman[aws,google]'"
    assert asyncio.run(reloading()) == f"`nova` has `provider: bedrock`, {cure}\n`claude` has `provider: vertex`, {cure}"
    with pytest.raises(ConfigError, match="`nova` has `provider: bedrock`, .*'pointsman\\[aws\\]'"):
        asyncio.run(open_service(replace(config, models=(NOVA,))))
