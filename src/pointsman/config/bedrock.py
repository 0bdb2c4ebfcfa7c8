"""Amazon Bedrock: where its models are, which must be what the file says it is."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pointsman.config.cloud import Cloud, Problems, claim_problems, is_in
from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem

_ADDRESS = "https://bedrock-runtime.{region}.amazonaws.com"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]")
_HOST = re.compile(
    rf"(?:^|\.)(bedrock-runtime|bedrock-mantle)(?:-fips)?\.({_REGION.pattern})"
    r"\.(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|(?:vpce\.)?api\.aws|api\.amazonwebservices\.com\.cn)\.?$"
)
_AWS = re.compile(rf"(?:(?:^|\.)({_REGION.pattern})\.(?:[^.]+\.)*|\.)(?:amazonaws\.com(?:\.cn)?|aws|amazonwebservices\.com\.cn)\.?$")
_SERVICES = {"bedrock-runtime": "bedrock", "bedrock-mantle": "bedrock-mantle"}
_PROFILE = re.compile(r"(?:^|/)(global|apac|[a-z]{2}(?:-[a-z]+)?)\.")  # makers of models have longer names
_ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]+):")
# Examples of an area's regions.
_REGION_OF = {"us": "us-east-1", "us-gov": "us-gov-west-1", "ca": "ca-central-1"}
_REGION_OF |= {"apac": "ap-southeast-2", "jp": "ap-northeast-1", "au": "ap-southeast-2"}


class AwsPlace(NamedTuple):
    """What a signature is for."""

    service: str  #: as signatures call it
    region: str


def aws_place(base_url: str) -> AwsPlace | None:
    """Where an address of Bedrock's leads; `None` where the address is another.

    >>> aws_place("https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com")
    AwsPlace(service='bedrock', region='eu-central-1')
    """
    found = _HOST.search(urlsplit(base_url).hostname or "")
    return AwsPlace(_SERVICES[found[1]], found[2]) if found else None


def signed_for(base_url: str, region: str) -> AwsPlace:
    """What calls to an address are signed for: where it leads, or else the region that the model names."""
    return aws_place(base_url) or AwsPlace("bedrock", region.lower())


def _problems(model: ModelConfig, path: Path) -> Problems:
    if model.auth not in ("key", "aws"):
        yield Problem((*path, "auth"), f"provider `{BEDROCK.id}` takes `aws`, or an `api_key`")
    if not model.model and "." not in model.id and not model.id.startswith("arn:"):
        yield Problem(path, f"provider `{BEDROCK.id}` needs `model`, as Bedrock calls it: `amazon.nova-lite-v1:0`, say, or an ARN")
    found, region = aws_place(model.base_url), model.region.lower()
    stated = _REGION.fullmatch(region) is not None
    if urlsplit(model.base_url).path.rstrip("/").endswith("/v1") or (found and found.service != "bedrock"):
        what = "is where Bedrock speaks other APIs: write the host of `bedrock-runtime` alone, or `provider: openai-compatible`"
        yield Problem((*path, "base_url"), what)
    if found is None and re.search(r"bedrock.*\.(?:amazonaws|api\.aws)\.?\b", urlsplit(model.base_url).hostname or ""):
        yield Problem((*path, "base_url"), f"is no host of Bedrock's: write it like `{BEDROCK.like}`")
    placed = bool(found or (model.base_url and model.api_key and model.auth == "key"))
    yield from _profile(model, path, stated=stated, placed=placed)
    yield from _asked_in(found.region if found else region if stated else "", model, path)
    yield from _elsewhere(model.base_url, model, path)
    if not _area(model) and not placed and not stated:
        what = f"a `region` of AWS such as `eu-central-1`, or beside any other `base_url: {BEDROCK.like}`"
        yield Problem(path, f"provider `{BEDROCK.id}` needs {what}")


def _signing(model: ModelConfig, url: str, path: Path) -> Problems:
    """Signatures are for one service in one region."""
    if (place := aws_place(url)) is not None:
        yield from _profile(model, path, stated=True, placed=True)
        yield from _asked_in(place.region, model, path)
    elif model.auth == "aws":
        yield Problem((*path, "auth"), f"`aws` needs a `base_url` of Bedrock, such as `{BEDROCK.like}/openai/v1`")
    else:
        yield from _elsewhere(url, model, path)


def _elsewhere(base_url: str, model: ModelConfig, path: Path) -> Problems:
    """Any other host of AWS's names a region, too, or nobody knows where it is."""
    named = None if aws_place(base_url) else _AWS.search(urlsplit(base_url).hostname or "")
    if named and named[1]:
        yield from claim_problems(model, named[1], path)
    elif named and model.region:
        yield Problem((*path, "region"), "cannot be told from `base_url`, whose host is AWS's and names no region: leave it out")


def _area(model: ModelConfig) -> str:
    """Of an inference profile; empty for anything else."""
    found = _PROFILE.search(model.model or model.id)
    return found[1] if found else ""


def _profile(model: ModelConfig, path: Path, *, stated: bool, placed: bool) -> Problems:
    """An inference profile answers from any region of its area: one region would be a claim that does not hold."""
    cures = []
    if not (area := _area(model)):
        return
    if area == "global" and model.region:
        cures.append("leave `region` out")
    elif area != "global" and model.region.lower() != area and (model.region or not placed):
        cures.append(f"write `region: {area}`")
    if not placed:
        fits = stated and (area == "global" or is_in(model.region.lower(), area))
        asked = _ADDRESS.format(region=model.region.lower() if fits else _REGION_OF.get(area, "eu-central-1"))
        cures.append(f"write `base_url: {asked}`, the host alone")
    if cures:
        what = f"a profile of `{area}` is asked in one region and may answer from {'anywhere' if area == 'global' else 'others'}"
        yield Problem((*path, "region") if model.region else path, f"{what}: {', and '.join(cures)}")


def _asked_in(region: str, model: ModelConfig, path: Path) -> Problems:
    """What a model and its `region` say of where they are must be where it is asked; empty: that is not known."""
    arn = _ARN.match(model.model or model.id)
    if arn and region not in ("", arn[1]):
        yield Problem((*path, "model") if model.model else path, f"is an ARN of `{arn[1]}`, and is asked in `{region}`")
    elif (place := region or (arn[1] if arn else "")) and _area(model) in ("", model.region.lower()):
        yield from claim_problems(model, place, path)


BEDROCK: Final = Cloud("bedrock", "aws", "aws", _ADDRESS.format(region="eu-central-1"), _problems, _signing, _ADDRESS)
"""Any model that Bedrock's `Converse` has."""
