"""Models of clouds: what a file may say of where they are, and what is a claim that does not hold."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from pointsman.config.check import problems
from pointsman.config.check_clouds import missing_extras
from pointsman.config.models import ModelConfig
from pointsman.config.problem import dotted
from pointsman.config.schema import Config

BEDROCK = "https://bedrock-runtime.eu-central-1.amazonaws.com"
VPC = "https://vpce-0a-1b.bedrock-runtime.eu-central-1.vpce.amazonaws.com"
VERTEX = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
US = "https://bedrock-runtime.us-east-1.amazonaws.com"
ARN = "arn:aws:bedrock:us-east-1:123456789012"
CLAUDE = {"provider": "vertex", "model": "claude-sonnet-5"}
OWN = {"provider": "openai-compatible"}
ASKED_AT = "write `base_url: https://bedrock-runtime.{}.amazonaws.com`, the host alone"
GLOBAL = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
MISSING = [
    f"`m{at}` has `{said}`, whose library is not installed here: pip install"
    for at, said in enumerate(("provider: bedrock", "auth: aws", "provider: vertex", "auth: google"))
]


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
        {**CLAUDE, "base_url": VERTEX},
        {**CLAUDE, "base_url": VERTEX, "region": "europe-west1"},
        {**CLAUDE, "base_url": VERTEX, "region": "eu"},
        {**CLAUDE, "base_url": GLOBAL},
        {"model": "", "id": "amazon.nova-lite-v1:0", "region": "eu-central-1"},
        {"model": "a-profile", "region": "eu-central-1"},
        {**OWN, "auth": "aws", "base_url": f"{BEDROCK}/openai/v1"},
        {**OWN, "auth": "aws", "base_url": "https://bedrock-mantle.us-east-1.api.aws/v1"},
        {**OWN, "auth": "aws", "base_url": "https://bedrock-runtime-fips.us-west-2.amazonaws.com/openai/v1"},
        {"region": "eu-west-1", "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com"},
        {"region": "EU-CENTRAL-1"},
        {"region": "EU", "base_url": BEDROCK},
        {"region": "cn-north-1", "base_url": "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"},
        {"region": "eu-central-1", "base_url": "https://bedrock-lb-1.eu-central-1.elb.example"},
        {"region": "apac", "model": "apac.amazon.nova-lite-v1:0", "base_url": "https://bedrock-runtime.ap-southeast-2.amazonaws.com"},
        {"region": "us-east-1", "model": f"{ARN}:provisioned-model/abc"},
        {"region": "us", "model": f"{ARN}:inference-profile/us.amazon.nova-lite-v1:0", "base_url": US},
        {**CLAUDE, "base_url": "https://us-aiplatform.googleapis.com/v1/projects/p/locations/us", "region": "us"},
        {**CLAUDE, "base_url": "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu", "region": "eu"},
        {**CLAUDE, "base_url": "https://europe-west1-aiplatform-own.p.googleapis.com/v1/projects/p/locations/europe-west1"},
        {**CLAUDE, "base_url": "https://aiplatform-own.p.googleapis.com/v1/projects/p/locations/europe-west1"},
        *(
            {**CLAUDE, "base_url": f"http://{host}/v1/projects/p/locations/europe-west1"}
            for host in ("127.0.0.1:9", "[::1]:9", "localhost")
        ),
        *(
            {**CLAUDE, "base_url": f"https://{host}/v1/projects/p/locations/us-east5"}
            for host in ("10.0.0.7", "0x0a000007", "vertex.internal")
        ),
        {**OWN, "auth": "google", "base_url": f"{VERTEX}/endpoints/openapi", "region": "eu"},
        {"provider": "google", "auth": "google", "model": "gemini-4-argon", "api_key": "k"},
        {"provider": "google", "auth": "google", "model": "gemini-4-argon", "api_key": "k", "region": "eu"},
        {**OWN, "auth": "google", "base_url": "https://europe-west1-aiplatform.googleapis.com/v1beta1/openai", "region": "eu"},
        {**CLAUDE, "base_url": "https://aiplatform.us-east5.rep.googleapis.com/v1/projects/p/locations/us-east5", "region": "us"},
        *(
            {**OWN, "base_url": f"http://{host}:8000/v1", "region": "eu"}
            for host in ("gpu-1", "vllm", "aws", "a_b.default.svc", "[fd00::1]")
        ),
        {**OWN, "base_url": "https://llm-1.eu-central-1.elb.amazonaws.com/v1", "region": "eu"},
        {**OWN, "base_url": "https://d-1.compute-1.amazonaws.com/v1"},
        {"base_url": "https://vpce-1.us-east-1.vpce.amazonaws.com", "region": "us-east-1"},
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
        ({"base_url": f"{BEDROCK}/openai/v1"}, "models[0].base_url", "the host of `bedrock-runtime` alone"),
        ({"base_url": "https://bedrock-mantle.eu-central-1.api.aws"}, "models[0].base_url", "the host of `bedrock-runtime` alone"),
        ({"base_url": "ftp://x", "region": "eu-central-1"}, "models[0].base_url", "is not a URL"),
        ({"region": "eu-central-1", "auth": "google"}, "models[0].auth", "takes `aws`"),
        ({"region": "eu-central-1", "apis": ("chat",)}, "models[0].apis", "asked in `messages`"),
        ({"region": "eu-central-1", "model": "amazon.titan-embed-text-v2:0"}, "models[0]", "no embeddings"),
        # Where a profile answers from several regions, one of them would be a promise that nobody keeps.
        ({"region": "eu-central-1", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", "write `region: eu`, and " + ASKED_AT.format("eu-central-1")),
        ({"region": "eu", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", "from others: " + ASKED_AT.format("eu-central-1")),
        ({"base_url": BEDROCK, "region": "eu-central-1", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", "from others: write `region: eu`"),
        ({"model": "eu.amazon.nova-lite-v1:0"}, "models[0]", "write `region: eu`, and " + ASKED_AT.format("eu-central-1")),
        ({"model": "apac.amazon.nova-lite-v1:0"}, "models[0]", "write `region: apac`, and " + ASKED_AT.format("ap-southeast-2")),
        ({"model": "global.anthropic.claude-sonnet-5-v1:0"}, "models[0]", "from anywhere: " + ASKED_AT.format("eu-central-1")),
        ({"region": "us-west-2", "model": "global.anthropic.claude-sonnet-5-v1:0"}, "models[0].region", "leave `region` out, and " + ASKED_AT.format("us-west-2")),
        ({"region": "us-east-1", "model": "us.meta.llama4-scout-17b-instruct-v1:0"}, "models[0].region", "write `region: us`"),
        ({"region": "us-gov-west-1", "model": "us-gov.anthropic.claude-sonnet-5-v1:0"}, "models[0].region", "write `region: us-gov`"),
        ({"region": "ap-southeast-2", "model": "arn:aws:bedrock:ap-southeast-2:1:inference-profile/apac.amazon.nova-lite-v1:0"}, "models[0].region", "write `region: apac`, and " + ASKED_AT.format("ap-southeast-2")),
        ({"base_url": BEDROCK, "region": "eu", "model": "global.anthropic.claude-sonnet-5-v1:0"}, "models[0].region", "from anywhere"),
        ({"base_url": "bedrock.internal", "region": "eu-central-1"}, "models[0].base_url", f"write it like `{BEDROCK}`"),
        ({**CLAUDE, "base_url": "europe-west1"}, "models[0].base_url", "write it like `https://<location>-aiplatform.googleapis.com/v1/projects/"),
        ({"base_url": "https://bedrock-runtime.<region>.amazonaws.com"}, "models[0].base_url", "has a `<` or `>` in it"),
        ({"model": "", "region": "eu-central-1"}, "models[0]", "needs `model`, as Bedrock calls it"),
        ({**CLAUDE}, "models[0]", "needs a `base_url`"),
        ({**CLAUDE, "base_url": f"{VERTEX}/endpoints/openapi"}, "models[0]", "needs a `base_url`"),
        ({**CLAUDE, "base_url": VERTEX, "region": "us-east5"}, "models[0].region", "which is `europe-west1`"),
        ({**CLAUDE, "base_url": GLOBAL, "region": "eu"}, "models[0].region", "from anywhere"),
        ({**CLAUDE, "base_url": VERTEX, "api_key": "k"}, "models[0].api_key", "a token of Google's"),
        ({**CLAUDE, "base_url": VERTEX, "auth": "aws"}, "models[0].auth", "a token of Google's"),
        ({**CLAUDE, "base_url": "https://<location>-aiplatform.googleapis.com/v1/projects/p/locations/<location>"}, "models[0].base_url", "has a `<` or `>` in it"),
        ({**CLAUDE, "base_url": VERTEX, "model": "gemini-4-argon"}, "models[0].model", "has Claude only"),
        ({**CLAUDE, "base_url": VERTEX, "model": ""}, "models[0]", "has Claude only"),
        # Signatures are for Bedrock: nobody else gets one.
        ({**OWN, "auth": "aws", "base_url": "https://foo.example/v1"}, "models[0].auth", "needs a `base_url` of Bedrock"),
        ({**OWN, "auth": "aws", "base_url": "https://evil-bedrock-runtime.example.com"}, "models[0].auth", "needs a `base_url` of Bedrock"),
        ({**OWN, "auth": "aws", "base_url": "http://127.0.0.1:1/v1"}, "models[0].auth", "needs a `base_url` of Bedrock"),
        ({"provider": "openai", "auth": "aws", "api_key": "k"}, "models[0].auth", "needs a `base_url` of Bedrock"),
        ({**OWN, "auth": "aws", "base_url": f"{BEDROCK}.evil.example/openai/v1"}, "models[0].auth", "needs a `base_url` of Bedrock"),
        # An area is how the names of its regions begin, and what a profile's name says.
        ({"base_url": US, "region": "eu"}, "models[0].region", "`eu` is not where `base_url` leads, which is `us-east-1`"),
        ({"base_url": US, "region": "EU-CENTRAL-1"}, "models[0].region", "`EU-CENTRAL-1` is not where `base_url` leads"),
        ({"base_url": US, "region": "u"}, "models[0].region", "`u` is not where"),
        ({"base_url": US, "region": "eu", "model": "us.amazon.nova-lite-v1:0"}, "models[0].region", "a profile of `us` is asked in one region"),
        ({"base_url": US, "region": "eu", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", "`eu` is not where `base_url` leads"),
        ({"region": "eu-central-1", "model": "us-gov.amazon.nova-lite-v1:0"}, "models[0].region", ASKED_AT.format("us-gov-west-1")),
        ({"region": "EU-CENTRAL-1", "model": "eu.amazon.nova-lite-v1:0"}, "models[0].region", ASKED_AT.format("eu-central-1")),
        ({"region": "eu-central-1", "model": f"{ARN}:provisioned-model/abc"}, "models[0].model", "an ARN of `us-east-1`, and is asked in `eu-central-1`"),
        ({"base_url": BEDROCK, "model": f"{ARN}:provisioned-model/abc"}, "models[0].model", "an ARN of `us-east-1`, and is asked in `eu-central-1`"),
        ({"base_url": "https://bedrock.internal", "api_key": "k", "region": "eu", "model": f"{ARN}:provisioned-model/abc"}, "models[0].region", "`eu` is not where"),
        ({"base_url": f"{BEDROCK}.evil.example", "region": "eu-central-1"}, "models[0].base_url", "is no host of Bedrock's"),
        ({**OWN, "auth": "aws", "base_url": f"{US}/openai/v1", "region": "eu"}, "models[0].region", "`eu` is not where `base_url` leads"),
        ({**OWN, "api_key": "k", "base_url": f"{US}/openai/v1", "region": "eu"}, "models[0].region", "`eu` is not where `base_url` leads"),
        ({**OWN, "auth": "aws", "base_url": f"{US}/openai/v1", "region": "us-east-1", "model": "us.meta.llama4-v1:0"}, "models[0].region", "write `region: us`"),
        ({**CLAUDE, "base_url": VERTEX.replace("//europe-west1", "//us-central1")}, "models[0].base_url", "a host of `us-central1` and a path of location `europe-west1`"),
        ({**CLAUDE, "base_url": VERTEX.replace("europe-west1-", "")}, "models[0].base_url", "a host of `global`"),
        ({**CLAUDE, "base_url": VERTEX.replace("europe-west1", "us-central1"), "region": "eu"}, "models[0].region", "which is `us-central1`"),
        ({**CLAUDE, "base_url": VERTEX.replace("europe-west1", "us"), "region": "eu"}, "models[0].region", "which is `us`"),
        ({**CLAUDE, "base_url": VERTEX.replace("google", "evilgoogle")}, "models[0].base_url", "needs a host of `googleapis.com`"),
        ({**CLAUDE, "base_url": VERTEX.replace(".com", ".com.evil.example")}, "models[0].base_url", "needs a host of `googleapis.com`"),
        ({**CLAUDE, "base_url": "https://8.8.8.8/v1/projects/p/locations/us"}, "models[0].base_url", "needs a host of `googleapis.com`"),
        ({**CLAUDE, "base_url": VERTEX.replace("https", "http")}, "models[0].base_url", "sends a token of Google's unencrypted"),
        ({**OWN, "auth": "google", "base_url": "https://foo.example/v1"}, "models[0].auth", "needs a host of `googleapis.com`"),
        ({"provider": "openai", "auth": "google", "api_key": "k"}, "models[0].auth", "needs a host of `googleapis.com`"),
        ({**OWN, "auth": "google", "base_url": f"{VERTEX}/endpoints/openapi", "region": "us"}, "models[0].region", "which is `europe-west1`"),
        ({"base_url": "https://vpce-1.us-east-1.vpce.amazonaws.com", "region": "eu-central-1"}, "models[0].region", "which is `us-east-1`"),
        ({"base_url": "https://runtime.us-east-1.amazonaws.com", "region": "eu-central-1"}, "models[0].region", "which is `us-east-1`"),
        ({"base_url": "https://runtime.amazonaws.com", "region": "eu-central-1"}, "models[0].region", "names no region: leave it out"),
        ({**OWN, "api_key": "k", "base_url": "https://bedrock-agent-runtime.us-east-1.amazonaws.com/v1", "region": "eu"}, "models[0].region", "which is `us-east-1`"),
        ({"region": "eu-central-1", "model": ARN.replace("bedrock", "sagemaker") + ":endpoint/abc"}, "models[0].model", "an ARN of `us-east-1`"),
        # Hosts are read as those read them who call there: none but Google and this network gets a token.
        *(
            ({**OWN, "auth": "google", "base_url": f"https://{host}/v1"}, "models[0].auth", "needs a host of `googleapis.com`")
            for host in ("134744072", "0x08080808", "010.8.8.8", "[::ffff:8.8.8.8]", "com", "ai", "vertex", "googleapis.com", "8.8.8.8.")
        ),
        *(
            ({**OWN, "auth": auth, "base_url": f"https://{host}/v1"}, "models[0].base_url", "no address and no plain name")
            for auth in ("key", "google")
            for host in ("8。8。8。8", "evil。com", "evil．com", "evil.com\\.googleapis.com", "us-aiplatform.googleapis.com..", "%65vil.internal", "[v1.a:b。com]")
        ),
        # Where a host names a location, that is where it is; a path that says it otherwise is not believed.
        ({**OWN, "auth": "google", "base_url": "https://us-central1-aiplatform.googleapis.com/v1beta1/openai", "region": "eu"}, "models[0].region", "which is `us-central1`"),
        ({**OWN, "api_key": "k", "base_url": "https://aiplatform.googleapis.com/v1beta1/openai", "region": "eu"}, "models[0].region", "from anywhere"),
        *(
            ({**OWN, "auth": "google", "base_url": f"https://{host}/v1/{of}/endpoints/openapi", "region": "eu"}, "models[0].base_url", "has a path of other than")
            for host in ("us-central1-aiplatform.googleapis.com", "aiplatform-own.p.googleapis.com", "vertex.internal")
            for of in ("projects/p/locations/%75s-central1", "projects/p/locations/US-central1", "Projects/p/Locations/us-central1", "projects/p//locations/us-central1", "projects/p/locations/europe-west1/../us-central1")
        ),
        *(
            ({**CLAUDE, "base_url": f"https://{host}/v1/projects/p/locations/europe-west1", "region": "eu"}, "models[0].base_url", "no host of Vertex AI's")
            for host in ("x.us-east5-aiplatform.googleapis.com", "us-east5-aiplatform.restricted.googleapis.com", "storage.googleapis.com")
        ),
        ({**OWN, "api_key": "k", "base_url": "https://x.us-east5-aiplatform.googleapis.com/v1"}, "models[0].base_url", "no host of Vertex AI's"),
    ],
)  # fmt: skip
def test_what_is_refused(model, at, says):
    [(where, sentence)] = wrong(**model)
    assert (where, says in sentence) == (at, True), sentence


def test_a_slip_in_the_providers_name_is_answered_with_it():
    [(_, sentence)] = wrong(provider="bedrok", region="eu-central-1")
    assert "`bedrock`" in sentence


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((), []),
        (("botocore",), [f"models[{at}]: {what} 'pointsman[aws]'" for at, what in enumerate(MISSING[:2])]),
        (("requests",), [f"models[2]: {MISSING[2]} 'pointsman[google]'", f"models[3]: {MISSING[3]} 'pointsman[google]'"]),
        (("google", "botocore"), [f"models[{at}]: {what} 'pointsman[aws,google]'" for at, what in enumerate(MISSING)]),
    ],
    ids=repr,
)
@pytest.mark.skipif(not all(map(find_spec, ("botocore", "google", "requests"))), reason="needs the extras `aws` and `google`")
def test_every_extra_that_is_missing_here_is_named_at_once(monkeypatch, gone, said):
    if "google" in gone:
        monkeypatch.setitem(sys.modules, "google.auth", None)
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    clouds = (("bedrock", "key"), ("own", "aws"), ("vertex", "key"), ("own", "google"), ("own", "key"), ("local", "aws"))
    models = [ModelConfig(id=f"m{at}", provider=provider, auth=auth) for at, (provider, auth) in enumerate(clouds)]
    assert [str(problem) for problem in missing_extras(models)] == said
