"""Start the gateway on an address and keep it there until told to stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from pointsman.build.service import Service, open_service
from pointsman.config.schema import Config, ServerConfig
from pointsman.errors import ConfigError
from pointsman.server.admission import Admission
from pointsman.server.app import App, Limits
from pointsman.server.auth import Authenticator, operator_key
from pointsman.server.drain import DrainingServer
from pointsman.server.protocol import Protocol
from pointsman.server.reload import Reloader
from pointsman.server.workers import follow_parent
from pointsman.stores.keys import weak

BACKLOG = 2048
"""Clients that may wait for being accepted."""

_MORE_LISTENERS = 15
"""A turn of the loop accepts one client of each: with one listener alone, health checks too wait for seconds while turns are long."""


def check_operator_key(text: str | None, host: str) -> str | None:
    """A warning about the operator's key, if there is something to say.

    Raises `ConfigError` for an empty or weak one where others than this machine can reach the gateway. `None` means that it is not set.
    """
    if text is None or (why := weak(text)) is None:
        return None
    cure = "unset it, or take one from `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"
    sentence = f"POINTSMAN_API_KEY {why}: {cure}"
    if not is_loopback(host):
        raise ConfigError(f"refusing to listen on {host}: {sentence}")
    return f"warning: {sentence}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("::")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket to listen on; with `shared` others may bind the same port. Raises `ConfigError` where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        cure = "choose another with --host and --port (`make run PORT=8123`)"
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}; {cure}") from error
    return listener


def bind_shared(host: str, port: int, count: int) -> list[socket.socket]:
    """Listening sockets on one port, one for each worker: the system deals connections out to them evenly.

    From one socket that all of them share, the worker that wakes first takes whatever waits.
    """
    bind(host, port).close()  # or a second gateway would share the port of the first unawares
    first = bind(host, port, shared=True)
    listeners = [first, *(bind(host, first.getsockname()[1], shared=True) for _ in range(count - 1))]
    for listener in listeners:
        listener.listen(BACKLOG)
    return listeners


@dataclass(frozen=True, slots=True)
class Start:
    """How to start. `file` is what the configuration was read from: it is followed. A `worker` has a parent process, which see."""

    config: Config
    file: Path | None
    operator: str | None  #: the operator's own key
    new_key: bool = False
    worker: bool = False


async def run(start: Start, listener: socket.socket, started: Callable[[Service, str | None], None]) -> None:
    """Serve until a signal ends it. `started` is called once requests can come, with the text of a key that was just made, if any."""
    async with aclosing(await open_service(start.config)) as service:
        made = await service.make_key("added") if start.new_key else None if start.operator else await service.first_key()
        app = _app(service, start)
        server = DrainingServer(_settings(app, start.config.server), app, start.config.server.drain_s, patient=start.worker)

        async def apply(config: Config) -> None:
            await service.reload(config)
            server.drain_s = config.server.drain_s
            app.limits = limits_of(config.server)

        reloader = None if start.file is None else Reloader(start.file, start.config, apply)
        if reloader is not None:
            app.problem = lambda: reloader.problem
        if start.worker and reloader is not None:
            await reloader.check()  # what it was handed may be older than the file
        _spare_the_collector()
        async with _meanwhile(*_chores(service, start, reloader)):
            listener.listen(BACKLOG)  # from here on a client that comes early waits, rather than being refused
            started(service, made)
            await server.serve(sockets=[listener, *(listener.dup() for _ in range(_MORE_LISTENERS))])


def _chores(service: Service, start: Start, reloader: Reloader | None) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside serving."""
    wake = _nothing if reloader is None else reloader.wake
    if start.worker:
        follow_parent(wake)
    elif reloader is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wake)
    watching = [] if reloader is None else [reloader.watch()]
    return [
        *watching,
        service.replays.keep_purged(time.time),
        service.gateway.responses.keep_purged(),
        service.till.desk.run(),
        service.reviews.run(),
        service.audit.sign(),
        service.audit.retain(time.time),
    ]


def _spare_the_collector() -> None:
    """What is there now stays: walk it no more, and look for cycles less often. Requests leave none behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _nothing() -> None:
    """There is no file to read again."""


@asynccontextmanager
async def _meanwhile(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block, and end them with it."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _app(service: Service, start: Start) -> App:
    authenticator = Authenticator(service.keys, operator_key(start.operator) if start.operator else None, service.till.rates)
    app = App(service.gateway, authenticator, service.waiting_for, limits_of(start.config.server), service.replays)
    app.administer(service.keys, service.reviews)
    app.audit = lambda: service.audit.problem
    app.admission = Admission(service.lag)
    service.keys.look_up("")  # read now, so that no request waits for it
    return app


def limits_of(config: ServerConfig) -> Limits:
    """The server's limits, from its settings."""
    return Limits(config.max_body_bytes, config.body_timeout_s, config.max_concurrent, config.keep_alive_s)


def _settings(app: App, config: ServerConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=type("Protocol", (Protocol,), {"send_timeout_s": config.send_timeout_s, "sheds": staticmethod(app.sheds)}),
        loop="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # its warnings are about clients, who could fill the log with them
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
