"""What a configuration says of sensitive data, at work: a search, and what is kept from which models."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.config.schema import Config
from pointsman.config.sensitivity import detection, recognisers
from pointsman.gateway.masking import Mask
from pointsman.signals.extract import Search
from pointsman.stores.digest_key import digest_key, read_digest_key
from pointsman.stores.places import Places

if TYPE_CHECKING:
    from pointsman.signals.sensitivity.detect import Detector, Settings

_MOST_MASKED = 1_000  # values of one recogniser; where there are more the request is not masked but refused


def search_of(config: Config, *, offline: bool = False) -> Search | None:
    """What looks for sensitive data; `None`: nothing does. Raises `ConfigError`.

    `offline`: nothing is written, so digests are those of the log only if there is a key already.
    """
    if not detection(config).on:
        return None
    path = Places.of(Path(config.store.path)).digest_key
    key = (read_digest_key(path) or secrets.token_bytes(32)) if offline else digest_key(path)
    return Search(_detector(settings_of(config)), key, config.sensitivity.unreadable)


def settings_of(config: Config) -> Settings:
    """What is looked for, and how far."""
    from pointsman.signals.sensitivity.detect import Settings

    said = config.sensitivity
    defaults = Settings()
    return Settings(
        recognisers=recognisers(config),
        least_confidence=said.least_confidence,
        most_chars=said.most_chars,
        most_findings=_MOST_MASKED if said.mask.kinds else defaults.most_findings,
        most_misses=said.most_misses,
    )


def mask_of(config: Config, search: Search | None) -> Mask | None:
    """What is kept from which models; `None`: nothing is."""
    said = config.sensitivity.mask
    return Mask(frozenset(said.kinds), frozenset(said.perimeters), search) if search is not None and said.kinds else None


@lru_cache(maxsize=2)
def _detector(settings: Settings) -> Detector:
    # It takes some tenths of a second, and most configurations that follow another look for the same.
    from pointsman.signals.sensitivity.detect import Detector

    return Detector(settings)
