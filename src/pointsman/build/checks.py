"""Checks of answers that are the user's own."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.config.check_plans import own_check
from pointsman.config.schema import Config
from pointsman.plans.checks import Check
from pointsman.plans.checks.own import installed


def own_checks(config: Config) -> Mapping[str, Check]:
    """Those of the configuration, and those that installed packages offer. Raises `ConfigError` where one cannot be made."""
    return {**installed(), **{name: own_check(name, check) for name, check in config.checks.items()}}
