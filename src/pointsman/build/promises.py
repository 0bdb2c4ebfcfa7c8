"""Promises of a configuration, and tests of its policies: proved from what could be reached, without traffic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.build.snapshot import requirement, scope_of
from pointsman.config.policies import ForbidConfig, PolicyTestConfig, PromiseConfig, RequireConfig
from pointsman.config.schema import Config
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError
from pointsman.gateway import Inquiry, World, decide_request
from pointsman.policy.matrix import BY_NAME, Cell, Who, meant, whoever
from pointsman.policy.reach import Hole, broken_by, counts, holes, reach, reach_by_name


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise or a test that does not hold, and where."""

    name: str
    route: str
    who: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.name}` is broken on `{self.route}` for {self.who}: {self.reason}"


def broken_promises(config: Config, snapshot: Snapshot) -> list[Broken]:
    """Every promise that the policies do not keep, with one model that breaks it on each route."""
    return [broken for promise in config.promises for broken in _broken(promise, snapshot)]


def refuse_broken_promises(config: Config, snapshot: Snapshot) -> None:
    """Raise `ConfigError` where the policies do not keep what the configuration promises."""
    if broken := broken_promises(config, snapshot):
        raise ConfigError("\n".join(f"promise {each}" for each in broken))


class Verdict(NamedTuple):
    """A policy, promise or test, and what is to be said of it. Not `ok`: each sentence says what is wrong."""

    name: str
    ok: bool
    said: tuple[str, ...]


def policies_seen(snapshot: Snapshot) -> list[Verdict]:
    """Each policy: whether more labels turn it off, and whether a proof can rest on it."""
    found = {hole.policy: hole for hole in holes(snapshot)}
    return [
        Verdict(policy.name, ok=False, said=(_told(found[policy.name]),))
        if policy.name in found
        else Verdict(policy.name, ok=True, said=(_COUNTS if counts(snapshot, policy) else _COUNTS_NOT,))
        for policy in snapshot.policies
    ]


_COUNTS = "proofs rest on it"
_COUNTS_NOT = "it refuses, but no proof rests on it: more than labels decides when it applies"


def promises_seen(config: Config, snapshot: Snapshot) -> list[Verdict]:
    """Each promise: proved, or where it is broken."""
    return [_verdict(promise.name, _broken(promise, snapshot), "proved") for promise in config.promises]


def tests_seen(tests: Iterable[PolicyTestConfig], world: World) -> list[Verdict]:
    """Each test: held, or where it fails."""
    return [_verdict(test.name, _failed(test, world), "held") for test in tests]


def _verdict(name: str, broken: Iterable[Broken], well: str) -> Verdict:
    said = tuple(map(str, broken))
    return Verdict(name, ok=not said, said=said or (well,))


def _broken(promise: PromiseConfig, snapshot: Snapshot) -> Iterator[Broken]:
    scope = scope_of(promise.scope)
    routes = None if scope is None else scope.routes
    for who in meant(scope):
        yield from _beyond(promise.name, _cells(snapshot, routes, promise.labels, who), promise.only, promise.never, snapshot)


def _cells(snapshot: Snapshot, routes: tuple[str, ...] | None, labels: tuple[str, ...], who: Who) -> Iterator[Cell]:
    carried = ", ".join(labels)
    for name in snapshot.routes if routes is None else routes:
        route = snapshot.route(name)
        assert route is not None
        yield Cell(name, carried, who.name, reach(snapshot, route, labels, who.caller))
    if routes is None:
        yield Cell(BY_NAME, carried, who.name, reach_by_name(snapshot, labels, who.caller))


def _beyond(
    name: str, cells: Iterable[Cell], only: RequireConfig | None, never: ForbidConfig | None, snapshot: Snapshot
) -> Iterator[Broken]:
    for cell in cells:
        reasons = ((model, broken_by(snapshot, model, "it", requirement(only), requirement(never))) for model in cell.models)
        found = next(((model, reason) for model, reason in reasons if reason is not None), None)
        if found is not None:
            yield Broken(name, cell.route, cell.who, f"`{found[0]}` is within reach: {found[1]}")


def _failed(test: PolicyTestConfig, world: World) -> Iterator[Broken]:
    snapshot = world.snapshot
    who = whoever(test.org, test.team, test.key)
    cells = list(_cells(snapshot, (test.route,) if test.route else None, test.labels, who))
    yield from _beyond(test.name, cells, test.only, test.never, snapshot)
    if test.refused:
        yield from (Broken(test.name, c.route, c.who, f"`{c.models[0]}` is within reach") for c in cells if c.models)
    if test.reaches:
        body = {"model": test.route, "messages": [{"role": "user", "content": "hello"}]}
        inquiry = Inquiry(json.dumps(body).encode(), who.caller or Caller(), {"x-pointsman-labels": ",".join(test.labels)})
        decision = decide_request(inquiry, world)
        for candidate in decision.candidates:
            if candidate.model in test.reaches and candidate.verdicts:
                yield Broken(test.name, test.route, who.name, f"`{candidate.model}` is refused: {candidate.verdicts[0].reason}")
        for model in sorted(set(test.reaches) - {candidate.model for candidate in decision.candidates}):
            yield Broken(test.name, test.route, who.name, f"`{model}` is no candidate of this route")


def _told(hole: Hole) -> str:
    holds = ", ".join(hole.holds) or "no label"
    return f"policy `{hole.policy}` is turned off by more labels: it applies with {holds}, not once `{hole.added}` is added"
