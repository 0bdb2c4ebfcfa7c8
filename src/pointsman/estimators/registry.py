"""The learners that can be named: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Learner

LEARNERS: Mapping[str, str] = {}
"""Name -> `module:attribute`; what stands there is called without arguments and gives the learner. Imported when it is asked for."""


def learner(name: str) -> Learner:
    """The learner of that name, or of that `module:attribute`. Raises `ConfigError` for any other."""
    place = LEARNERS.get(name, name)
    module, _, attribute = place.partition(":")
    try:
        made: Learner = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(LEARNERS) or "none"
        raise ConfigError(f"`{name}` is no learner: {error}: name one of {known}, or write module:attribute") from error
    return made
