"""Models of clouds, and those whose calls prove who calls as a cloud's do."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pointsman.config.cloud import Problems
from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem, short
from pointsman.config.providers import CLOUDS, LOCAL, PROVIDERS

_LIBRARIES = {"aws": ("botocore",), "google": ("google.auth", "requests")}  # what the extras of these names bring


def cloud_problems(model: ModelConfig, path: Path) -> Problems:
    """What is wrong with a model of a cloud, beside what may be with any."""
    if model.apis not in ((), ("messages",)):
        yield Problem((*path, "apis"), f"provider `{model.provider}` is asked in `messages`, whatever API clients speak: leave it out")
    if "embed" in (model.model or model.id).lower():
        yield Problem(path, f"provider `{model.provider}` is asked for answers, and has no embeddings here")
    yield from CLOUDS[model.provider].problems(model, path)


def signing_problems(model: ModelConfig, path: Path) -> Problems:
    """Of a model of any other provider: signatures are for one service in one region, tokens for one cloud."""
    known = PROVIDERS.get(model.provider)
    url = model.base_url or ("" if known is None else known.base_url)
    for cloud in CLOUDS.values():
        yield from cloud.signing(model, url, path)


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
    if (cloud := CLOUDS.get(model.provider)) is not None:
        return cloud.auth  # even with a key: answers are taken apart by it
    return "" if model.auth == "key" else model.auth


def _said(model: ModelConfig) -> str:
    return f"`provider: {model.provider}`" if model.provider in CLOUDS else f"`auth: {model.auth}`"


def _installed(extra: str) -> bool:
    try:
        return all(find_spec(name) for name in _LIBRARIES[extra])
    except ModuleNotFoundError:  # nor is what `google.auth` is part of
        return False
