"""Who sees whose decisions: root, admins and auditors those of their place, everybody else his own."""

from __future__ import annotations

import pytest

from tests.server.conftest import Serve
from tests.server.served import chat
from tests.server.tenants import ACTORS, Tenants, tenants

CALLERS = ("root", "ml caller", "ops caller", "acme caller", "gateway caller", "rival caller")
ML, ACME = {"ml caller"}, {"ml caller", "ops caller", "acme caller"}
SEEN = {
    "root": set(CALLERS),
    "gateway admin": set(CALLERS),
    "gateway auditor": set(CALLERS),
    "acme admin": ACME,
    "acme auditor": ACME,
    "ml admin": ML,
    "narrow admin": ML,
    "ml auditor": ML,
    "rival admin": {"rival caller"},
    "ml operator": set(),
    "ml reviewer": set(),
    **{name: {name} for name in CALLERS[1:]},
}


async def made(there: Tenants) -> dict[str, str]:
    """A decision of each who calls models."""
    found = {}
    for name in CALLERS:
        answer = await there.gateway.ask(body=chat("inside"), key=there.texts[name])
        assert answer.status == 200
        found[name] = answer.headers["x-pointsman-decision-id"]
    return found


@pytest.mark.parametrize("name", SEEN)
async def test_a_role_sees_the_decisions_of_its_place(serve: Serve, name: str):
    async with tenants(serve) as there:
        for auditor in ("gateway auditor", "acme auditor"):
            org = {"org": "acme"} if auditor.startswith("acme") else {}
            there.texts[auditor] = await there.gateway.key(role="auditor", **org)
        decisions, unknown = await made(there), "dec_" + "0" * 32
        absent = await there.gateway.ask(f"/v1/decisions/{unknown}", key=there.texts[name])
        for owner, decision in decisions.items():
            answer = await there.gateway.ask(f"/v1/decisions/{decision}", key=there.texts[name])
            if owner in SEEN[name]:
                assert (answer.status, answer.json["id"]) == (200, decision), owner
            else:
                # In the same words as what does not exist.
                assert answer.status == absent.status == 404, owner
                assert answer.body.replace(decision.encode(), b"") == absent.body.replace(unknown.encode(), b"")


async def test_a_decision_of_another_tenant_is_not_there_even_under_the_same_name(serve: Serve):
    """Both orgs have a team `ml`."""
    async with tenants(serve) as there:
        decisions = await made(there)
        for name in ("ml admin", "ml auditor", "ml caller"):
            assert (await there.gateway.ask(f"/v1/decisions/{decisions['rival caller']}", key=there.texts[name])).status == 404


async def test_who_reads_decisions_calls_no_models(serve: Serve):
    async with tenants(serve) as there:
        for name in ("acme admin", "ml operator", "ml auditor", "ml reviewer"):
            for path in ("/v1/chat/completions", "/v1/explain", "/v1/messages/count_tokens"):
                answer = await there.gateway.ask(path, chat("inside"), key=there.texts[name])
                assert answer.status == 403, (name, path)
        assert not there.gateway.ledger


def test_every_actor_has_its_row():
    assert set(SEEN) >= {"root", *ACTORS}
