"""Models of clouds that are asked in the cloud's own format: where they are must be what the file says it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem, short
from pointsman.config.providers import AWS_REGION, BEDROCK, VERTEX, bedrock_region

Problems = Iterator[Problem]

_PROFILE = re.compile(r"(?:^|/)(global|apac|[a-z]{2}(?:-[a-z]+)?)\.")  # makers of models have longer names
_LOCATION = re.compile(r"/projects/[^/]+/locations/([a-z0-9-]+)/?$")


def cloud_problems(model: ModelConfig, path: Path) -> Problems:
    """What is wrong with a model of a cloud, beside what may be with any."""
    if model.apis not in ((), ("messages",)):
        yield Problem((*path, "apis"), f"provider `{model.provider}` is asked in `messages`, whatever API clients speak: leave it out")
    if "embed" in (model.model or model.id).lower():
        yield Problem(path, f"provider `{model.provider}` is asked for answers, and has no embeddings here")
    yield from _bedrock(model, path) if model.provider == BEDROCK else _vertex(model, path)


def _bedrock(model: ModelConfig, path: Path) -> Problems:
    if model.auth == "google":
        yield Problem((*path, "auth"), f"provider `{BEDROCK}` takes `aws`, or an `api_key`")
    if urlsplit(model.base_url).path.rstrip("/").endswith("/v1"):
        what = "is where Bedrock speaks another API: leave out the path, or write `provider: openai-compatible`"
        yield Problem((*path, "base_url"), what)
    there, stated = bedrock_region(model.base_url), AWS_REGION.fullmatch(model.region) is not None
    unsigned = model.base_url and model.api_key and model.auth == "key"
    if not there and not stated and not unsigned:
        yield Problem(path, f"provider `{BEDROCK}` needs a `region` of AWS such as `eu-central-1`, or a `base_url` of Bedrock that says it")
    if there and stated and there != model.region:
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where `base_url` leads, which is `{there}`")
    if model.region and (profile := _PROFILE.search(model.model or model.id)):
        yield from _profile(profile[1], model, path, stated=stated)


def _profile(area: str, model: ModelConfig, path: Path, *, stated: bool) -> Problems:
    """An inference profile answers from any region of its area: one region would be a claim that does not hold."""
    if area == "global":
        yield Problem(
            (*path, "region"), "a `global` profile may answer from anywhere: leave `region` out, and give a `base_url` of Bedrock"
        )
    elif stated:
        what = f"a profile of `{area}` answers from several regions: write `region: {area}`, and a `base_url` of Bedrock"
        yield Problem((*path, "region"), what)


def _vertex(model: ModelConfig, path: Path) -> Problems:
    if model.auth == "aws" or model.api_key:
        yield Problem((*path, "auth" if model.auth == "aws" else "api_key"), f"provider `{VERTEX}` takes a token of Google's: leave it out")
    if (found := _LOCATION.search(urlsplit(model.base_url).path)) is None:
        what = "`https://<location>-aiplatform.googleapis.com/v1/projects/<project>/locations/<location>`"
        yield Problem(path, f"provider `{VERTEX}` needs a `base_url` such as {what}")
    elif found[1] == "global" and model.region:
        yield Problem((*path, "region"), "location `global` may answer from anywhere: leave `region` out")
    elif re.search(r"[0-9]$", model.region) and found[1] != model.region:
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where `base_url` leads, which is `{found[1]}`")
