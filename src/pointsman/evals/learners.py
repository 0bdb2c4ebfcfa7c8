"""The learners that can be named: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pointsman.errors import ConfigError
from pointsman.estimators.blend import Blend
from pointsman.estimators.learned import Learner
from pointsman.estimators.mixing import Settings
from pointsman.signals.embedding import shipped

LEARNERS: Mapping[str, str] = {
    "blend": "pointsman.evals.learners:blend",
    "blend-untagged": "pointsman.evals.learners:blend_untagged",
    "learned-table": "pointsman.estimators.table:Table",
}
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


def blend() -> Learner:
    """What `pointsman train quality` fits."""
    return Blend(shipped())


def blend_untagged() -> Learner:
    """The same without task tags: by the prompt alone."""
    return Blend(shipped(), Settings(tasks=False), "blend-untagged")
