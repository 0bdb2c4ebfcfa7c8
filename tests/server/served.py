"""A whole gateway on loopback in front of a scripted upstream: real configuration, real log, real HTTP on both sides."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from pointsman.build.service import Service, open_service
from pointsman.build.snapshot import snapshot_of
from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.gateway import Gateway
from pointsman.server.app import App, Limits
from pointsman.server.auth import Authenticator, operator_key
from pointsman.server.protocol import Protocol
from pointsman.stores.keys import Key, new_key
from pointsman.stores.log import DecisionLog
from pointsman.testing import ScriptedUpstream
from tests.server.raw import Answered, Connection

OPERATOR = "an operator's key, long enough"
PRICE = {"input": 1, "output": 2, "source": "a price list", "as_of": "2026-01-31"}
ONCE = {"attempts": 1}
"""For a route whose models are asked once each."""
UNBREAKABLE = {"failures": 1_000_000}
"""For models that stay in service however often they fail."""


def model(id: str, script: str = "ok", **more: object) -> dict[str, object]:
    """A model of the pool that plays this script; the upstream's address is filled in by `serving`."""
    return {"id": id, "provider": "openai-compatible", "model": f"{script}@{id}", "api_key": f"sk-{id}", "price": PRICE, **more}


@dataclass
class Served:
    """What a test needs of a running gateway."""

    upstream: ScriptedUpstream
    service: Service
    app: App
    state: ServerState
    port: int
    folder: Path
    connections: list[Connection] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def ledger(self) -> list[Any]:
        return self.upstream.ledger

    async def connect(self) -> Connection:
        self.connections.append(await Connection.open(self.port))
        return self.connections[-1]

    async def ask(
        self, path: str = "/v1/chat/completions", body: object = None, *, key: str | None = OPERATOR, method: str = "", **headers: str
    ) -> Answered:
        """One request on a connection of its own; `body` as JSON, or bytes as they are. `_` in header names stands for `-`."""
        connection = await self.connect()
        try:
            await connection.request(path, body, key=key, method=method, **headers)
            return await connection.answered()
        finally:
            connection.close()

    async def chat(self, model: str, text: str = "hello there", **fields: object) -> Answered:
        return await self.ask(body=chat(model, text, **fields))

    async def key(self, **permissions: Any) -> str:
        made = new_key()
        await self.service.keys.add_key(Key(made.id, made.hash, created_at_ns=time.time_ns(), **permissions))
        return made.text

    async def outcomes(self) -> list[Outcome]:
        """All outcomes of the log, oldest first."""
        records = await self.service.log.recent(10_000, kind="outcome")
        return [from_json(Outcome, record.body) for record in reversed(records)]

    async def kinds(self) -> list[str]:
        """Kinds of all records, oldest first."""
        return [record.kind for record in reversed(await self.service.log.recent(10_000, kind=None))]

    async def quiet(self) -> None:
        """Return once no request is in progress."""
        while self.state.tasks:
            await asyncio.wait(set(self.state.tasks))
            await asyncio.sleep(0)  # their done callbacks


def chat(model: str, text: str = "hello there", **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


@asynccontextmanager
async def serving(
    folder: Path,
    models: Sequence[Mapping[str, object]] = (),
    *,
    limits: Limits = Limits(),
    protocol: type[Protocol] = Protocol,
    log: Callable[[DecisionLog, ScriptedUpstream], DecisionLog] = lambda log, _: log,
    **config: object,
) -> AsyncIterator[Served]:
    """Serve these models (default: one, `inside`). `log` wraps the decision log; what else is given goes into the configuration."""
    async with ScriptedUpstream() as upstream:
        pool = [{"base_url": upstream.base_url, **found} for found in models or [model("inside")]]
        store = {"path": str(folder / "log.db"), **config.pop("store", {})}
        text = json.dumps({"version": 1, "models": pool, "routes": {}, **config, "store": store})
        service = await open_service(load(text, "test.yaml", {}))
        service.gateway = Gateway(service.gateway.live, log(service.log, upstream), snapshot_of, service.gateway.responses)
        app = App(service.gateway, Authenticator(service.keys, operator_key(OPERATOR)), service.waiting_for, limits, service.replays)
        app.administer(service.keys, service.reviews)
        state, settings = ServerState(), uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        settings.load()
        spoken = type("Spoken", (protocol,), {"sheds": staticmethod(app.sheds)})
        listening = await asyncio.get_running_loop().create_server(lambda: spoken(settings, state, {}), "127.0.0.1", 0)
        served = Served(upstream, service, app, state, listening.sockets[0].getsockname()[1], folder)
        try:
            yield served
        finally:
            listening.close()
            for connection in served.connections:
                connection.close()
            for protocol in list(state.connections):
                protocol.transport.abort()
            await served.quiet()
            await service.aclose()
