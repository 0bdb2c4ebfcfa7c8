"""Kinds of settings that several parts of the configuration share."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta


def says(text: str) -> Meta:
    """What a setting means: shown in the schema and in the manual."""
    return Meta(description=text)


Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
HUMAN: Final = "human"  #: in a chain: a person is asked
Seconds = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
