"""Managing orgs, teams and keys: what an authority asks for is checked against what it may, and done. The command line does it as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from pointsman.core.authority import Authority, no_such_place
from pointsman.core.request import Caller
from pointsman.core.tenancy import RIGHTS, Org, Rights, Scope, Team
from pointsman.errors import AuthenticationError, Forbidden, NotFound, RequestError
from pointsman.stores.keys import Key, new_key
from pointsman.stores.sqlite_keys import By, SqliteKeys

Values = Mapping[str, Any]
"""Checked values of fields, by their names in the API."""
Place = Org | Team
P = TypeVar("P", Org, Team)


class ChangePlace(Protocol):
    """An org to an org, a team to a team."""

    def __call__(self, place: P, /) -> P:
        """The same, changed."""


class Administration:
    """Orgs, teams and keys under management. `clock` gives nanoseconds since the epoch."""

    def __init__(self, keys: SqliteKeys, clock: Callable[[], int] = time.time_ns) -> None:
        self.keys = keys
        self._clock = clock

    def authority(self, caller: Caller) -> Authority:
        """What the caller may manage, as of now. Raises `AuthenticationError` where the key is gone."""
        if caller.role == "root":
            return Authority(caller.key, "root")
        if (holder := self.keys.look_up(caller.key)) is None:
            raise AuthenticationError("the key is not one of this gateway's, or it is no longer valid")
        key = holder.key
        return Authority(key.id, key.role, key.scope, key, key.expires_at_ns)

    async def create_key(self, who: Authority, values: Values) -> tuple[Key, str]:
        """Make a key; returns it and its text, which nobody can show again. What is not said is as with the key that makes it."""
        org = values.get("org", who.scope.org)
        place = Scope(org, values.get("team", who.scope.team if org == who.scope.org else ""))
        who.require_place(place)
        role = values.get("role", "caller")
        who.require_role(role)
        rights = _rights(who.rights, values)
        expires_at_ns = values.get("expires_at", who.expires_at_ns)
        who.require_within(rights, expires_at_ns)
        made = new_key()
        key = Key(
            made.id,
            made.hash,
            self._clock(),
            name=values.get("name", ""),
            team=place.team,
            org=place.org,
            role=role,
            created_by=who.key,
            expires_at_ns=expires_at_ns,
            metadata=values.get("metadata", {}),
            **_fields(rights),
        )
        await self.keys.add_key(key, _by(who))
        return key, made.text

    async def key(self, who: Authority, id: str) -> Key:
        """The key of that id."""
        key = await self.keys.find_key(id)
        if key is None:
            raise NotFound(f"there is no key `{id[:100]}`")
        who.require_sight(key.scope, "key", id)
        return key

    async def change_key(self, who: Authority, id: str, values: Values) -> Key:
        """Change a key: before and after it lies within what the authority may manage."""

        def change(key: Key) -> Key:
            self._require_manageable(who, key)
            changed = replace(key, **_renamed(values))
            who.require_role(changed.role)
            who.require_within(changed, changed.expires_at_ns)
            return changed

        return await self.keys.change_key(id, "changed", change, _by(who))

    async def revoke_key(self, who: Authority, id: str) -> Key:
        """Revoke a key; one's own as well."""

        def change(key: Key) -> Key:
            who.require_sight(key.scope, "key", key.id)
            if key.id != who.key:
                who.require_role(key.role)
            return key.revoked(self._clock())

        return await self.keys.change_key(id, "revoked", change, _by(who))

    async def rotate_key(self, who: Authority, id: str, grace_ns: int = 0) -> tuple[Key, str]:
        """Give a key another secret; the old one opens for `grace_ns` yet. Returns it and its new text."""
        made = new_key()
        secret = made.text.removeprefix(f"pm_{made.id}_")

        def change(key: Key) -> Key:
            # Who gets to know the secret could use it: the key may not do more than his own.
            self._require_manageable(who, key)
            who.require_within(key, key.expires_at_ns)
            return key.rotated(made.hash, self._clock(), grace_ns)

        key = await self.keys.change_key(id, "rotated", change, _by(who))
        return key, f"pm_{key.id}_{secret}"

    def _require_manageable(self, who: Authority, key: Key) -> None:
        who.require_sight(key.scope, "key", key.id)
        if key.id != who.key:
            who.require_role(key.role)
        if (refusal := key.refusal(self._clock())) is not None:
            raise RequestError(f"{refusal}: make another")

    async def create_place(self, who: Authority, org: str, values: Values) -> Place:
        """Make a team of that org; an org where it is empty. It is done from above."""
        above = Scope(org)
        if not who.scope.covers(above):
            if not above.covers(who.scope):
                raise no_such_place(above)
            raise Forbidden(f"key `{who.key}` belongs to {who.scope}: this is done from {above}")
        rights = _rights(who.rights, values)
        who.require_within(rights, lifetime=False)
        said = {name: values[name] for name in ("name", "metadata") if name in values} | _fields(rights)
        if org:
            team = Team(org, values["id"], self._clock(), created_by=who.key, **said)
            await self.keys.add_team(team, _by(who))
            return team
        made = Org(values["id"], self._clock(), created_by=who.key, **said)
        await self.keys.add_org(made, _by(who))
        return made

    async def place(self, who: Authority, at: Scope) -> Place:
        """The team or org there."""
        found = await (self.keys.find_team(*at) if at.team else self.keys.find_org(at.org))
        if found is None:
            raise NotFound(f"there is no {_kind(at)} `{(at.team or at.org)[:100]}`")
        who.require_sight(at, _kind(at), found.id)
        return found

    async def change_place(self, who: Authority, at: Scope, values: Values) -> Place:
        """Change a team or an org, from above."""

        def change(place: P) -> P:
            changed = replace(place, **values)
            who.require_within(changed, lifetime=False)
            return changed

        return await self._changed(who, at, "changed", change)

    async def close_place(self, who: Authority, at: Scope) -> Place:
        """Close a team or an org, from above: no key of it or its teams opens anything any more."""
        return await self._changed(who, at, "closed", lambda place: place.closed(self._clock()))

    async def _changed(self, who: Authority, at: Scope, event: str, change: ChangePlace) -> Place:
        def checked(place: P) -> P:
            who.require_above(place.scope, _kind(at), place.id)
            return change(place)

        if at.team:
            return await self.keys.change_team(*at, event, checked, _by(who))
        return await self.keys.change_org(at.org, event, checked, _by(who))


def _kind(at: Scope) -> str:
    return "team" if at.team else "org"


def _by(who: Authority) -> By:
    return By(who.key, who.role)


def _rights(given: Rights, values: Values) -> Rights:
    return Rights(**{name: values.get(name, getattr(given, name)) for name in RIGHTS})


def _fields(rights: Rights) -> dict[str, Any]:
    return {name: getattr(rights, name) for name in RIGHTS}


def _renamed(values: Values) -> dict[str, Any]:
    return {"expires_at_ns" if name == "expires_at" else name: value for name, value in values.items()}
