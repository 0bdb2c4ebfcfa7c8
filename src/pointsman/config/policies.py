"""Policies, what they are to achieve, and tests of both, as files say them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pointsman.config.kinds import Name, says


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbidConfig:
    """Attributes of which a model may have none."""

    perimeter: Annotated[tuple[str, ...] | None, says("refused perimeters")] = None
    region: Annotated[tuple[str, ...] | None, says("refused regions")] = None
    provider: Annotated[tuple[str, ...] | None, says("refused providers")] = None
    model: Annotated[tuple[str, ...] | None, says("refused models")] = None
    tags: Annotated[tuple[str, ...] | None, says("refused tags")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireConfig:
    """Attributes a model must have: every field given, with one of its values."""

    perimeter: Annotated[tuple[str, ...] | None, says("accepted perimeters")] = None
    region: Annotated[tuple[str, ...] | None, says("accepted regions")] = None
    provider: Annotated[tuple[str, ...] | None, says("accepted providers")] = None
    model: Annotated[tuple[str, ...] | None, says("accepted models")] = None
    approved: Annotated[Literal[True] | None, says("`true`: approved models only")] = None
    tags: Annotated[tuple[str, ...] | None, says("tags that must all be present")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeConfig:
    """Whose requests, on which routes. What is given must all fit."""

    routes: Annotated[tuple[str, ...] | None, says("routes, and models asked for by name; default: all")] = None
    orgs: Annotated[tuple[str, ...] | None, says("orgs of the caller's key; default: all")] = None
    teams: Annotated[tuple[str, ...] | None, says("teams of the caller's key; default: all")] = None
    keys: Annotated[tuple[str, ...] | None, says("ids of keys; default: all")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """A hard rule for every call made for a request."""

    name: Annotated[Name, says("shown in every refusal")]
    when: Annotated[str, says("CEL condition; empty: always. If it cannot be evaluated the policy applies")] = ""
    require: Annotated[RequireConfig | None, says("what models must have")] = None
    forbid: Annotated[ForbidConfig | None, says("what models must not have")] = None
    scope: Annotated[ScopeConfig | None, says("whose requests it is for; default: everybody's, on every route")] = None
    fail: Annotated[
        Literal["closed", "open"],
        says("what a condition that cannot be evaluated counts as: `closed`, as holding; `open`, as not holding, which `check` points out"),
    ] = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseConfig:
    """What the policies together are to achieve. It is proved before a configuration comes into force, and refuses nothing by itself."""

    name: Annotated[Name, says("shown where it is broken")]
    labels: Annotated[tuple[str, ...], says("for requests that carry at least these; default: for all")] = ()
    scope: Annotated[ScopeConfig | None, says("whose requests it is about; default: everybody's, on every route")] = None
    only: Annotated[RequireConfig | None, says("what every model must have that such a request could reach")] = None
    never: Annotated[ForbidConfig | None, says("what none of them may have")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTestConfig:
    """A request, and where it may go. `only`, `never` and `refused` are proved for every such request, `reaches` is tried with one."""

    name: Annotated[Name, says("shown where it fails")]
    route: Annotated[str, says("route or model that is asked for; empty: each of them")] = ""
    labels: Annotated[tuple[str, ...], says("labels that it carries, at least")] = ()
    key: Annotated[str, says("id of the caller's key; empty: any")] = ""
    team: Annotated[str, says("team of the caller's key; empty: any")] = ""
    org: Annotated[str, says("org of the caller's key; empty: any")] = ""
    only: Annotated[RequireConfig | None, says("what every model must have that it could reach")] = None
    never: Annotated[ForbidConfig | None, says("what none of them may have")] = None
    reaches: Annotated[tuple[str, ...], says("models that must be open to it")] = ()
    refused: Annotated[bool, says("no model may be open to it")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTests:
    """A file of policy tests, for `pointsman check --tests`."""

    version: Annotated[Literal[1], says("version of this format")]
    tests: Annotated[tuple[PolicyTestConfig, ...], says("the tests")]
