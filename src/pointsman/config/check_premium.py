"""What caps on premium models may get wrong: shares that are none, names that lead nowhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from pointsman.config.check_rules import name_problems, scope_problems, warning
from pointsman.config.premium import PremiumShareConfig
from pointsman.config.problem import Path, Problem, short
from pointsman.config.schema import Config
from pointsman.core.premium import MOST_OVER, most_of
from pointsman.core.prices import per_mtok


def premium_problems(config: Config) -> Iterator[Problem]:
    """Of the list."""
    first: dict[str, int] = {}
    for at, cap in enumerate(config.premium_shares):
        path: Path = ("premium_shares", at)
        if (earlier := first.setdefault(cap.name, at)) != at:
            yield Problem((*path, "name"), f"`{short(cap.name)}` also names premium_shares[{earlier}]: they would count together")
        yield from _models(cap, config, path)
        yield from _share(cap, path)
        yield from scope_problems(cap.scope, config, (*path, "scope"))
        yield from _unrouted(cap, config, (*path, "scope", "routes"))
        if cap.per == "user" and all(other.per == "user" for other in config.premium_shares):
            said = "clients name their users as they like, and a new name begins anew: add a cap `per: key`"
            yield warning((*path, "per"), said)


def _models(cap: PremiumShareConfig, config: Config, path: Path) -> Iterator[Problem]:
    if not cap.models and cap.dearer_than_usd is None:
        yield Problem(path, "names no premium models: give `models` or `dearer_than_usd`")
    yield from name_problems(cap.models, {model.id for model in config.models}, (*path, "models"))
    try:
        per_mtok(cap.dearer_than_usd or 0)
    except ValueError as error:
        yield Problem((*path, "dearer_than_usd"), str(error))


def _share(cap: PremiumShareConfig, path: Path) -> Iterator[Problem]:
    place = (*path, "at_most")
    if cap.at_most == 0:
        yield Problem(place, "0 lets no request go to them: forbid the models by a policy, which is proved, or give a share")
    elif cap.at_most == 1:
        yield warning(place, "1 lets every request go to them: it holds nothing")
    elif not most_of(cap.at_most, cap.over):
        cure = f"let `over` be {ceil(1 / cap.at_most):,}" if most_of(cap.at_most, MOST_OVER) else "forbid the models by a policy"
        yield Problem(place, f"{cap.at_most:g} of {cap.over:,} requests is less than one: {cure}, or give a larger share")


def _unrouted(cap: PremiumShareConfig, config: Config, path: Path) -> Iterator[Problem]:
    ids = {model.id for model in config.models}
    for at, name in enumerate((cap.scope and cap.scope.routes) or ()):
        if name in ids:
            said = f"`{short(name)}` is a model: who asks for it by name is not routed and counts for no cap; keys say who may"
            yield Problem((*path, at), said)
