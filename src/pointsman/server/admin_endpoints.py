"""The admin API as a table: each endpoint, who may call it, which fields each role may give and sees. The router is made from it."""

from __future__ import annotations

from typing import Final

from pointsman.server import admin_answers as answers
from pointsman.server.admin_fields import ADMINS, EVENT, EVERYBODY, GRACE, KEY, OPERATORS, ORG, READERS, SECRET, TEAM
from pointsman.server.administration import Administration
from pointsman.server.tables import Endpoint

PREFIX: Final = "/v1/admin/"

_PAGE = frozenset({"limit", "after"})
_WITH_SECRET = {**KEY, "key": SECRET}
_ID = frozenset({"id"})

ENDPOINTS: Final[tuple[Endpoint[Administration], ...]] = (
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
    Endpoint("GET", "trail", "who changed what, newest first", READERS, answers.trail, EVENT, query=_PAGE, listing=True),
)
