"""The admin API as a table: each endpoint, who may call it, which fields each role may give and sees. The router is made from it.

What is not in the table does not exist: no path, no field. So whoever walks it has seen every way in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pointsman.server import admin_answers as answers
from pointsman.server.admin_fields import ADMINS, EVENT, EVERYBODY, GRACE, KEY, NOBODY, OPERATORS, ORG, READERS, SECRET, TEAM, Field
from pointsman.server.administration import Administration

PREFIX: Final = "/v1/admin/"


Run = Callable[[Administration, answers.Ask], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path."""

    method: Literal["GET", "POST", "PATCH"]
    path: str
    purpose: str
    roles: frozenset[str]
    run: Run
    reads: Mapping[str, Field]  #: fields of the answer, or of each of its entries
    gives: Mapping[str, Field] | None = None  #: fields of the body
    giving: Literal["create", "change"] = "create"
    required: frozenset[str] = NOBODY
    query: frozenset[str] = NOBODY
    listing: bool = False

    @property
    def object(self) -> Literal["key", "team", "org"]:
        """What it is about."""
        return "key" if not self.path.startswith("orgs") else "team" if "teams" in self.path else "org"

    def givers(self) -> dict[str, frozenset[str]]:
        """Which roles may give which field; a field that is not here is refused from everyone."""
        found = {name: getattr(field, self.giving) for name, field in (self.gives or {}).items()}
        return {name: roles & self.roles for name, roles in found.items() if roles}

    def readers(self) -> dict[str, frozenset[str]]:
        """Which roles see which field."""
        return {name: field.read & self.roles for name, field in self.reads.items()}


_PAGE = frozenset({"limit", "after"})
_WITH_SECRET = {**KEY, "key": SECRET}
_ID = frozenset({"id"})

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("GET", "me", "the key that asks, and what it may do with its team and org put together", EVERYBODY, answers.me, answers.ME),
    Endpoint("GET", "keys", "keys, oldest first", READERS, answers.keys, KEY, query=_PAGE | {"org", "team"}, listing=True),
    Endpoint(
        "POST", "keys", "make a key; `key` in the answer is its text, shown this once", OPERATORS, answers.create_key, _WITH_SECRET, KEY
    ),
    Endpoint("GET", "keys/{key}", "one key", READERS, answers.key, KEY),
    Endpoint("PATCH", "keys/{key}", "change a key", OPERATORS, answers.change_key, KEY, KEY, "change"),
    Endpoint("POST", "keys/{key}/revoke", "revoke a key, for good", OPERATORS, answers.revoke_key, KEY),
    Endpoint(
        "POST",
        "keys/{key}/rotate",
        "give a key another secret; `grace_s`: for how long the old one opens yet",
        OPERATORS,
        answers.rotate_key,
        _WITH_SECRET,
        {"grace_s": GRACE},
    ),
    Endpoint("GET", "orgs", "orgs, by id", READERS, answers.orgs, ORG, query=_PAGE, listing=True),
    Endpoint("POST", "orgs", "make an org", ADMINS, answers.create_place, ORG, ORG, required=_ID),
    Endpoint("GET", "orgs/{org}", "one org", READERS, answers.place, ORG),
    Endpoint("PATCH", "orgs/{org}", "change an org", ADMINS, answers.change_place, ORG, ORG, "change"),
    Endpoint("POST", "orgs/{org}/close", "close an org: its keys open nothing any more", ADMINS, answers.close_place, ORG),
    Endpoint("GET", "orgs/{org}/teams", "teams of an org, by id", READERS, answers.teams, TEAM, query=_PAGE, listing=True),
    Endpoint("POST", "orgs/{org}/teams", "make a team", ADMINS, answers.create_place, TEAM, TEAM, required=_ID),
    Endpoint("GET", "orgs/{org}/teams/{team}", "one team", READERS, answers.place, TEAM),
    Endpoint("PATCH", "orgs/{org}/teams/{team}", "change a team", ADMINS, answers.change_place, TEAM, TEAM, "change"),
    Endpoint("POST", "orgs/{org}/teams/{team}/close", "close a team: its keys open nothing any more", ADMINS, answers.close_place, TEAM),
    Endpoint(
        "GET", "trail", "who changed what, newest first", READERS, answers.trail, EVENT, query=frozenset({"limit", "after"}), listing=True
    ),
)
