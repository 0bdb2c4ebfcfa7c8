"""The egress client: no call without a clearance, and no secret in what comes back."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.core.decide import decide
from pointsman.core.model import Model
from pointsman.core.request import Content, Message, Request, Text
from pointsman.core.signals import Signals
from pointsman.errors import ClearanceError, UpstreamRefused
from pointsman.testing.upstream import ScriptedUpstream
from pointsman.upstream.client import Egress, Endpoint
from pointsman.upstream.http import HttpTransport, Pool
from tests.worlds import snapshot


def request(id: str) -> Request:
    return Request(id, "auto", content=Content((Message("user", (Text("hi"),)),), (), {"model": "auto", "messages": []}))


def test_nothing_goes_out_without_a_clearance_for_this_request():
    async def attempts() -> int:
        async with ScriptedUpstream() as upstream:
            egress = Egress({"a": Endpoint(HttpTransport(upstream.base_url, Pool()), "ok")})
            world = snapshot([Model("a")])
            clearance = decide(request("one"), Signals(), world, world.routes["auto"], 0).clear("a")
            for given in (None, "a", object(), clearance):
                with pytest.raises(ClearanceError):
                    await egress.call(given, request("two"))
            await egress.aclose()
            return len(upstream.ledger)

    assert asyncio.run(attempts()) == 0


def test_the_key_and_the_address_are_taken_out_of_errors():
    endpoint = Endpoint(None, "m", "sk-provider-key", address="https://gpu-7.internal:8443/v1")
    error = UpstreamRefused(
        "bad key sk-provider-key at https://gpu-7.internal:8443/v1", status=400, code="gpu-7.internal:8443", param="sk-provider-key"
    )
    Egress({"a": endpoint}).redact("a", error)
    said = f"{error} {error.message} {error.code} {error.param}"
    assert "sk-provider-key" not in said
    assert "gpu-7" not in said
