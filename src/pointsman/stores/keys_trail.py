"""Keys, teams and orgs against their trail: whether the tables hold what the log's records say that they were made and changed to.

A change that leaves no record, past the program and its triggers, shows here. Records of versions that told less are believed in what they
do not tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pointsman.core.tenancy import Org, Team
from pointsman.stores.keys import Key
from pointsman.stores.keys_schema import OF_TENANCY
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite_keys import KEYS, ORGS, TEAMS, told_of

_TRAIL = "SELECT seq, kind, decision, body FROM log WHERE " + OF_TENANCY + " ORDER BY seq"  # noqa: S608  a constant
_CHANGES: Final = frozenset({"created", "changed", "revoked", "rotated", "closed"})
_BEFORE_ORGS: Final = "default"
"""The org that a file from before there were orgs was given, with its teams, without a record."""
_NEW: Final = {"key": told_of(Key("", b"", 0)), "team": told_of(Team("", "", 0)), "org": told_of(Org("", 0))}
"""What is not told of a new one is as here."""

Name = tuple[str, ...]
"""Kind and ids."""


@dataclass(slots=True)
class _Known:
    """What the trail says of one thing."""

    seq: int  #: of the last record
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What a comparison found."""

    compared: int  #: keys, teams and orgs
    wrong: tuple[str, ...]  #: a sentence for each that is not as its trail says

    @property
    def ok(self) -> bool:
        """Whether all are."""
        return not self.wrong


def compare(path: Path) -> Tenancy:
    """Compare the tables of a log file with its records. Raises `RecordError` where it cannot be read."""
    file = LogFile(path)
    try:
        if not file.rows("SELECT 1 FROM sqlite_master WHERE name = 'teams'"):
            return Tenancy(0, ())  # a file from before there were orgs, which no gateway has opened since
        file.rows("BEGIN")  # one moment of the file: the gateway may be writing it
        trail, kept = file.rows(_TRAIL), dict(_kept(file))
    finally:
        file.close()
    known, wrong = _told(trail)
    return Tenancy(len(kept), (*wrong, *_differences(known, kept)))


def _kept(file: LogFile) -> Iterator[tuple[Name, dict[str, Any]]]:
    for key, _ in KEYS.select(file, ""):
        yield ("key", key.id), _as_json(told_of(key) | {"org": key.org, "team": key.team})
    for team, _ in TEAMS.select(file, ""):
        yield ("team", team.org, team.id), _as_json(told_of(team))
    for org, _ in ORGS.select(file, ""):
        yield ("org", org.id), _as_json(told_of(org))


def _as_json(told: Mapping[str, Any]) -> dict[str, Any]:
    """As the log gives it back: tuples are lists."""
    read: dict[str, Any] = json.loads(json.dumps(told))
    return read


def _told(trail: list[tuple[int, str, str, bytes]]) -> tuple[dict[Name, _Known], list[str]]:
    """What the trail says that there is; and where it contradicts itself, for something was changed between two of its records."""
    known: dict[Name, _Known] = {}
    wrong: list[str] = []
    for seq, kind, own, raw in trail:
        if (body := _body(raw)) is None:
            wrong.append(f"{kind} `{own}`: record {seq} cannot be read")
            continue
        if body.get("event") not in _CHANGES:
            continue
        name = (kind, str(body.get("org", _BEFORE_ORGS)), own) if kind == "team" else (kind, own)
        found = known.setdefault(name, _Known(seq))
        found.seq = seq
        if body["event"] == "created":
            found.fields = _created(kind, body)
        for part, value in (body.get("was") or {}).items():
            if found.fields.get(part, value) != value:
                wrong.append(f"{_named(name)}: record {seq} found `{part}` changed, and no record says by whom")
        found.fields |= (body.get("set") or {}) if body["event"] != "created" else {}
    return known, wrong


def _created(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if "set" not in body:
        return {}  # a version that told less
    told: dict[str, Any] = _as_json(_NEW[kind]) | body["set"]
    if kind == "key":
        told |= {"org": body.get("org"), "team": body.get("team")}
        if "secret_mark" not in body["set"]:
            del told["secret_mark"], told["old_secret_mark"]
    return told


def _body(raw: bytes) -> dict[str, Any] | None:
    try:
        body: dict[str, Any] = dict(json.loads(raw))
    except (ValueError, TypeError):
        return None
    return body if all(isinstance(body.get(name) or {}, dict) for name in ("set", "was")) else None


def _differences(known: Mapping[Name, _Known], kept: Mapping[Name, Mapping[str, Any]]) -> Iterator[str]:
    for name, told in known.items():
        if name not in kept:
            yield f"{_named(name)}: record {told.seq} tells of it, and it is not there"
            continue
        if changed := [part for part, value in told.fields.items() if kept[name].get(part) != value]:
            parts = ", ".join(f"`{part}`" for part in changed)
            yield f"{_named(name)}: {parts} not as the last record about it, {told.seq}, says: changed past the program"
    for name in kept:
        if name not in known and (name[0] == "key" or name[1] != _BEFORE_ORGS):
            yield f"{_named(name)}: is there, and no record says who made it"


def _named(name: Name) -> str:
    kind, *ids = name
    return f"{kind} `{'/'.join(ids)}`"
