"""Models of clouds that are asked in the cloud's own format: where they are must be what the file says it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from urllib.parse import urlsplit

from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem, short
from pointsman.config.providers import AWS_REGION, BEDROCK, CLOUDS, LOCAL, VERTEX, aws_place

Problems = Iterator[Problem]

_PROFILE = re.compile(r"(?:^|/)(global|apac|[a-z]{2}(?:-[a-z]+)?)\.")  # makers of models have longer names
_LOCATION = re.compile(r"/projects/[^/]+/locations/([a-z0-9-]+)/?$")
_REGION_OF = {"us": "us-east-1", "us-gov": "us-gov-west-1", "apac": "ap-southeast-2"}  # examples of an area's regions
_LIBRARIES = {"aws": ("botocore",), "google": ("google.auth", "requests")}  # what the extras of these names bring


def cloud_problems(model: ModelConfig, path: Path) -> Problems:
    """What is wrong with a model of a cloud, beside what may be with any."""
    if model.apis not in ((), ("messages",)):
        yield Problem((*path, "apis"), f"provider `{model.provider}` is asked in `messages`, whatever API clients speak: leave it out")
    if "embed" in (model.model or model.id).lower():
        yield Problem(path, f"provider `{model.provider}` is asked for answers, and has no embeddings here")
    yield from _bedrock(model, path) if model.provider == BEDROCK else _vertex(model, path)


def signing_problems(model: ModelConfig, path: Path) -> Problems:
    """Of a model of any other provider: signatures are for one service in one region."""
    if model.auth == "aws" and aws_place(model.base_url) is None:
        what = "needs a `base_url` of Bedrock, such as `https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1`"
        yield Problem((*path, "auth"), f"`aws` {what}")


def missing_extras(models: Sequence[ModelConfig]) -> list[Problem]:
    """Models whose cloud's library is not installed here. Not pure: it looks at this machine."""
    extras = [(at, model, extra) for at, model in enumerate(models) if (extra := _extra(model)) and not _installed(extra)]
    cure = f"pip install 'pointsman[{','.join(sorted({extra for _, _, extra in extras}))}]'"
    return [
        Problem(("models", at), f"`{short(model.id)}` has {_said(model)}, whose library is not installed here: {cure}", "warning")
        for at, model, _ in extras
    ]


def _extra(model: ModelConfig) -> str:
    if model.provider == LOCAL:
        return ""
    return CLOUDS.get(model.provider) or ("" if model.auth == "key" else model.auth)


def _said(model: ModelConfig) -> str:
    return f"`provider: {model.provider}`" if model.provider in CLOUDS else f"`auth: {model.auth}`"


def _installed(extra: str) -> bool:
    try:
        return all(find_spec(name) for name in _LIBRARIES[extra])
    except ModuleNotFoundError:  # nor is what `google.auth` is part of
        return False


def _bedrock(model: ModelConfig, path: Path) -> Problems:
    if model.auth == "google":
        yield Problem((*path, "auth"), f"provider `{BEDROCK}` takes `aws`, or an `api_key`")
    if not model.model and "." not in model.id and not model.id.startswith("arn:"):
        yield Problem(path, f"provider `{BEDROCK}` needs `model`, as Bedrock calls it: `amazon.nova-lite-v1:0`, say, or an ARN")
    found, stated = aws_place(model.base_url), AWS_REGION.fullmatch(model.region) is not None
    if urlsplit(model.base_url).path.rstrip("/").endswith("/v1") or (found and found.service != "bedrock"):
        what = "is where Bedrock speaks other APIs: write the host of `bedrock-runtime` alone, or `provider: openai-compatible`"
        yield Problem((*path, "base_url"), what)
    placed = found or (model.base_url and model.api_key and model.auth == "key")
    if found and stated and found.region != model.region:
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where `base_url` leads, which is `{found.region}`")
    if profile := _PROFILE.search(model.model or model.id):
        yield from _profile(profile[1], model, path, stated=stated, placed=bool(placed))
    elif not placed and not stated:
        what = f"a `region` of AWS such as `eu-central-1`, or beside any other `base_url: {_address('eu-central-1')}`"
        yield Problem(path, f"provider `{BEDROCK}` needs {what}")


def _profile(area: str, model: ModelConfig, path: Path, *, stated: bool, placed: bool) -> Problems:
    """An inference profile answers from any region of its area: one region would be a claim that does not hold."""
    cures = []
    if area == "global" and model.region:
        cures.append("leave `region` out")
    elif area != "global" and model.region != area and (stated or not placed):
        cures.append(f"write `region: {area}`")
    if not placed:
        asked = _address(model.region if stated else _REGION_OF.get(area, "eu-central-1"))
        cures.append(f"write `base_url: {asked}`, the host alone")
    if cures:
        what = f"a profile of `{area}` is asked in one region and may answer from {'anywhere' if area == 'global' else 'others'}"
        yield Problem((*path, "region") if model.region else path, f"{what}: {', and '.join(cures)}")


def _address(region: str) -> str:
    return f"https://bedrock-runtime.{region}.amazonaws.com"


def _vertex(model: ModelConfig, path: Path) -> Problems:
    if "claude" not in (model.model or model.id).lower():
        cure = "write `provider: openai-compatible`, `auth: google` and a `base_url` that ends in `/endpoints/openapi`"
        yield Problem((*path, "model") if model.model else path, f"provider `{VERTEX}` has Claude only: for Gemini and others {cure}")
    if model.auth == "aws" or model.api_key:
        yield Problem((*path, "auth" if model.auth == "aws" else "api_key"), f"provider `{VERTEX}` takes a token of Google's: leave it out")
    if (found := _LOCATION.search(urlsplit(model.base_url).path)) is None:
        what = "`https://<location>-aiplatform.googleapis.com/v1/projects/<project>/locations/<location>`"
        yield Problem(path, f"provider `{VERTEX}` needs a `base_url` such as {what}")
    elif found[1] == "global" and model.region:
        yield Problem((*path, "region"), "location `global` may answer from anywhere: leave `region` out")
    elif re.search(r"[0-9]$", model.region) and found[1] != model.region:
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where `base_url` leads, which is `{found[1]}`")
