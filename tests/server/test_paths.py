"""Who may do what, what is where, and what is always up."""

from __future__ import annotations

import time

import pytest

from pointsman.errors import PointsmanError
from pointsman.gateway import Inquiry
from pointsman.server.app import Limits
from tests.server.conftest import Serve
from tests.server.served import OPERATOR, chat, model

FOUR_KEYS = {"message", "type", "param", "code"}
POOL = [model("a"), model("b"), model("c")]
ROUTES = {"ab": {"models": ["a", "b"]}, "c-only": {"models": ["c"]}, "saved": {"models": ["a"], "fallback": ["c"]}}
TOLD_TO_FEW = "not everything is ready (1 problem; root and the gateway's admins and auditors are told which)"
OPEN = ["/livez", "/healthz", "/readyz", "/health/liveliness", "/health/liveness", "/health/readiness"]


async def names(gateway, key: str = OPERATOR) -> list[str]:
    listed = (await gateway.ask("/v1/models", key=key)).json
    assert listed["object"] == "list"
    assert all(set(entry) == {"id", "object", "created", "owned_by"} for entry in listed["data"])
    return [entry["id"] for entry in listed["data"]]


@pytest.mark.parametrize(
    ("permissions", "seen"),
    [
        ({}, ["ab", "c-only", "saved", "a", "b", "c"]),
        ({"routes": ("ab",)}, ["ab"]),
        ({"routes": ("ab", "a")}, ["ab", "a"]),
        ({"models": ("a",)}, ["ab", "saved", "a"]),
        ({"models": ("c",)}, ["c-only", "saved", "c"]),
        ({"routes": ("c-only",), "models": ("a",)}, []),
        ({"routes": ()}, []),
        ({"models": ()}, []),
    ],
)
async def test_a_key_sees_and_reaches_what_it_may_use_and_nothing_else(serve: Serve, permissions, seen):
    async with serve(POOL, routes=ROUTES) as gateway:
        key = await gateway.key(**permissions)
        assert await names(gateway, key) == seen
        for name in ("ab", "c-only", "saved", "a", "b", "c"):
            one = await gateway.ask(f"/v1/models/{name}", key=key)
            answer = await gateway.ask(body=chat(name), key=key)
            if name in seen:
                assert (one.status, one.json["id"], answer.status) == (200, name, 200)
                assert answer.headers["x-pointsman-model"] in permissions.get("models", "abc")
            else:
                assert (one.status, one.error["code"]) == (404, "model_not_found")
                assert (answer.status, answer.error["code"]) == (403, "policy_denied")


async def test_a_decision_is_shown_to_the_key_that_asked_for_it(serve: Serve):
    async with serve() as gateway:
        mine, other = await gateway.key(), await gateway.key()
        decision = (await gateway.ask(body=chat("inside"), key=mine)).headers["x-pointsman-decision-id"]
        assert (await gateway.ask(f"/v1/decisions/{decision}", key=mine)).json["id"] == decision
        for key in (other, await gateway.key(role="reviewer"), await gateway.key(role="operator")):
            hidden = await gateway.ask(f"/v1/decisions/{decision}", key=key)
            absent = await gateway.ask(f"/v1/decisions/{decision[:-1]}", key=key)
            assert hidden.status == absent.status == 404
            assert hidden.body.replace(decision.encode(), b"") == absent.body.replace(decision[:-1].encode(), b"")
        snapshot = gateway.service.gateway.world.snapshot.id
        for odd in (snapshot, mine.split("_")[1], "x" * 2_000, "%00", "..%2f..", "'; DROP TABLE log; --".replace(" ", "%20")):
            assert (await gateway.ask(f"/v1/decisions/{odd}", key=mine)).error["code"] == "not_found"


async def test_a_revoked_or_expired_key_opens_nothing_from_the_next_request_on(serve: Serve):
    async with serve() as gateway:
        key = await gateway.key()
        assert (await gateway.ask("/v1/models", key=key)).status == 200
        await gateway.service.keys.revoke_key(key.split("_")[1])
        expired = await gateway.key(expires_at_ns=time.time_ns() - 1)
        wrong_secret = key[:-1] + ("A" if key[-1] != "A" else "B")
        answers = [await gateway.ask("/v1/models", key=shown) for shown in (key, expired, wrong_secret, "sk-1234", key[:10])]
        assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}  # nobody learns which part was wrong
        assert answers[0].error["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/inside", 405, "method_not_allowed"),
        ("POST", "/v1/decisions/x", 405, "method_not_allowed"),
        ("GET", "/v1/explain", 405, "method_not_allowed"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/v1", 404, "unknown_url"),
        ("GET", "/v1/decisions/", 404, "unknown_url"),
        ("GET", "/v1/models/", 404, "unknown_url"),
        ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("POST", "//v1/chat/completions", 404, "unknown_url"),
        ("POST", "/v1/Chat/Completions", 404, "unknown_url"),
        ("POST", "/v1/../v1/chat/completions", 404, "unknown_url"),
        ("POST", "/chat/completions", 404, "unknown_url"),
        ("GET", "/livez/", 404, "unknown_url"),
        ("GET", "/%2e%2e/livez", 404, "unknown_url"),
        ("GET", "/" + "x" * 4_000, 404, "unknown_url"),
        ("GET", "/%ff%00%0d%0a", 404, "unknown_url"),
        ("GET", "/v1/models/unknown", 404, "model_not_found"),
        *[
            (method, f"/v1/responses/{path}", 404, "unknown_url")
            for method in ("GET", "POST", "DELETE")
            for path in ("input_tokens", "compact", "resp_1/cancel", "x/foo", "x/")
        ],
        ("POST", "/v1/responses/resp_1", 405, "method_not_allowed"),
        ("POST", "/v1/responses/resp_1/input_items", 405, "method_not_allowed"),
        ("BREW", "/v1/models", 400, None),
    ],
)
async def test_a_wrong_path_or_method_is_named(serve: Serve, method, path, status, code):
    async with serve() as gateway:
        answer = await gateway.ask(path, b"{}", method=method)
        assert answer.status == status
        if code is not None:
            assert (set(answer.error), answer.error["code"]) == (FOUR_KEYS, code)
            assert len(answer.body) < 1_000
            assert ("allow" in answer.headers) is (status == 405)
            assert (await gateway.ask(path, b"{}", method=method, key=None)).status == 401  # a stranger learns nothing of what there is
        assert not gateway.ledger


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_can_be_got_has_a_head(serve: Serve, method):
    async with serve() as gateway:
        for path, key in (("/v1/models", OPERATOR), ("/v1/models/inside", OPERATOR), ("/livez", None)):
            connection = await gateway.connect()
            for _ in range(2):
                await connection.request(path, key=key, method=method)
                answer = await connection.answered(bodyless=method == "HEAD")
                assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_health_needs_no_key_and_never_waits_for_others(serve: Serve, caplog):
    async with serve([model("inside", "hang")], limits=Limits(max_concurrent=2)) as gateway:
        for _ in range(2):
            connection = await gateway.connect()
            await connection.request("/v1/chat/completions", chat("inside"), key=OPERATOR)
        await gateway.upstream.until(lambda: len(gateway.ledger) == 2)
        for _ in range(3):
            full = await gateway.chat("inside")
            assert (full.status, full.error["code"], full.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
        assert caplog.messages == ["requests are refused with 429: 2 requests are in progress already"]
        for path in OPEN:
            assert (await gateway.ask(path, key=None)).json["status"] == "ok"
        gateway.upstream.release.set()
        for connection in gateway.connections:
            connection.close()
        await gateway.quiet()
        assert (await gateway.ask("/v1/models")).status == 200


async def test_not_ready_says_what_it_waits_for(serve: Serve):
    async with serve() as gateway:

        async def loading() -> str:
            return "local model `tiny`"

        gateway.app._ready = loading
        for path in OPEN:
            answer = await gateway.ask(path, key=None)
            ready = "/read" not in path
            assert answer.status == (200 if ready else 503)
            assert answer.json.get("waiting_for") == (None if ready else TOLD_TO_FEW)
            assert (await gateway.ask(path)).json.get("waiting_for") == (None if ready else "local model `tiny`")


async def test_a_fault_of_our_own_tells_the_operator_and_not_the_client(serve: Serve, caplog):
    async with serve() as gateway:
        gateway.app._gateway.live = None
        failed = await gateway.chat("inside")
        assert (failed.status, set(failed.error), failed.error["type"]) == (500, FOUR_KEYS, "server_error")
        assert "NoneType" not in failed.body.decode()
        assert "AttributeError" in caplog.text
        assert "gateway.py" in caplog.text
        assert gateway.app._in_progress == 0


async def test_what_a_client_sent_is_not_in_the_report_of_a_fault(serve: Serve, caplog):
    async def answer(inquiry: Inquiry) -> None:
        raise ValueError(inquiry.raw.decode())

    async with serve() as gateway:
        gateway.app._gateway.decide = answer
        assert (await gateway.chat("a-canary")).status == 500
        assert "ValueError" in caplog.text
        assert "a-canary" not in caplog.text


async def test_requests_on_one_connection_are_answered_in_order(serve: Serve):
    async with serve() as gateway:
        connection = await gateway.connect()
        for n in range(10):
            await connection.request("/v1/chat/completions", chat("inside", f"number {n}"), key=OPERATOR)
            assert (await connection.answered()).json["choices"][0]["message"]["content"] == f"number {n}"


async def test_a_gateway_that_is_being_stopped_says_when_to_ask_again(serve: Serve):
    async with serve() as gateway:
        gateway.app.draining = True
        answer = await gateway.chat("inside")
        assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "shutting_down", "1")


async def test_shutting_down_closes_what_was_opened(serve: Serve):
    async with serve() as gateway:
        assert (await gateway.chat("inside")).status == 200
        await gateway.service.aclose()
        with pytest.raises(PointsmanError):
            await gateway.service.log.append("x", "y", b"")
        assert (await gateway.chat("inside")).error["code"] == "record_unavailable"
        assert len(gateway.ledger) == 1


async def test_a_websocket_is_refused(serve: Serve):
    async with serve() as gateway:
        sent = []

        async def send(message) -> None:
            sent.append(message)

        await gateway.app({"type": "websocket", "path": "/v1/realtime"}, lambda: None, send)
        assert sent == [{"type": "websocket.close", "code": 1003}]
        answer = await gateway.ask(
            "/v1/models", connection="upgrade", upgrade="websocket", sec_websocket_key="x", sec_websocket_version="13"
        )
        assert answer.status in (200, 400, 403, 426)
