"""What each endpoint of the admin API does, and how what it speaks of looks as JSON. Who sees which field is not decided here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from pointsman.core.request import Caller
from pointsman.core.tenancy import EVERYWHERE, RIGHTS, Org, Rights, Scope, Team
from pointsman.errors import RequestError
from pointsman.server.admin_fields import EVERYBODY, KEY, Field
from pointsman.server.administration import Administration
from pointsman.server.tables import Asked, page
from pointsman.stores.keys import Key, KeyLookup
from pointsman.stores.sqlite_keys import Event

_TOLD: Final = ("event", "by", "as_role", "org", "team", "key", "set", "was", "endpoint", "param", "aimed")

ME: Final = {**KEY, "effective": Field(read=EVERYBODY)}


async def me(on: Administration, ask: Asked) -> dict[str, Any]:
    """The asker's own key."""
    who = on.authority(ask.by)
    holder = None if who.role == "root" else on.keys.look_up(who.key)
    if holder is None:
        return {"object": "key", "id": who.key, "role": who.role, "org": "", "team": "", "effective": _held(who.rights)}
    return {**key_json(holder.key, on.keys), "effective": _held(holder.caller)}


async def keys(on: Administration, ask: Asked) -> dict[str, Any]:
    """A page of keys."""
    limit, wanted = ask.limit(), Scope(ask.query.get("org", ""), ask.query.get("team", ""))
    if wanted.team and not wanted.org:
        raise RequestError("`team` needs `org`: a team's id is unique within its org only", param="team")
    within = _narrower(on.authority(ask.by).scope, wanted)
    after = _moment_and_id(ask.query.get("after", ""))
    found = [] if within is None else await on.keys.list_keys(within, limit + 1, after)
    return page([key_json(key, on.keys) for key in found], limit, [f"{key.created_at_ns}.{key.id}" for key in found])


async def create_key(on: Administration, ask: Asked) -> dict[str, Any]:
    """A new key with its text."""
    key, text = await on.create_key(on.authority(ask.by), ask.values)
    return {**key_json(key, on.keys), "key": text}


async def key(on: Administration, ask: Asked) -> dict[str, Any]:
    """One key."""
    return key_json(await on.key(on.authority(ask.by), ask.path["key"]), on.keys)


async def change_key(on: Administration, ask: Asked) -> dict[str, Any]:
    """A key as changed."""
    return key_json(await on.change_key(on.authority(ask.by), ask.path["key"], ask.values), on.keys)


async def revoke_key(on: Administration, ask: Asked) -> dict[str, Any]:
    """A key as revoked."""
    return key_json(await on.revoke_key(on.authority(ask.by), ask.path["key"]), on.keys)


async def rotate_key(on: Administration, ask: Asked) -> dict[str, Any]:
    """A key with its new text."""
    key, text = await on.rotate_key(on.authority(ask.by), ask.path["key"], ask.values.get("grace_s", 0))
    return {**key_json(key, on.keys), "key": text}


async def orgs(on: Administration, ask: Asked) -> dict[str, Any]:
    """A page of orgs."""
    limit, within = ask.limit(), on.authority(ask.by).scope
    found = [] if within.team else await on.keys.list_orgs(within, limit + 1, ask.query.get("after", ""))
    return page([place_json(org) for org in found], limit, [org.id for org in found])


async def teams(on: Administration, ask: Asked) -> dict[str, Any]:
    """A page of teams; of somebody else's org none, as of one that does not exist."""
    limit, within = ask.limit(), _narrower(on.authority(ask.by).scope, Scope(ask.path["org"]))
    found = [] if within is None else await on.keys.list_teams(within, limit + 1, ask.query.get("after", ""))
    return page([place_json(team) for team in found], limit, [team.id for team in found])


async def create_place(on: Administration, ask: Asked) -> dict[str, Any]:
    """A new org, or a new team of the org in the path."""
    return place_json(await on.create_place(on.authority(ask.by), ask.path.get("org", ""), ask.values))


async def place(on: Administration, ask: Asked) -> dict[str, Any]:
    """The org or team of the path."""
    return place_json(await on.place(on.authority(ask.by), Scope(**ask.path)))


async def change_place(on: Administration, ask: Asked) -> dict[str, Any]:
    """An org or a team as changed."""
    return place_json(await on.change_place(on.authority(ask.by), Scope(**ask.path), ask.values))


async def close_place(on: Administration, ask: Asked) -> dict[str, Any]:
    """An org or a team as closed."""
    return place_json(await on.close_place(on.authority(ask.by), Scope(**ask.path)))


async def trail(on: Administration, ask: Asked) -> dict[str, Any]:
    """A page of the trail."""
    limit, after = ask.limit(), ask.query.get("after", "")
    if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise RequestError("`after` takes what a page said under `next`", param="after")
    found = await on.keys.trail(on.authority(ask.by).scope, limit + 1, int(after) if after else None)
    return page([event_json(event) for event in found], limit, [str(event.number) for event in found])


def key_json(key: Key, lookup: KeyLookup) -> dict[str, Any]:
    """A key without its hashes. `lookup` says whether its team and org are open."""
    now_ns = time.time_ns()
    told = {name: getattr(key, name) for name in ("id", "name", "org", "team", "role", *RIGHTS, "metadata", "created_by")}
    times = {"created_at": key.created_at_ns, "expires_at": key.expires_at_ns, "revoked_at": key.revoked_at_ns}
    until = key.old_until_ns if key.old_hash is not None and key.old_until_ns > now_ns else None
    return {"object": "key", **told, **_seconds({**times, "old_secret_until": until}), "state": _state(key, lookup, now_ns)}


def _state(key: Key, lookup: KeyLookup, now_ns: int) -> str:
    if key.revoked_at_ns is not None:
        return "revoked"
    if key.refusal(now_ns) is not None:
        return "expired"
    holder = lookup.look_up(key.id)
    return "closed" if holder is not None and holder.until_ns == 0 else "active"


def place_json(found: Org | Team) -> dict[str, Any]:
    """An org or a team."""
    named = {"object": "org", "id": found.id} if isinstance(found, Org) else {"object": "team", "org": found.org, "id": found.id}
    told = {name: getattr(found, name) for name in ("name", *RIGHTS, "metadata", "created_by")}
    return {**named, **told, **_seconds({"created_at": found.created_at_ns, "closed_at": found.closed_at_ns})}


def event_json(event: Event) -> dict[str, Any]:
    """An entry of the trail. Those of earlier versions say less."""
    said: dict[str, Any] = {name: event.body.get(name) for name in _TOLD}
    changes = {name: None if said[name] is None else _as_fields(said[name]) for name in ("set", "was")}
    return {"object": event.kind, "number": event.number, "at": event.at_ns / 1e9, **said, **changes}


def _as_fields(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the store calls it as the API does: times in seconds.

    >>> _as_fields({"expires_at_ns": 5_000_000_000, "old_until_ns": 0, "closed_at_ns": None, "name": "ci"})
    {'expires_at': 5, 'old_secret_until': None, 'closed_at': None, 'name': 'ci'}
    """
    names = {name: "old_secret_until" if name == "old_until_ns" else name.removesuffix("_ns") for name in kept}
    return {names[name]: value if name == names[name] else value // 10**9 if value else None for name, value in kept.items()}


def _held(by: Rights | Caller) -> dict[str, Any]:
    return {name: getattr(by, name) for name in ("routes", "models", "labels", "allowed_labels")}


def _seconds(times: dict[str, int | None]) -> dict[str, int | None]:
    return {name: None if at_ns is None else at_ns // 10**9 for name, at_ns in times.items()}


def _moment_and_id(after: str) -> tuple[int, str]:
    if not after:
        return (-1, "")
    at_ns, _, key_id = after.partition(".")
    if not (at_ns.isascii() and at_ns.isdecimal() and len(at_ns) < 20 and int(at_ns) < 2**63):
        raise RequestError("`after` takes what a page said under `next`", param="after")
    return (int(at_ns), key_id)


def _narrower(held: Scope, wanted: Scope) -> Scope | None:
    """Their common part; `None` where there is none."""
    if held.covers(wanted):
        return wanted
    return held if wanted.covers(held) or wanted == EVERYWHERE else None
