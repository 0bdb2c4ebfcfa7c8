"""What is known of a cloud that is asked in a format of its own, and what a model may claim of where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pointsman.config.models import ModelConfig
from pointsman.config.problem import Path, Problem, short

Problems = Iterator[Problem]

_EUROPE = ("eu", "europe")
_AREAS = {  # those that are not how the names of their regions begin
    "eu": _EUROPE,
    "europe": _EUROPE,
    "apac": ("ap", "asia", "australia"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4", "australia"),
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud: Messages is translated into its format."""

    id: str
    prices: str  #: its name in the price catalogue
    auth: Literal["aws", "google"]  #: how its models' calls prove who calls, unless an `api_key` does
    like: str  #: an address as it has to be written
    problems: Callable[[ModelConfig, Path], Problems]  #: of a model of its own
    signing: Callable[[ModelConfig, str, Path], Problems]  #: of a model of any other provider, and its base URL
    base_url: str = ""  #: of a model that names none, with `{region}` for the model's; empty: each has to name one


def claim_problems(model: ModelConfig, place: str, path: Path) -> Problems:
    """What `region` states must be where the model is asked, or an area that this is in."""
    if model.region and not is_in(place, model.region.lower()):
        leads = "`base_url`" if model.base_url else "its ARN"
        yield Problem((*path, "region"), f"`{short(model.region)}` is not where {leads} leads, which is `{place}`")


def is_in(place: str, area: str) -> bool:
    """Whether a region is the other one, or in it.

    >>> is_in("europe-west1", "eu"), is_in("us-east-1", "us-east"), is_in("us-east-1", "u")
    (True, True, False)
    """
    return any(f"{place}-".startswith(f"{start}-") for start in _AREAS.get(area, (area,)))
