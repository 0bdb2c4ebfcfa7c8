"""The application: which path goes where, who may, and how errors look. No middleware; a handler is a function."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from pointsman import __version__
from pointsman.core.request import Caller
from pointsman.errors import MethodNotAllowed, NotFound, Overloaded, PointsmanError, RequestTimeout
from pointsman.gateway import Gateway
from pointsman.server.asgi import (
    ClientLeftError,
    Receive,
    Scope,
    Send,
    begin,
    headers_of,
    read_body,
    respond,
    until_client_leaves,
)
from pointsman.server.auth import Authenticator
from pointsman.wire.openai_errors import error_body
from pointsman.wire.openai_models import models_list
from pointsman.wire.sse import encode

_log = logging.getLogger("pointsman.server")


class Readiness(Protocol):
    """What `/readyz` asks."""

    async def __call__(self) -> str | None:
        """What is not ready yet, `None` when everything is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take of the server."""

    max_body_bytes: int = 20_000_000
    body_timeout_s: float = 30.0
    max_concurrent: int = 1_000
    send_timeout_s: float = 60.0  #: a client that takes nothing for so long has left


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request on its way to a handler."""

    headers: Mapping[str, str]
    caller: Caller
    name: str  #: what follows the fixed part of the path
    receive: Receive
    send: Send


Handler = Callable[[Call], Awaitable[None]]


class App:
    """The ASGI application."""

    def __init__(
        self,
        gateway: Gateway,
        authenticator: Authenticator,
        ready: Readiness,
        limits: Limits,
        on_shutdown: Callable[[], Awaitable[None]],
    ) -> None:
        self._gateway = gateway
        self._authenticator = authenticator
        self._ready = ready
        self._limits = limits
        self._on_shutdown = on_shutdown
        self._in_progress = 0
        self._exact: dict[str, tuple[str, Handler]] = {
            "/v1/chat/completions": ("POST", self._chat),
            "/v1/explain": ("POST", self._explain),
            "/v1/models": ("GET", self._models),
        }
        self._under: dict[str, tuple[str, Handler]] = {
            "/v1/decisions/": ("GET", self._decision),
            "/v1/models/": ("GET", self._model),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        elif (health := _HEALTH.get(scope["path"])) is not None:
            # Before anything that can be slow, full or forbidden: health endpoints never starve.
            await self._health(health, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def send_noting(message: MutableMapping[str, Any]) -> None:
            nonlocal answered
            try:
                async with asyncio.timeout(self._limits.send_timeout_s):
                    await send(message)
            except TimeoutError:
                raise ClientLeftError from None
            answered = True

        self._in_progress += 1
        try:
            if self._in_progress > self._limits.max_concurrent:
                raise Overloaded(f"{self._limits.max_concurrent:,} requests are in progress already")
            headers = headers_of(scope)
            caller = await self._authenticator.caller(headers)
            handler, name = self._find(scope["method"], scope["path"])
            await handler(Call(headers, caller, name, receive, send_noting))
        except ClientLeftError:
            pass
        except PointsmanError as error:
            if answered:
                _log.error("a request failed after its answer had begun: %s", error.code or error.type)
            else:
                await _respond_error(send, error)
        except Exception as error:  # noqa: BLE001
            # The last resort: the client learns nothing of the inside.
            _report(error)
            if not answered:
                await _respond_error(send, _unexpected())
        finally:
            self._in_progress -= 1

    def _find(self, method: str, path: str) -> tuple[Handler, str]:
        found, name = self._exact.get(path), ""
        if found is None:
            prefix = next((prefix for prefix in self._under if path.startswith(prefix) and len(path) > len(prefix)), None)
            if prefix is None:
                raise NotFound(f"no such path: `{path[:200]}`", code="unknown_url")
            found, name = self._under[prefix], path[len(prefix) :]
        allowed, handler = found
        if method != allowed and (method, allowed) != ("HEAD", "GET"):
            raise MethodNotAllowed(f"`{path[:200]}` takes {allowed}, not {method}", allowed)
        return handler, name

    async def _chat(self, call: Call) -> None:
        body = await self._body(call)
        await until_client_leaves(self._answer(call, body), call.receive)

    async def _answer(self, call: Call, body: bytes) -> None:
        async with aclosing(await self._gateway.chat(body, call.caller, call.headers)) as answer:
            if isinstance(answer.body, bytes):
                await respond(call.send, 200, answer.body, answer.headers)
            else:
                await begin(call.send, 200, {**_STREAM_HEADERS, **answer.headers})
                await _stream(call.send, answer.body)

    async def _explain(self, call: Call) -> None:
        explained = await self._gateway.explain(await self._body(call), call.caller, call.headers)
        await respond(call.send, 200, msgspec.json.encode(explained), {})

    async def _decision(self, call: Call) -> None:
        await respond(call.send, 200, msgspec.json.encode(await self._gateway.recorded(call.name, call.caller)), {})

    async def _models(self, call: Call) -> None:
        listed = models_list(self._gateway.world.snapshot, call.caller)
        await respond(call.send, 200, msgspec.json.encode({"object": "list", "data": listed}), {})

    async def _model(self, call: Call) -> None:
        listed = models_list(self._gateway.world.snapshot, call.caller)
        found = next((model for model in listed if model["id"] == call.name), None)
        if found is None:
            raise NotFound(f"no route or model `{call.name[:200]}` that this key may use", code="model_not_found", param="model")
        await respond(call.send, 200, msgspec.json.encode(found), {})

    async def _body(self, call: Call) -> bytes:
        return await read_body(call.receive, call.headers, self._limits.max_body_bytes, self._limits.body_timeout_s)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _health(self, kind: str, send: Send) -> None:
        waiting = await self._ready() if kind == "ready" else None
        status = {"status": "ok" if waiting is None else "not ready", "version": __version__}
        body = msgspec.json.encode(status if waiting is None else {**status, "waiting_for": waiting})
        await respond(send, 200 if waiting is None else 503, body, {})


_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}

_HEALTH = {
    "/livez": "live",
    "/healthz": "live",
    "/readyz": "ready",
    "/health/liveliness": "live",
    "/health/liveness": "live",
    "/health/readiness": "ready",
}


async def _stream(send: Send, events: AsyncIterator[bytes]) -> None:
    """Send events as they come. A failure becomes the stream's last event: an error object, and no `[DONE]`."""
    last = b""
    try:
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
    except PointsmanError as error:
        last = encode(error_body(error))
    except Exception as error:
        if isinstance(error, ClientLeftError):
            raise
        _report(error)
        last = encode(error_body(_unexpected()))
    await send({"type": "http.response.body", "body": last})


async def _respond_error(send: Send, error: PointsmanError) -> None:
    headers = {**error.headers()}
    if error.decision is not None:
        headers |= {"x-request-id": error.decision, "x-pointsman-decision-id": error.decision}
    if isinstance(error, RequestTimeout):
        headers["connection"] = "close"  # the rest of the body may still come, at whatever pace
    await respond(send, error.status, error_body(error), headers)


def _report(error: Exception) -> None:
    """Tell the operator of a fault of ours: what kind, and where. Not its message: that may hold what the client sent."""
    _log.error("a request failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def _unexpected() -> PointsmanError:
    """What a client learns of a fault of ours: nothing of the inside."""
    return PointsmanError("the gateway failed: the operator's log says more")
