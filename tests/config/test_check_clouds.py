"""Models of clouds: what a file may say of where they are, and what is a claim that does not hold."""

from __future__ import annotations

import pytest

from pointsman.config.check import problems
from pointsman.config.models import ModelConfig
from pointsman.config.problem import dotted
from pointsman.config.schema import Config

BEDROCK = "https://bedrock-runtime.eu-central-1.amazonaws.com"
VPC = "https://vpce-0a-1b.bedrock-runtime.eu-central-1.vpce.amazonaws.com"
VERTEX = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
GLOBAL = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"


def wrong(**model: object) -> list[tuple[str, str]]:
    config = Config(
        version=1, models=(ModelConfig(**{"id": "m", "provider": "bedrock", "model": "amazon.nova-lite-v1:0", **model}),), routes={}
    )
    return [(dotted(problem.path), problem.sentence) for problem in problems(config)]


@pytest.mark.parametrize(
    "model",
    [
        {"region": "eu-central-1"},
        {"region": "us-gov-west-1"},
        {"base_url": BEDROCK},
        {"base_url": VPC, "region": "eu-central-1"},
        {"base_url": BEDROCK, "region": "eu"},  # a word of the user's own
        {"base_url": "https://bedrock.internal", "region": "eu-central-1"},
        {"base_url": "https://bedrock.internal", "api_key": "k"},
        {"region": "eu-central-1", "api_key": "k"},
        {"region": "eu-central-1", "auth": "aws"},
        {"region": "eu-central-1", "apis": ("messages",)},
        {"base_url": BEDROCK, "region": "eu", "model": "eu.amazon.nova-lite-v1:0"},
        {"base_url": BEDROCK, "model": "global.anthropic.claude-sonnet-5-v1:0"},
        {"region": "eu-central-1", "model": "ai21.jamba-1-5-large-v1:0"},
        {"provider": "vertex", "base_url": VERTEX, "model": "claude-sonnet-5"},
        {"provider": "vertex", "base_url": VERTEX, "region": "europe-west1"},
        {"provider": "vertex", "base_url": VERTEX, "region": "eu"},
        {"provider": "vertex", "base_url": GLOBAL},
    ],
)
def test_what_is_accepted(model):
    assert wrong(**model) == []


@pytest.mark.parametrize(
    ("model", "at", "says"),
    [
        ({}, "models[0]", "needs a `region` of AWS"),
        ({"region": "eu"}, "models[0]", "needs a `region` of AWS"),
        ({"api_key": "k"}, "models[0]", "needs a `region` of AWS"),
        ({"base_url": "https://bedrock.internal", "region": "eu"}, "models[0]", "needs a `region` of AWS"),
        ({"base_url": "https://bedrock.internal", "region": "eu", "api_key": "k", "auth": "aws"}, "models[0]", "needs a `region` of AWS"),
        ({"base_url": BEDROCK, "region": "us-east-1"}, "models[0].region", "`us-east-1` is not where `base_url` leads, which is `eu-central-1`"),
        ({"base_url": f"{BEDROCK}/openai/v1"}, "models[0].base_url", "leave out the path"),
        ({"base_url": "ftp://x", "region": "eu-central-1"}, "models[0].base_url", "is not a URL"),
        ({"region": "eu-central-1", "auth": "google"}, "models[0].auth", "takes `aws`"),
        ({"region": "eu-central-1", "apis": ("chat",)}, "models[0].apis", "asked in `messages`"),
        ({"region": "eu-central-1", "model": "amazon.titan-embed-text-v2:0"}, "models[0]", "no embeddings"),
        # Where a profile answers from several regions, one of them would be a promise that nobody keeps.
        ({"region": "eu-central-1", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", "write `region: eu`"),
        ({"region": "us-east-1", "model": "us.meta.llama4-scout-17b-instruct-v1:0"}, "models[0].region", "write `region: us`"),
        ({"region": "us-gov-west-1", "model": "us-gov.anthropic.claude-sonnet-5-v1:0"}, "models[0].region", "write `region: us-gov`"),
        ({"region": "ap-southeast-2", "model": "arn:aws:bedrock:ap-southeast-2:1:inference-profile/apac.amazon.nova-lite-v1:0"}, "models[0].region", "several regions"),
        ({"base_url": BEDROCK, "region": "eu", "model": "global.anthropic.claude-sonnet-5-v1:0"}, "models[0].region", "from anywhere"),
        ({"provider": "vertex"}, "models[0]", "needs a `base_url`"),
        ({"provider": "vertex", "base_url": f"{VERTEX}/endpoints/openapi"}, "models[0]", "needs a `base_url`"),
        ({"provider": "vertex", "base_url": VERTEX, "region": "us-east5"}, "models[0].region", "which is `europe-west1`"),
        ({"provider": "vertex", "base_url": GLOBAL, "region": "eu"}, "models[0].region", "from anywhere"),
        ({"provider": "vertex", "base_url": VERTEX, "api_key": "k"}, "models[0].api_key", "a token of Google's"),
        ({"provider": "vertex", "base_url": VERTEX, "auth": "aws"}, "models[0].auth", "a token of Google's"),
    ],
)  # fmt: skip
def test_what_is_refused(model, at, says):
    [(where, sentence)] = wrong(**model)
    assert (where, says in sentence) == (at, True), sentence


def test_a_slip_in_the_providers_name_is_answered_with_it():
    [(_, sentence)] = wrong(provider="bedrok", region="eu-central-1")
    assert "`bedrock`" in sentence
