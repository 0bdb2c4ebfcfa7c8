"""Google's Vertex AI: where its models are, which must be what the file says it is, and who gets a token."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pointsman.config.cloud import Cloud, Problems, claim_problems
from pointsman.config.hosts import address_of
from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem

_ADDRESS = "https://<location>-aiplatform.googleapis.com/v1/projects/<project>/locations/<location>"
_LOCATION = re.compile(r"/projects/[^/]+/locations/([a-z0-9-]+)(?=/|$)")
_PLAIN = re.compile(r"(?:/[a-z0-9][a-z0-9.:_-]*)*/?")  # a path that servers read as it stands
_HOST = re.compile(r"(?:([a-z0-9-]+)-)?aiplatform(?:\.([a-z0-9-]+)\.rep|\.mtls|-[a-z0-9-]+\.p)?\.googleapis\.com\.?")
_NOT_GOOGLES = (
    "sends a token of Google's, which is for nobody else: it needs a host of `googleapis.com`, "
    "or one of this network: a private address, `localhost`, or a name that ends in `.internal` or `.local`"
)


def _problems(model: ModelConfig, path: Path) -> Problems:
    if "claude" not in (model.model or model.id).lower():
        cure = "write `provider: openai-compatible`, `auth: google` and a `base_url` that ends in `/endpoints/openapi`"
        yield Problem((*path, "model") if model.model else path, f"provider `{VERTEX.id}` has Claude only: for Gemini and others {cure}")
    if (wrong := model.auth not in ("key", "google")) or model.api_key:
        yield Problem((*path, "auth" if wrong else "api_key"), f"provider `{VERTEX.id}` takes a token of Google's: leave it out")
    url = urlsplit(model.base_url)
    if (found := _LOCATION.search(url.path)) is None or url.path[found.end() :] not in ("", "/"):
        yield Problem(path, f"provider `{VERTEX.id}` needs a `base_url` such as `{VERTEX.like}`")
    elif not _is_googles(url.hostname or ""):
        yield Problem((*path, "base_url"), f"provider `{VERTEX.id}` {_NOT_GOOGLES}")
    else:
        yield from _location(model, url, path)


def _signing(model: ModelConfig, url: str, path: Path) -> Problems:
    """Tokens are for one cloud."""
    asked = urlsplit(url)
    host = asked.hostname or ""
    if model.auth == "google" and host and not _is_googles(host):
        yield Problem((*path, "auth"), f"`google` {_NOT_GOOGLES}")
    elif model.auth == "google" or ("aiplatform" in host and _is_googleapis(host)):
        yield from _location(model, asked, path)


def _is_googles(host: str) -> bool:
    """Google's own, or a private one: a proxy, or what stands in its place in tests. A single word may be a country's name."""
    if (address := address_of(host)) is not None:
        return address.is_private
    return _is_googleapis(host) or f".{host.rstrip('.')}".endswith((".localhost", ".internal", ".local"))


def _is_googleapis(host: str) -> bool:
    return host.rstrip(".").endswith(".googleapis.com")


def _location(model: ModelConfig, url: SplitResult, path: Path) -> Problems:
    """Host and path name one location, in which `region` is."""
    host = url.hostname or ""
    found, in_path = _HOST.fullmatch(host), _LOCATION.search(url.path)
    at_host = "" if found is None else found[1] or found[2] or ("" if ".p." in found[0] else "global")
    location = in_path[1] if in_path else at_host
    if found is None and _is_googleapis(host) and (model.provider == VERTEX.id or "aiplatform" in host):
        yield Problem((*path, "base_url"), f"is no host of Vertex AI's: write it like `{VERTEX.like}`")
    elif model.region and not _PLAIN.fullmatch(url.path):
        what = "a path of other than small letters, figures and single `/`, which could lead elsewhere than `region`"
        yield Problem((*path, "base_url"), f"has {what}: write it like `{VERTEX.like}`")
    elif at_host not in ("", location):
        yield Problem((*path, "base_url"), f"has a host of `{at_host}` and a path of location `{location}`: write the same in both")
    elif location == "global" and model.region:
        yield Problem((*path, "region"), "location `global` may answer from anywhere: leave `region` out")
    elif location:
        yield from claim_problems(model, location, path)


VERTEX: Final = Cloud("vertex", "google", "google", _ADDRESS, _problems, _signing)
"""Claude on Vertex AI."""
