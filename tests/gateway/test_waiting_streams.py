"""A stream that waits for a plan's answers, or for a person, is kept alive meanwhile, and then says one answer."""

from __future__ import annotations

import pytest

from pointsman.core.review import STATES, Action, Ticket
from pointsman.server.app import Limits
from pointsman.stores.reviews import Filter
from pointsman.wire.dialects import DIALECTS
from tests.gateway.test_looking import DOUBTED, STRICT, auto, pool
from tests.gateway.test_reviewing import ENDINGS, PATHS, RITA, body
from tests.server.conftest import Serve
from tests.server.raw import Connection
from tests.server.served import ONCE, OPERATOR, Served, model

OFTEN = Limits(keep_alive_s=0.005)


async def waiting(served: Served, api: str, content: dict[str, object] | None = None) -> Connection:
    """A client whose stream has begun, and has said nothing."""
    connection = await served.connect()
    await connection.request(PATHS[api], content or body(api, True), key=OPERATOR)
    status, headers = await connection.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return connection


async def beats(connection: Connection, api: str, count: int = 3) -> None:
    for _ in range(count):
        assert await connection.piece() == DIALECTS[api].keep_alive


async def opened(served: Served, connection: Connection, api: str) -> Ticket:
    """The ticket, as soon as there is one: until then nothing comes but what keeps the stream alive."""
    while not (found := await served.service.reviews.store.queue(Filter(states=STATES), 10)):
        await beats(connection, api, 1)
    (only,) = found
    return only


async def rest(connection: Connection) -> bytes:
    """What is said in the end, without what kept it alive."""
    said = b""
    while piece := await connection.piece():
        said += piece
    return said


@pytest.mark.parametrize("api", PATHS)
async def test_a_cascades_stream_is_kept_alive_until_an_answer_does(serve: Serve, api: str):
    """Each tier keeps it waiting: the first until its answer is found wanting, the second until it is there."""
    models = pool(small=f"says+stall-after-1@{DOUBTED}", large="says+stall-after-1@tomorrow")
    cascade = {"tiers": ["small", "large"], **STRICT}
    async with serve(models, routes=auto("cascade", cascade=cascade, fallback=["human"]), limits=OFTEN) as served:
        connection = await waiting(served, api)
        for tier in (1, 2):
            await served.upstream.until(lambda tier=tier: len(served.ledger) == tier)
            await beats(connection, api)
            served.upstream.release.set()
            served.upstream.release.clear()
        said = await rest(connection)
        assert b"tomorrow" in said
        assert b"2 + 2" not in said
        assert ENDINGS[api] in said


@pytest.mark.parametrize("api", PATHS)
async def test_a_stream_that_waits_for_a_person_is_kept_alive(serve: Serve, api: str):
    routes = {"auto": {"models": ["m"], "retry": ONCE, "review": {"contract": "wait"}, "fallback": ["human"]}}
    async with serve([model("m", "error-500")], routes=routes, limits=OFTEN) as served:
        connection = await waiting(served, api)
        asked = await opened(served, connection, api)
        await beats(connection, api)
        await served.service.reviews.act(asked.id, Action("answer", text="tomorrow"), RITA)
        said = await rest(connection)
        assert b"tomorrow" in said
        assert ENDINGS[api] in said


async def test_a_person_who_refuses_ends_the_stream_with_an_error(serve: Serve):
    routes = auto("cascade", cascade=STRICT, review={"contract": "wait"}, fallback=["human"])
    doubted = f"says@{DOUBTED}"
    async with serve(pool(small=doubted, large=doubted), routes=routes, limits=OFTEN) as served:
        connection = await waiting(served, "chat")
        asked = await opened(served, connection, "chat")
        await served.service.reviews.act(asked.id, Action("reject"), RITA)
        said = await rest(connection)
        assert b"review_denied" in said
        assert b"[DONE]" not in said
        assert DOUBTED.encode() not in said
