"""Models of clouds that are asked in the cloud's own format: where they are must be what the file says it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem, short
from pointsman.config.providers import AWS_REGION, BEDROCK, CLOUDS, LOCAL, PROVIDERS, VERTEX, aws_place

Problems = Iterator[Problem]

_PROFILE = re.compile(r"(?:^|/)(global|apac|[a-z]{2}(?:-[a-z]+)?)\.")  # makers of models have longer names
_ARN = re.compile(r"arn:[a-z-]+:bedrock:([a-z0-9-]+):")
_LOCATION = re.compile(r"/projects/[^/]+/locations/([a-z0-9-]+)(?=/|$)")
_VERTEX_HOST = re.compile(r"(?:([a-z0-9-]+)-)?aiplatform(?:\.([a-z]+)\.rep|\.mtls|-[a-z0-9-]+\.p)?\.googleapis\.com\.?")
_EUROPE = ("eu", "europe")
_AREAS = {  # those that are not how the names of their regions begin
    "eu": _EUROPE,
    "europe": _EUROPE,
    "apac": ("ap", "asia", "australia"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4", "australia"),
}
# Examples of an area's regions.
_REGION_OF = {"us": "us-east-1", "us-gov": "us-gov-west-1", "ca": "ca-central-1"}
_REGION_OF |= {"apac": "ap-southeast-2", "jp": "ap-northeast-1", "au": "ap-southeast-2"}
_NOT_GOOGLES = "sends a token of Google's, which is for nobody else: it needs a host of `googleapis.com`, or one of this network"
_LIBRARIES = {"aws": ("botocore",), "google": ("google.auth", "requests")}  # what the extras of these names bring


def cloud_problems(model: ModelConfig, path: Path) -> Problems:
    """What is wrong with a model of a cloud, beside what may be with any."""
    if model.apis not in ((), ("messages",)):
        yield Problem((*path, "apis"), f"provider `{model.provider}` is asked in `messages`, whatever API clients speak: leave it out")
    if "embed" in (model.model or model.id).lower():
        yield Problem(path, f"provider `{model.provider}` is asked for answers, and has no embeddings here")
    yield from _bedrock(model, path) if model.provider == BEDROCK else _vertex(model, path)


def signing_problems(model: ModelConfig, path: Path) -> Problems:
    """Of a model of any other provider: signatures are for one service in one region, tokens for one cloud."""
    place = aws_place(model.base_url)
    if model.auth == "aws" and place is None:
        what = "needs a `base_url` of Bedrock, such as `https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1`"
        yield Problem((*path, "auth"), f"`aws` {what}")
    if place is not None:
        yield from _profile(model, path, stated=True, placed=True)
        yield from _asked_in(place.region, model, path)
    known = PROVIDERS.get(model.provider)
    url = urlsplit(model.base_url or ("" if known is None else known.base_url))
    if model.auth == "google" and url.hostname and not _is_googles(url.hostname):
        yield Problem((*path, "auth"), f"`google` {_NOT_GOOGLES}")
    elif (model.auth == "google" or _VERTEX_HOST.fullmatch(url.hostname or "")) and (found := _LOCATION.search(url.path)):
        yield from _location(model, found[1], path)


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
    found, region = aws_place(model.base_url), model.region.lower()
    stated = AWS_REGION.fullmatch(region) is not None
    if urlsplit(model.base_url).path.rstrip("/").endswith("/v1") or (found and found.service != "bedrock"):
        what = "is where Bedrock speaks other APIs: write the host of `bedrock-runtime` alone, or `provider: openai-compatible`"
        yield Problem((*path, "base_url"), what)
    if found is None and re.search(r"bedrock.*\.(?:amazonaws|api\.aws)\.?\b", urlsplit(model.base_url).hostname or ""):
        yield Problem((*path, "base_url"), f"is no host of Bedrock's: write it like `{_address('eu-central-1')}`")
    placed = bool(found or (model.base_url and model.api_key and model.auth == "key"))
    yield from _profile(model, path, stated=stated, placed=placed)
    yield from _asked_in(found.region if found else region if stated else "", model, path)
    if not _area(model) and not placed and not stated:
        what = f"a `region` of AWS such as `eu-central-1`, or beside any other `base_url: {_address('eu-central-1')}`"
        yield Problem(path, f"provider `{BEDROCK}` needs {what}")


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
        fits = stated and (area == "global" or _is_in(model.region.lower(), area))
        asked = _address(model.region.lower() if fits else _REGION_OF.get(area, "eu-central-1"))
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
        yield from _claim(model, place, path)


def _address(region: str) -> str:
    return f"https://bedrock-runtime.{region}.amazonaws.com"


def _vertex(model: ModelConfig, path: Path) -> Problems:
    if "claude" not in (model.model or model.id).lower():
        cure = "write `provider: openai-compatible`, `auth: google` and a `base_url` that ends in `/endpoints/openapi`"
        yield Problem((*path, "model") if model.model else path, f"provider `{VERTEX}` has Claude only: for Gemini and others {cure}")
    if model.auth == "aws" or model.api_key:
        yield Problem((*path, "auth" if model.auth == "aws" else "api_key"), f"provider `{VERTEX}` takes a token of Google's: leave it out")
    url = urlsplit(model.base_url)
    if (found := _LOCATION.search(url.path)) is None or url.path[found.end() :] not in ("", "/"):
        what = "`https://<location>-aiplatform.googleapis.com/v1/projects/<project>/locations/<location>`"
        yield Problem(path, f"provider `{VERTEX}` needs a `base_url` such as {what}")
    elif not _is_googles(url.hostname or ""):
        yield Problem((*path, "base_url"), f"provider `{VERTEX}` {_NOT_GOOGLES}")
    else:
        yield from _location(model, found[1], path)


def _is_googles(host: str) -> bool:
    """Google's own, or a private one: a proxy, or what stands in its place in tests."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.rstrip(".").endswith((".googleapis.com", ".localhost", ".internal", ".local"))


def _location(model: ModelConfig, location: str, path: Path) -> Problems:
    host = _VERTEX_HOST.fullmatch(urlsplit(model.base_url).hostname or "")
    at_host = "" if host is None else host[1] or host[2] or ("" if ".p." in host[0] else "global")
    if at_host not in ("", location):
        yield Problem((*path, "base_url"), f"has a host of `{at_host}` and a path of location `{location}`: write the same in both")
    elif location == "global" and model.region:
        yield Problem((*path, "region"), "location `global` may answer from anywhere: leave `region` out")
    else:
        yield from _claim(model, location, path)


def _claim(model: ModelConfig, place: str, path: Path) -> Problems:
    """What `region` states must be where the model is asked, or an area that this is in."""
    if model.region and not _is_in(place, model.region.lower()):
        leads = "`base_url`" if model.base_url else "its ARN"
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where {leads} leads, which is `{place}`")


def _is_in(place: str, area: str) -> bool:
    return any(f"{place}-".startswith(f"{start}-") for start in _AREAS.get(area, (area,)))
