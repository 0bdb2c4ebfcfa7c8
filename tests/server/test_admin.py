"""The admin API under attack and in use: nobody gets beyond his place, his role or his own rights."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from pointsman.core.tenancy import EVERYWHERE
from pointsman.stores.keys import parse
from pointsman.stores.logfile import verify
from tests.server.conftest import Serve
from tests.server.served import chat
from tests.server.tenants import ACTORS, HOUR_NS, tenants

SOON = int(time.time()) + 600
LATER = int(time.time()) + 2 * HOUR_NS // 10**9
NARROW = {"routes": ["auto"], "models": ["inside"], "labels": ["internal"], "requests_per_minute": 5, "tokens_per_minute": 5}

REFUSED: dict[str, tuple[str, str, str, dict[str, Any] | None, int, str | None]] = {
    # beyond his place
    "a team's admin makes an org's key": ("ml admin", "POST", "keys", {"team": ""}, 403, "team"),
    "a team's admin makes a gateway key": ("ml admin", "POST", "keys", {"org": "", "team": ""}, 403, "org"),
    "a team's admin makes another team's key": ("ml admin", "POST", "keys", {"team": "ops"}, 400, "team"),
    "a team's admin makes another org's key": ("ml admin", "POST", "keys", {"org": "rival", "team": "ml"}, 400, "org"),
    "an org's admin makes a gateway key": ("acme admin", "POST", "keys", {"org": ""}, 403, "org"),
    "an org's admin makes another org's key": ("acme admin", "POST", "keys", {"org": "rival"}, 400, "org"),
    "an org's admin makes an org": ("acme admin", "POST", "orgs", {"id": "new"}, 403, None),
    "an org's admin makes a team elsewhere": ("acme admin", "POST", "orgs/rival/teams", {"id": "new"}, 400, "org"),
    "a team's admin makes a team": ("ml admin", "POST", "orgs/acme/teams", {"id": "new"}, 403, None),
    "a team's admin lifts his team's limits": ("ml admin", "PATCH", "orgs/acme/teams/ml", {"tokens_per_minute": None}, 403, None),
    "an org's admin lifts his org's limits": ("acme admin", "PATCH", "orgs/acme", {"routes": None}, 403, None),
    "a team's admin closes his team": ("ml admin", "POST", "orgs/acme/teams/ml/close", None, 403, None),
    "a team's admin reads his org": ("ml admin", "GET", "orgs/acme", None, 404, None),
    "a team's admin renews the gateway admin's key": ("ml admin", "POST", "keys/{gateway admin}/rotate", None, 404, None),
    "a team's admin changes the org's key": ("ml admin", "PATCH", "keys/{acme caller}", {"name": "x"}, 404, None),
    "an org's admin revokes a rival's key": ("acme admin", "POST", "keys/{rival caller}/revoke", None, 404, None),
    "a key moves to another org": ("gateway admin", "PATCH", "keys/{ml caller}", {"org": "rival"}, 400, "org"),
    # beyond his role
    "an operator makes an admin": ("ml operator", "POST", "keys", {"role": "admin"}, 403, "role"),
    "an operator makes an operator": ("ml operator", "POST", "keys", {"role": "operator"}, 403, "role"),
    "an operator makes himself an admin": ("ml operator", "PATCH", "keys/{ml operator}", {"role": "admin"}, 403, "role"),
    "an operator renews an admin's key": ("ml operator", "POST", "keys/{ml admin}/rotate", None, 403, "role"),
    "an operator revokes an admin's key": ("ml operator", "POST", "keys/{ml admin}/revoke", None, 403, "role"),
    "an operator renames an admin's key": ("ml operator", "PATCH", "keys/{ml admin}", {"name": "x"}, 403, "role"),
    "an operator lifts a caller's limits": ("ml operator", "PATCH", "keys/{ml caller}", {"routes": None}, 403, "routes"),
    "an auditor makes a key": ("ml auditor", "POST", "keys", {}, 403, None),
    "an auditor revokes a key": ("ml auditor", "POST", "keys/{ml caller}/revoke", None, 403, None),
    "a caller lists keys": ("ml caller", "GET", "keys", None, 403, None),
    "a caller renews his own key": ("ml caller", "POST", "keys/{ml caller}/rotate", None, 403, None),
    "a caller makes himself an admin": ("ml caller", "PATCH", "keys/{ml caller}", {"role": "admin"}, 403, None),
    "a reviewer reads the trail": ("ml reviewer", "GET", "trail", None, 403, None),
    "an admin makes root": ("gateway admin", "POST", "keys", {"role": "root"}, 400, "role"),
    # beyond his own rights
    "more routes": ("narrow admin", "POST", "keys", {"routes": ["auto", "other"]}, 403, "routes"),
    "all routes": ("narrow admin", "POST", "keys", {"routes": None}, 403, "routes"),
    "all models": ("narrow admin", "POST", "keys", {"models": None}, 403, "models"),
    "a lower floor": ("narrow admin", "POST", "keys", {"labels": []}, 403, "labels"),
    "another floor": ("narrow admin", "POST", "keys", {"labels": ["public"]}, 403, "labels"),
    "more labels": ("narrow admin", "POST", "keys", {"allowed_labels": ["restricted"]}, 403, "allowed_labels"),
    "all labels": ("narrow admin", "POST", "keys", {"allowed_labels": None}, 403, "allowed_labels"),
    "no rate limit": ("narrow admin", "POST", "keys", {"requests_per_minute": None}, 403, "requests_per_minute"),
    "a higher rate limit": ("narrow admin", "POST", "keys", {"tokens_per_minute": 10_001}, 403, "tokens_per_minute"),
    "a longer life": ("narrow admin", "POST", "keys", {"expires_at": LATER}, 403, "expires_at"),
    "an endless life": ("narrow admin", "POST", "keys", {"expires_at": None}, 403, "expires_at"),
    "more for himself": ("narrow admin", "PATCH", "keys/{narrow admin}", {"routes": None}, 403, "routes"),
    "a longer life for himself": ("narrow admin", "PATCH", "keys/{narrow admin}", {"expires_at": LATER}, 403, "expires_at"),
    "the secret of a key that may do more": ("narrow admin", "POST", "keys/{ml admin}/rotate", None, 403, "routes"),
    "a change of a key that may do more": ("narrow admin", "PATCH", "keys/{ml caller}", {"name": "x"}, 403, "routes"),
    # odd bodies
    "a hash of his own": ("root", "POST", "keys", {"hash": "00"}, 400, "hash"),
    "an id of his own": ("root", "POST", "keys", {"id": "abcdefghijkl"}, 400, "id"),
    "a maker of his own": ("root", "POST", "keys", {"created_by": "x"}, 400, "created_by"),
    "a revocation undone": ("root", "PATCH", "keys/{ml caller}", {"revoked_at": None}, 400, "revoked_at"),
    "another case": ("root", "POST", "keys", {"Role": "admin"}, 400, "Role"),
    "full-width letters": ("root", "POST", "keys", {"\uff52ole": "admin"}, 400, "\uff52ole"),
    "a number for a name": ("root", "POST", "keys", {"name": 7}, 400, "name"),
    "an invisible name": ("root", "POST", "keys", {"name": "ad\u200bmin"}, 400, "name"),
    "a name that turns the line round": ("root", "POST", "keys", {"name": "\u202enimda"}, 400, "name"),
    "a line break": ("root", "POST", "keys", {"name": "a\nb"}, 400, "name"),
    "true for a count": ("root", "POST", "keys", {"requests_per_minute": True}, 400, "requests_per_minute"),
    "a negative count": ("root", "POST", "keys", {"requests_per_minute": -1}, 400, "requests_per_minute"),
    "a huge count": ("root", "POST", "keys", {"tokens_per_minute": 10**30}, 400, "tokens_per_minute"),
    "a past end": ("root", "POST", "keys", {"expires_at": 1}, 400, "expires_at"),
    "a text for a list": ("root", "POST", "keys", {"routes": "auto"}, 400, "routes"),
    "a list in a list": ("root", "POST", "keys", {"routes": [["auto"]]}, 400, "routes"),
    "a team without its org": ("root", "POST", "keys", {"team": "ml"}, 400, "org"),
    "an org's id in capitals": ("root", "POST", "orgs", {"id": "Acme"}, 400, "id"),
    "an org's id of another alphabet": ("root", "POST", "orgs", {"id": "\u0430cme"}, 400, "id"),
    "an org's id taken": ("root", "POST", "orgs", {"id": "acme"}, 400, None),
    "an org without id": ("root", "POST", "orgs", {}, 400, "id"),
    "metadata of objects": ("root", "POST", "keys", {"metadata": {"a": {"b": "c"}}}, 400, "metadata.a"),
    "an endless grace": ("root", "POST", "keys/{ml caller}/rotate", {"grace_s": 10**7}, 400, "grace_s"),
}


async def test_what_goes_too_far_is_refused_and_changes_nothing(serve: Serve):
    async with tenants(serve) as stage:
        before, noted = await everything(stage), 0
        for case, (name, method, path, body, status, param) in REFUSED.items():
            answer = await stage.ask(name, method, path, body)
            assert (answer.status, answer.error["param"]) == (status, param), f"{case}: {answer.body!r}"
            assert await everything(stage) == before, case
            refused = [event for event in (await stage.gateway.service.keys.trail(EVERYWHERE, 200)) if event.body["event"] == "refused"]
            beyond = status in (403, 404) or param in ("org", "team")
            assert len(refused) == noted + beyond, case
            noted = len(refused)
            if beyond:
                kind = "key" if not path.startswith("orgs") else "team" if "teams" in path else "org"
                assert (refused[0].kind, refused[0].body["by"]) == (kind, "env" if name == "root" else stage.id(name)), case


async def test_the_trail_says_what_was_aimed_at_whether_or_not_it_is_there(serve: Serve):
    async with tenants(serve) as stage:
        aimed = [
            ("POST", "keys/{rival caller}/revoke", None, {"key": stage.id("rival caller")}),
            ("POST", "keys/absent/revoke", None, {"key": "absent"}),
            ("PATCH", "orgs/rival", {"name": "mine"}, {"org": "rival"}),
            ("GET", f"orgs/rival/teams/{'x' * 300}", None, {"org": "rival", "team": "x" * 100}),
            ("POST", "keys", {"org": "rival", "team": "ml"}, {"org": "rival", "team": "ml"}),
        ]
        for method, path, body, _ in aimed:
            assert (await stage.ask("acme admin", method, path, body)).status in (400, 404)
        events = (await stage.ask("acme admin", "GET", "trail?limit=5")).json["data"]
        assert [event["aimed"] for event in reversed(events)] == [found for *_, found in aimed]
        assert {event["by"] for event in events} == {stage.id("acme admin")}
        assert [event["object"] for event in reversed(events)] == ["key", "key", "org", "team", "key"]


async def test_names_that_name_nothing_are_refused_with_the_nearest(serve: Serve):
    async with tenants(serve) as stage:
        for values, said in (
            ({"routes": ["atuo"]}, "there is no route or model `atuo`: did you mean `auto`?"),
            ({"routes": ["zzz"]}, "there is no route or model `zzz`: put it into the configuration first"),
            ({"models": ["auto"]}, "there is no model `auto`"),
            ({"labels": ["finacial"]}, "there is no label `finacial`: did you mean `financial`?"),
            ({"allowed_labels": ["restricte"]}, "did you mean `restricted`?"),
        ):
            ((field, _),) = values.items()
            for method, path in (("POST", "keys"), ("PATCH", "keys/{ml caller}"), ("PATCH", "orgs/acme")):
                refused = await stage.ask("gateway admin", method, path, values)
                assert (refused.status, refused.error["param"], said in refused.error["message"]) == (400, field, True), refused.body
        assert (await stage.ask("gateway admin", "POST", "keys", {"routes": ["inside", "auto"], "models": ["inside"]})).status == 200


async def test_who_is_restricted_does_not_learn_which_names_there_are(serve: Serve):
    async with tenants(serve) as stage:
        told = [(await stage.ask("narrow admin", "POST", "keys", {"routes": [name]})).error for name in ("other", "nowhere")]
        assert told[0] == told[1]


async def everything(stage: Any) -> list[object]:
    keys = stage.gateway.service.keys
    return [await keys.list_keys(), await keys.list_orgs(), [await keys.list_teams(org.scope) for org in await keys.list_orgs()]]


RAW = {
    "a field twice": (b'{"role":"caller","role":"admin"}', "the key `role` twice"),
    "a field twice, once escaped": (b'{"role":"caller","r\\u006fle":"admin"}', "the key `role` twice"),
    "not an object": (b'["role"]', "must be a JSON object"),
    "not JSON": (b"role=admin", "not JSON"),
    "not UTF-8": (b'{"name":"\xff"}', "UTF-8"),
    "NaN": (b'{"requests_per_minute":NaN}', "not JSON"),
    "too deep": (b'{"metadata":{"a":{"b":{"c":{"d":{}}}}}}', "nested"),
}


async def test_a_body_with_no_or_two_meanings_is_refused(serve: Serve):
    async with tenants(serve) as stage:
        for case, (raw, said) in RAW.items():
            answer = await stage.ask("root", "POST", "keys", raw)
            assert (answer.status, said in answer.error["message"]) == (400, True), f"{case}: {answer.body!r}"


QUERIES = {
    "limit=0": "limit",
    "limit=201": "limit",
    "limit=%EF%BC%91": "limit",
    "limit=1&limit=2": "limit",
    "role=admin": "role",
    "team=ml": "team",
    "after=x": "after",
    "after=99999999999999999999.x": "after",
}


async def test_a_query_is_read_as_strictly(serve: Serve):
    async with tenants(serve) as stage:
        for query, param in QUERIES.items():
            answer = await stage.ask("root", "GET", f"keys?{query}")
            assert (answer.status, answer.error["param"]) == (400, param), query


async def test_ids_of_others_are_answered_like_ids_of_nobody(serve: Serve):
    async with tenants(serve) as stage:
        others, nobody = stage.id("rival caller"), "abcdefghijkl"
        for name in ("ml admin", "acme admin", "ml operator", "ml auditor"):
            for method, path, body in (
                ("GET", "keys/ID", None),
                ("PATCH", "keys/ID", {"name": "x"}),
                ("POST", "keys/ID/revoke", None),
                ("POST", "keys/ID/rotate", None),
            ):
                answers = [await stage.ask(name, method, path.replace("ID", public), body) for public in (others, nobody)]
                told = [(a.status, a.body.replace(others.encode(), b"").replace(nobody.encode(), b"")) for a in answers]
                assert told[0] == told[1], (name, method, path)
        for path in ("orgs/ORG", "orgs/ORG/teams/ml", "orgs/ORG/teams", "keys?org=ORG"):
            answers = [await stage.ask("acme admin", "GET", path.replace("ORG", org)) for org in ("rival", "nobody")]
            assert answers[0].body.replace(b"rival", b"") == answers[1].body.replace(b"nobody", b""), path
            assert answers[0].status == answers[1].status


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("root", set(ACTORS)),
        ("gateway admin", set(ACTORS)),
        ("acme admin", {name for name, fields in ACTORS.items() if fields.get("org") == "acme"}),
        ("ml auditor", {name for name, fields in ACTORS.items() if fields.get("org") == "acme" and fields.get("team") == "ml"}),
        ("rival admin", {"rival admin", "rival caller"}),
    ],
)
async def test_lists_hold_what_lies_within_page_by_page(serve: Serve, name: str, seen: set[str]):
    async with tenants(serve) as stage:
        found, after = [], ""
        while True:
            page = (await stage.ask(name, "GET", f"keys?limit=2{after}")).json
            found += [key["name"] for key in page["data"]]
            assert len(page["data"]) <= 2
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == [name for name in ACTORS if name in seen]
        events = (await stage.ask(name, "GET", "trail?limit=200")).json["data"]
        if name not in ("root", "gateway admin"):
            assert {event["org"] for event in events} == {found[0].split()[0].replace("ml", "acme").replace("narrow", "acme")}


async def test_a_key_that_is_made_opens_what_its_maker_may_and_is_shown_once(serve: Serve):
    async with tenants(serve) as stage:
        asked = {"name": "ci", "routes": ["auto"], "metadata": {"ticket": "T-1"}}
        made = await stage.ask("narrow admin", "POST", "keys", asked)
        assert made.headers["cache-control"] == "no-store"
        said = made.json
        assert parse(said["key"])[0] == said["id"]
        assert {name: said[name] for name in ("org", "team", "role", "routes", "models", "labels", "allowed_labels")} == {
            "org": "acme",
            "team": "ml",
            "role": "caller",
            "routes": ["auto"],
            "models": ["inside"],
            "labels": ["internal"],
            "allowed_labels": ["confidential"],
        }
        assert said["expires_at"] == ACTORS["narrow admin"]["expires_at_ns"] // 10**9
        stage.texts["new"] = said["key"]
        shown = await stage.ask("ml admin", "GET", "keys/{new}")
        assert shown.json == {name: value for name, value in said.items() if name != "key"}
        me = (await stage.ask("new", "GET", "me")).json
        assert (me["id"], me["effective"]["routes"], "metadata" in me) == (said["id"], ["auto"], False)
        secret = parse(said["key"])[1].encode()
        for file in stage.gateway.folder.iterdir():
            assert secret not in file.read_bytes()


async def test_only_callers_and_root_call_models(serve: Serve):
    async with tenants(serve) as stage:
        for name in ("root", *ACTORS):
            for path in ("chat/completions", "explain", "embeddings"):
                body = {"model": "inside", "input": "x"} if path == "embeddings" else chat("inside")
                answer = await stage.gateway.ask(f"/v1/{path}", body, key=stage.texts[name])
                allowed = name == "root" or ACTORS[name].get("role", "caller") == "caller"
                assert (answer.status != 403) is allowed, (name, path)
                if not allowed:
                    assert answer.error["code"] == "forbidden"
        assert not [call for call in stage.gateway.upstream.ledger if call is None]


async def test_a_revoked_key_is_refused_at_once_but_finishes_what_it_began(serve: Serve):
    async with tenants(serve) as stage:
        streaming = await stage.gateway.connect()
        await streaming.request("/v1/chat/completions", chat("inside", stream=True), key=stage.texts["ml caller"])
        status, _ = await streaming.head()
        first = await streaming.piece()
        assert (await stage.ask("ml admin", "POST", "keys/{ml caller}/revoke")).json["state"] == "revoked"
        assert (await stage.gateway.ask("/v1/models", key=stage.texts["ml caller"])).status == 401
        rest = first
        while piece := await streaming.piece():
            rest += piece
        assert status == 200
        assert rest.endswith(b"data: [DONE]\n\n")
        again = await stage.ask("ml admin", "POST", "keys/{ml caller}/revoke")
        assert again.json["state"] == "revoked"
        for method, path, body in (("PATCH", "keys/{ml caller}", {"name": "x"}), ("POST", "keys/{ml caller}/rotate", None)):
            refused = await stage.ask("ml admin", method, path, body)
            assert (refused.status, "was revoked: make another" in refused.error["message"]) == (400, True)


async def test_a_renewed_key_has_a_new_secret_and_keeps_its_id(serve: Serve):
    async with tenants(serve) as stage:
        old, path = stage.texts["ml caller"], "keys/{ml caller}/rotate"
        renewed = (await stage.ask("ml operator", "POST", path, {"grace_s": 60})).json
        assert renewed["key"].startswith(f"pm_{stage.id('ml caller')}_")
        assert renewed["old_secret_until"] > time.time()
        assert [await status_of(stage, text) for text in (old, renewed["key"])] == [200, 200]
        last = (await stage.ask("ml operator", "POST", path)).json
        assert [await status_of(stage, text) for text in (old, renewed["key"], last["key"])] == [401, 401, 200]


async def status_of(stage: Any, text: str) -> int:
    return (await stage.gateway.ask("/v1/models", key=text)).status


async def test_a_closed_team_takes_its_keys_with_it(serve: Serve):
    async with tenants(serve) as stage:
        assert (await stage.ask("acme admin", "POST", "orgs/acme/teams/ml/close")).json["closed_at"] is not None
        names = ("ml caller", "ml admin", "ops caller", "acme caller")
        assert [await status_of(stage, stage.texts[name]) for name in names] == [401, 401, 200, 200]
        assert (await stage.ask("root", "POST", "orgs/acme/close")).status == 200
        assert [await status_of(stage, stage.texts[name]) for name in names] == [401] * 4
        assert await status_of(stage, stage.texts["rival caller"]) == 200
        states = {key["name"]: key["state"] for key in (await stage.ask("root", "GET", "keys")).json["data"]}
        assert {states[name] for name in names} == {"closed"}
        assert states["rival caller"] == "active"
        assert (await stage.ask("root", "POST", "keys/{ml caller}/revoke")).json["state"] == "revoked"


async def test_a_rate_limit_says_which_and_whose(serve: Serve):
    async with tenants(serve) as stage:
        await stage.ask("acme admin", "PATCH", "keys/{ml caller}", {"requests_per_minute": 2})
        await stage.ask("acme admin", "PATCH", "orgs/acme/teams/ops", {"requests_per_minute": 1})
        assert [await status_of(stage, stage.texts["ml caller"]) for _ in range(3)] == [200, 200, 429]
        assert [await status_of(stage, stage.texts["ops caller"]) for _ in range(2)] == [200, 429]
        refused = await stage.gateway.ask("/v1/models", key=stage.texts["ops caller"])
        assert "team `acme/ops` has reached its limit of 1 requests a minute" in refused.error["message"]
        assert (refused.error["code"], refused.error["param"]) == ("rate_limit_exceeded", "team.requests_per_minute")
        assert (refused.headers["x-ratelimit-limit-requests"], refused.headers["x-ratelimit-remaining-requests"]) == ("1", "0")
        assert 0 < int(refused.headers["retry-after"]) <= 61


async def test_the_trail_names_who_did_what_and_holds_no_secret(serve: Serve):
    async with tenants(serve) as stage:
        made = (await stage.ask("acme admin", "POST", "keys", {"team": "ml"})).json
        await stage.ask("acme admin", "PATCH", f"keys/{made['id']}", {"name": "new name"})
        await stage.ask("ml operator", "POST", f"keys/{made['id']}/rotate")
        await stage.ask("ml caller", "POST", f"keys/{made['id']}/revoke")
        events = (await stage.ask("ml auditor", "GET", "trail?limit=4")).json["data"]
        by = {name: stage.id(name) for name in ("acme admin", "ml operator", "ml caller")}
        assert [(event["event"], event["by"]) for event in events] == [
            ("refused", by["ml caller"]),
            ("rotated", by["ml operator"]),
            ("changed", by["acme admin"]),
            ("created", by["acme admin"]),
        ]
        assert (events[2]["was"]["name"], events[2]["set"]["name"]) == ("", "new name")
        assert events[0]["endpoint"] == "POST keys/{key}/revoke"
        await stage.ask("acme admin", "PATCH", f"keys/{made['id']}", {"expires_at": LATER})
        changed = (await stage.ask("ml auditor", "GET", "trail?limit=1")).json["data"][0]
        assert (changed["set"], changed["was"]) == ({"expires_at": LATER}, {"expires_at": None})
        for record in await stage.gateway.service.log.recent(100, kind=None):
            assert parse(made["key"])[1].encode() not in record.body
    assert verify(stage.gateway.folder / "log.db").ok


async def test_nothing_is_anonymous(serve: Serve):
    async with tenants(serve) as stage:
        for key in (None, "", "pm_abcdefghijkl_" + "A" * 43, stage.texts["ml admin"][:-1]):
            for path in ("me", "keys", "trail", "nowhere", "keys/x"):
                assert (await stage.gateway.ask(f"/v1/admin/{path}", key=key)).status == 401


@pytest.mark.parametrize("host", ["x/health?", "a#", "//admin", "gateway@evil", "127.0.0.1:80/livez"])
async def test_a_host_header_opens_nothing(serve: Serve, host: str):
    async with tenants(serve) as stage:
        connection = await stage.gateway.connect()
        await connection.request("/v1/admin/keys", key="wrong", host=host)
        with suppress(ConnectionError):
            assert (await connection.answered()).status in (400, 401)
