"""There is one way out, and it opens for a clearance only: at first, again, and elsewhere."""

from __future__ import annotations

import ast
import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pointsman
from pointsman.core.clearance import Clearance
from pointsman.core.decision import Decision
from pointsman.core.request import Caller
from pointsman.errors import ClearanceError
from pointsman.gateway import Inquiry, decide_request
from pointsman.gateway.driver import Driver
from tests.faults.pools import QUICK, guarded, route
from tests.server.conftest import Serve
from tests.server.served import Served, chat, model

SOURCE = Path(pointsman.__file__).parent
SENDS = {
    ("upstream/client.py", "endpoint.transport.send"),  # the way out
    ("upstream/http.py", "connection.send"),  # behind the transport
    ("build/endpoints.py", "self._model.send"),  # a transport that waits for its model
    ("upstream/signed.py", "self._transport.send"),  # a transport that signs
    ("upstream/bedrock.py", "self._transport.send"),  # transports that speak a cloud's own format
    ("upstream/vertex.py", "self._transport.send"),
    ("gateway/driver.py", "steps.send"),  # a generator's
    ("gateway/reviews.py", "sender.send"),  # a webhook: which ticket, and what became of it, no words
    ("upstream/webhook.py", "connection.send"),  # behind it
}
"""Everything called `send` with an object before it, outside of the server and the fakes."""
CALLS = {("gateway/attempt.py", "self._live.egress.call")}
OPENS = {"create_connection", "open_connection", "create_datagram_endpoint", "sock_connect", "urlopen", "HTTPConnection", "HTTPSConnection"}
CLIENT_LIBRARIES = {"httpx", "aiohttp", "requests", "urllib3", "pyreqwest", "openai", "anthropic", "http.client", "urllib.request"}


@cache
def modules() -> list[tuple[str, ast.Module]]:
    return [(str(path.relative_to(SOURCE)), ast.parse(path.read_text())) for path in sorted(SOURCE.rglob("*.py"))]


@cache
def methods() -> list[tuple[str, ast.Attribute]]:
    """Every call of a method, and where."""
    return [
        (path, node.func)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]


def calls(name: str, *, outside: tuple[str, ...]) -> set[tuple[str, str]]:
    """Calls of a method of this name: where, and of what."""
    return {(path, ast.unparse(called)) for path, called in methods() if called.attr == name and not path.startswith(outside)}


def test_the_transport_is_called_at_one_place():
    assert calls("send", outside=("server/", "testing/")) == SENDS
    assert {place for place in calls("send", outside=("testing/",)) if "transport.send" in place[1]} == {
        ("upstream/client.py", "endpoint.transport.send"),
        *((f"upstream/{wrapper}.py", "self._transport.send") for wrapper in ("signed", "bedrock", "vertex")),
    }


def test_the_way_out_is_taken_at_one_place():
    assert {place for place in calls("call", outside=("testing/",)) if "egress" in place[1]} == CALLS


def test_nothing_else_opens_a_connection_to_anywhere():
    assert {(path, name) for name in OPENS for path, _ in calls(name, outside=("testing/", "cli/"))} == {
        ("upstream/http.py", "create_connection"),
        ("upstream/webhook.py", "create_connection"),  # to hosts that the operator has allowed
        ("upstream/local/door.py", "HTTPConnection"),  # a model in this process
    }


def test_no_client_library_is_imported():
    found = set()
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                found |= {(path, name) for name in names if CLIENT_LIBRARIES & {name, name.partition(".")[0]}}
    assert {place for place in found if not place[0].startswith(("cli/", "testing/"))} == {("upstream/local/door.py", "http.client")}


def decided(served: Served, name: str = "auto") -> Decision:
    raw = json.dumps(chat(name)).encode()
    return decide_request(Inquiry(raw, Caller("k"), {}), served.app._gateway.world)


class Swapped:
    """Clearances that are right for some calls; for the others they are another request's."""

    def __init__(self, own: Decision, other: Decision, right: int) -> None:
        self._own, self._other, self._right = own.clearances, other.clearances, right

    def __call__(self, name: str) -> Clearance:
        self._right -= 1
        given = self._own if self._right >= 0 else self._other
        assert given is not None
        return given(name)


@pytest.mark.parametrize(("plan", "scripts"), [(None, ["error-400", "ok"]), (None, ["error-404", "ok"]), ("hedge", ["error-404", "ok"])])
@pytest.mark.parametrize("right", [0, 1])
async def test_a_fallback_or_a_hedge_with_anothers_clearance_is_not_made(serve: Serve, plan, scripts, right):
    pool = [model("first", scripts[0], quality={"general": 0.9}), model("second", scripts[1])]
    auto = route("first", "second", fallback_on={"malformed": ["second"]}, dial=1)
    if plan is not None:
        auto = {"models": ["forbidden", "first", "second"], "plan": plan, "dial": 1, "hedge": {"after_s": 5}}
    async with guarded(serve, pool, {"auto": auto}) as served:
        own, other = decided(served), decided(served)
        object.__setattr__(own, "clearances", Swapped(own, other, right))
        live = served.app._gateway.live
        driver = Driver(own, live.world.snapshot.routes["auto"].execution, live, served.service.log, set())
        with pytest.raises(ClearanceError):
            await driver.run()
        # A hedge asks for all of its clearances before it makes a call.
        assert len(served.ledger) == right
        assert not live.watch.limits._models["second"].running


@pytest.mark.parametrize("given", [None, "first", object()])
async def test_asking_again_needs_the_clearance_again(serve: Serve, given: Any):
    async with guarded(serve, [model("first", "error-503")], {"auto": route("first")}) as served:
        own, other = decided(served), decided(served)
        egress = served.app._gateway.live.egress
        letter = egress.write("first", own.request)
        for clearance in (own.clear("first"), own.clear("first")):
            reply = await egress.call(clearance, own.request, letter)
            await reply.aclose()
            for wrong in (given, other.clear("first")):
                with pytest.raises(ClearanceError):
                    await egress.call(wrong, own.request, letter)
        assert len(served.ledger) == 2
        with pytest.raises(ClearanceError):
            own.clear("forbidden")


async def test_no_way_through_a_chain_leads_to_a_forbidden_model(serve: Serve):
    """Every pair of faults, in every order, with retries, chains for single classes and a hedge."""
    scripts = ["error-500", "ratelimit-1", "context-length", "filtered", "quota", "reset", "empty", "error-400", "ok"]
    pool = [model(f"{script}-{at}", script) for script in scripts for at in (1, 2)]
    everywhere = {fault: ["forbidden"] for fault in ("context_length", "content_filter", "malformed", "timeout")}
    routes = {}
    for first in scripts:
        for second in scripts:
            routes[f"{first},{second}"] = route(f"{first}-1", f"{second}-2")
            routes[f"{first},{second},on"] = route(
                f"{first}-1", f"{second}-2", fallback_on={fault: [*chain, f"{second}-2"] for fault, chain in everywhere.items()}
            )
            routes[f"{first},{second},hedge"] = {
                "models": ["forbidden", f"{first}-1", f"{second}-2"],
                "plan": "hedge",
                "hedge": {"after_s": 0.001},
                "retry": QUICK,
            }
    async with guarded(serve, pool, routes) as served:
        limit = asyncio.Semaphore(30)

        async def one(name: str) -> None:
            async with limit:
                await served.chat(name)

        await asyncio.gather(*map(one, routes))
        assert len(served.ledger) >= len(routes)
