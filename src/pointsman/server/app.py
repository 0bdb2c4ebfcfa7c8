"""The application: which path goes where, who may, and how errors look. No middleware; a handler is a function."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from pointsman import __version__
from pointsman.core.apis import Api
from pointsman.core.request import Caller
from pointsman.core.role import READS_DECISIONS, require_models
from pointsman.core.value import value
from pointsman.errors import (
    AuthenticationError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PointsmanError,
    RequestError,
    RequestTimeout,
    ShuttingDown,
)
from pointsman.gateway import Gateway, Inquiry
from pointsman.gateway.idempotency import Replays
from pointsman.gateway.reviews import Desk
from pointsman.server import pages
from pointsman.server.admin import Admin
from pointsman.server.admission import MOST_BESIDE, MOST_WAITING, Admission, Places, Refusals
from pointsman.server.asgi import ClientLeftError, Receive, Scope, Send, body_here, client_of, headers_of, respond, wait_for_body
from pointsman.server.auth import Authenticator
from pointsman.server.delivery import Delivery
from pointsman.server.faults import report, unexpected
from pointsman.server.reviews import reviews
from pointsman.server.strangers import Strangers
from pointsman.server.tables import Table
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.upstream.lag import Lag
from pointsman.wire.anthropic_messages.models import model_info, models_page
from pointsman.wire.dialect import Dialect
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.openai_models import models_list, usable

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
    keep_alive_s: float = 15.0  #: a stream that waits for its first word gets a comment as often as this


@value
class Call:
    """One HTTP request on its way to a handler."""

    scope: Scope
    headers: Mapping[str, str]
    caller: Caller
    name: str  #: what follows the fixed part of the path
    receive: Receive
    send: Send


Handler = Callable[[Call], Awaitable[None]]


class App:
    """The ASGI application."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator, ready: Readiness, limits: Limits, replays: Replays) -> None:
        self.draining = False  #: not ready, and nothing new is begun
        self.limits = limits
        self.admission = Admission(Lag())  #: by how late the event loop is
        self._refusals = Refusals()
        self.problem: Callable[[], str | None] = _none  #: what is wrong with the configuration's file, if anything
        self.audit: Callable[[], str | None] = _none  #: what is wrong with the proofs of the log, or the end of contents
        self._tables: tuple[Table[Any], ...] = ()
        self._gateway = gateway
        self._authenticator = authenticator
        self._ready = ready
        self._replays = replays
        self._strangers = Strangers()
        self._in_progress = 0
        self._asking = Places("requests", self._refusals)
        self._beside = Places("requests that ask no model", self._refusals)
        self._exact: dict[str, tuple[str, Handler]] = {
            **{f"/v1{dialect.path}": ("POST", partial(self._generate, api)) for api, dialect in DIALECTS.items()},
            "/v1/messages/count_tokens": ("POST", self._count_tokens),
            "/v1/explain": ("POST", self._explain),
            "/v1/models": ("GET", self._models),
        }
        self._under: dict[str, dict[str, Handler]] = {
            "/v1/decisions/": {"GET": self._decision},
            "/v1/models/": {"GET": self._model},
            _RESPONSES: {"GET": self._response, "DELETE": self._delete_response},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
        elif (health := _HEALTH.get(scope["path"])) is not None:
            # Before anything that can be slow, full or forbidden: health endpoints never starve.
            await self._health(health, scope, send)
        else:
            await self._http(scope, receive, send)

    def sheds(self, path: str) -> bytes | None:
        """The body of the 429 that a request for this path gets unbegun while the gateway is behind. Administration goes on."""
        if self._in_progress < MOST_WAITING or path not in self._exact or self.admission.admits():
            return None
        self._refusals.note(_LATE)
        return _BEHIND[path.startswith("/v1/messages")]

    def administer(self, keys: SqliteKeys, desk: Desk) -> None:
        """Answer for these keys, and for the tickets of this desk."""
        who = self._authenticator.who
        self._tables = (Admin(keys, who, lambda: self._gateway.world.snapshot), reviews(desk, keys, who))

    async def cut(self) -> None:
        """End every request in progress with `ShuttingDown`."""
        self._gateway.cut(ShuttingDown("the gateway was stopped before the answer was whole"))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_progress += 1
        try:
            if self.draining:
                raise ShuttingDown("the gateway is being stopped: ask another, or again in a moment")
            await self._answer(scope, receive, send)
        except ClientLeftError:
            pass
        except PointsmanError as error:
            await self._failed(scope, send, error)
        except Exception as error:  # noqa: BLE001
            # The last resort: the client learns nothing of the inside.
            report(error)
            await self._failed(scope, send, unexpected())
        finally:
            self._in_progress -= 1
            scope["pointsman.cycle"] = None  # which holds the scope: else each request would be left for the collector of cycles

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if pages.holds(path):  # a browser has no key yet
            await pages.serve(scope, send)
            return
        asks = scope["method"] == "POST" and path in self._exact
        places, most = (self._asking, self.limits.max_concurrent) if asks else (self._beside, MOST_BESIDE)
        places.require_room(most)
        headers = headers_of(scope)
        caller = await self._authenticator.caller(headers)
        places.take(caller, most)
        try:
            for table in self._tables:
                if table.holds(path):
                    await table(scope, headers, caller, receive, send)
                    return
            handler, name = self._find(scope["method"], path)
            await handler(Call(scope, headers, caller, name, receive, send))
        finally:
            places.give_back(caller)

    async def _failed(self, scope: Scope, send: Send, error: PointsmanError) -> None:
        if isinstance(error, AuthenticationError):
            self._note_stranger(scope)
        if client_of(scope).response_started:
            _log.error("a request failed after its answer had begun: %s", type(error).__name__)
        else:
            await _respond_error(send, error, DIALECTS["messages" if scope["path"].startswith("/v1/messages") else "chat"])

    def _find(self, method: str, path: str) -> tuple[Handler, str]:
        name = ""
        if (exact := self._exact.get(path)) is not None:
            if method == exact[0]:
                return exact[1], name
            found = dict([exact])
        else:
            prefix = next((prefix for prefix in self._under if path.startswith(prefix) and len(path) > len(prefix)), None)
            if prefix is None or (prefix == _RESPONSES and not _is_response(path[len(prefix) :])):
                raise NotFound(f"no such path: `{path[:200]}`", code="unknown_url")
            found, name = self._under[prefix], path[len(prefix) :]
        handler = found.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join(found)
            raise MethodNotAllowed(f"`{path[:200]}` takes {allowed}, not {method}", allowed)
        return handler, name

    async def _generate(self, api: Api, call: Call) -> None:
        inquiry = await self._inquiry(call, api)
        delivery = Delivery(self._gateway, self._replays, self.admission, inquiry, call.send, self.limits.keep_alive_s)
        await client_of(call.scope).run(delivery.run())

    async def _count_tokens(self, call: Call) -> None:
        tokens = await self._gateway.count_tokens(await self._inquiry(call, "messages", counting=True))
        await respond(call.send, 200, msgspec.json.encode({"input_tokens": tokens}), {})

    async def _explain(self, call: Call) -> None:
        asked = call.headers.get("x-pointsman-api", "chat")
        api: Api | None = next((api for api in DIALECTS if api == asked), None)
        if api is None:
            raise RequestError(f"`x-pointsman-api`: `{asked[:64]}` is none of {', '.join(DIALECTS)}", param="x-pointsman-api")
        explained = await self._gateway.explain(await self._inquiry(call, api))
        await respond(call.send, 200, msgspec.json.encode(explained), {})

    async def _decision(self, call: Call) -> None:
        await respond(call.send, 200, msgspec.json.encode(await self._gateway.recorded(call.name, call.caller)), {})

    async def _response(self, call: Call) -> None:
        require_models(call.caller.key, call.caller.role)
        named, items, _ = call.name.partition("/")
        query = call.scope["query_string"].decode("latin-1")
        if ("stream", "true") in parse_qsl(query):
            raise RequestError("`stream`: what is kept is read whole", param="stream")
        responses = self._gateway.responses
        if items:
            body = await responses.input_items(call.caller.key, named, query)
        else:
            body = bytes((await responses.read(call.caller.key, named)).answer)
        await respond(call.send, 200, body, {})

    async def _delete_response(self, call: Call) -> None:
        require_models(call.caller.key, call.caller.role)
        await self._gateway.responses.delete(call.caller.key, call.name)
        await respond(call.send, 200, msgspec.json.encode({"id": call.name, "object": "response", "deleted": True}), {})

    async def _models(self, call: Call) -> None:
        snapshot = self._gateway.world.snapshot
        if "anthropic-version" in call.headers:
            said = models_page(list(usable(snapshot, call.caller)), call.scope["query_string"].decode("latin-1"))
        else:
            said = {"object": "list", "data": models_list(snapshot, call.caller)}
        await respond(call.send, 200, msgspec.json.encode(said), {})

    async def _model(self, call: Call) -> None:
        listed = models_list(self._gateway.world.snapshot, call.caller)
        found = next((model for model in listed if model["id"] == call.name), None)
        if found is not None and "anthropic-version" in call.headers:
            found = model_info(call.name)
        if found is None:
            raise NotFound(f"no route or model `{call.name[:200]}` that this key may use", code="model_not_found", param="model")
        await respond(call.send, 200, msgspec.json.encode(found), {})

    async def _inquiry(self, call: Call, api: Api, *, counting: bool = False) -> Inquiry:
        caller = call.caller
        require_models(caller.key, caller.role)
        body = body_here(call.scope, call.headers, self.limits.max_body_bytes)
        if body is None:
            body = await wait_for_body(call.receive, self.limits.max_body_bytes, self.limits.body_timeout_s)
            # Whoever took his time with the body may have been revoked, demoted or put under a label meanwhile.
            caller = self._authenticator.who(call.headers)
            require_models(caller.key, caller.role)
        return Inquiry(body, caller, call.headers, api, counting=counting)

    async def _health(self, kind: str, scope: Scope, send: Send) -> None:
        waiting = None
        if kind == "ready":
            waiting = _STOPPING if self.draining else await self._ready()
        status = {"status": "ok" if waiting is None else "not ready", "version": __version__}
        found = {"waiting_for": waiting, "config": self.problem() if kind == "ready" else None, "audit": self.audit()}
        if told := {name: text for name, text in found.items() if text is not None}:
            status |= told if self._may_read_names(scope) else {name: _counted(name, text) for name, text in told.items()}
        await respond(send, 200 if waiting is None else 503, msgspec.json.encode(status), {})

    def _may_read_names(self, scope: Scope) -> bool:
        """Whether whoever asks for health shows a key that may know what models, promises and files are called."""
        try:
            headers = headers_of(scope)
            if not headers.keys() & {"authorization", "x-api-key"}:
                return False
            caller = self._authenticator.who(headers)
        except AuthenticationError:
            self._note_stranger(scope)
            return False
        except PointsmanError:
            return False
        return caller.role in READS_DECISIONS and not caller.org

    def _note_stranger(self, scope: Scope) -> None:
        self._strangers.note((scope.get("client") or ("",))[0])


def _is_response(name: str) -> bool:
    """Whether a kept answer may be called so, or its `input_items`: other paths of OpenAI's are not served.

    >>> [_is_response(name) for name in ("resp_1", "resp_1/input_items", "resp_1/cancel", "input_tokens")]
    [True, True, False, False]
    """
    named, slash, rest = name.partition("/")
    return named not in ("input_tokens", "compact") and rest == ("input_items" if slash else "")


def _none() -> None:
    return None


def _counted(name: str, text: str) -> str:
    """How much is wrong, for those who may not know what: a line of `text` each.

    >>> _counted("config", "routes: 2:3: a fault")
    "the saved configuration is not in force (1 problem; root and the gateway's admins and auditors are told which)"
    """
    if text == _STOPPING:
        return text
    count = text.count("\n") + 1
    return f"{_WRONG[name]} ({count} problem{'s' if count > 1 else ''}; root and the gateway's admins and auditors are told which)"


_RESPONSES = "/v1/responses/"
_STOPPING = "the gateway is being stopped"
_WRONG = {
    "waiting_for": "not everything is ready",
    "config": "the saved configuration is not in force",
    "audit": "signing or erasing fails",
}
_LATE = "the gateway is behind with its work"
_BEHIND = tuple(DIALECTS[api].error_body(Overloaded(_LATE)) for api in ("chat", "messages"))
_HEALTH = {
    "/livez": "live",
    "/healthz": "live",
    "/readyz": "ready",
    "/health/liveliness": "live",
    "/health/liveness": "live",
    "/health/readiness": "ready",
}


async def _respond_error(send: Send, error: PointsmanError, dialect: Dialect) -> None:
    headers = {**error.headers()}
    if error.decision is not None:
        headers |= {"x-request-id": error.decision, "x-pointsman-decision-id": error.decision}
    if error.failures:
        # What could be tried again was: a client that tries again as well would multiply it.
        made = sum(failure.call > 0 for failure in error.failures)
        headers["x-pointsman-attempts"] = str(made)
        if made:
            headers["x-should-retry"] = "false"
    if isinstance(error, RequestTimeout):
        headers["connection"] = "close"  # the rest of the body may still come, at whatever pace
    with suppress(ClientLeftError):
        await respond(send, error.status, dialect.error_body(error), headers)
