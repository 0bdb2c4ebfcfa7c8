"""The same gateway as for the server's tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pointsman.testing.upstream import Exchange, ScriptedUpstream
from tests.server.conftest import serve as serve
from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call


@pytest.fixture(autouse=True)
def a_closed_transport_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """On uvloop, writing to a transport that has just been closed raises `RuntimeError`: to the scripted upstream its caller has left."""
    played = ScriptedUpstream._play

    async def play(self: ScriptedUpstream, exchange: Exchange, say: Callable[[bytes], Awaitable[None]]) -> bool:
        try:
            return await played(self, exchange, say)
        except RuntimeError as error:
            raise ConnectionResetError from error

    monkeypatch.setattr(ScriptedUpstream, "_play", play)
