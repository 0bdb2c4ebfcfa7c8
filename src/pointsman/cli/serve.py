"""Start the gateway."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from pointsman.build.endpoints import refuse_missing_extras
from pointsman.build.promises import refuse_broken_promises
from pointsman.build.world import current_snapshot
from pointsman.cli.source import Source, argument, probe, source, tell
from pointsman.config.load import warnings
from pointsman.config.schema import Config
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError
from pointsman.server.run import Start, bind, bind_shared, check_operator_key, is_loopback
from pointsman.server.run import run as run_server
from pointsman.server.workers import Handed, Workers, take_over
from pointsman.stores.keys import Key, new_key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys

KEY_VARIABLE = "POINTSMAN_API_KEY"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--host", help="address to bind (default: the configuration's, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to bind (default: the configuration's, 8080); 0 takes any free one")
    parser.add_argument(
        "--workers", type=int, help="processes to serve with (default: the configuration's, 1); each loads the local models for itself"
    )
    parser.add_argument("--new-key", action="store_true", help="make a further gateway key and print it once")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)  # the listening socket of a process that `Workers` starts


def run(given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    _log(f"%(asctime)s %(levelname)s {'%(process)d ' if given.worker is not None else ''}%(name)s %(message)s")
    # For the small products of one request numpy's threads cost twice the time that they save, and they take it on every core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if given.worker is not None:
        return _work(given.worker)
    found = _located(source(given, probe(except_ports={given.port or 8080})), given)
    server = found.config.server
    warning = check_operator_key(os.environ.get(KEY_VARIABLE), server.host)
    tell(found.notes + ((warning,) if warning else ()))
    if not is_loopback(server.host):
        tell(("warning: beyond this machine keys and prompts travel in the clear: put a proxy with TLS in front",))
    return _serve(found, given.new_key) if server.workers == 1 else _serve_with_workers(found, given.new_key)


def _serve(found: Source, further_key: bool) -> int:
    listener = bind(found.config.server.host, found.config.server.port)
    port = listener.getsockname()[1]
    start = Start(found.config, found.path, _operator(), further_key)
    uvloop.run(run_server(start, listener, lambda service, key: _announce(found, service.gateway.world.snapshot, port, key)))
    return 0


def _serve_with_workers(found: Source, further_key: bool) -> int:
    config = found.config
    refuse_missing_extras(config.models)
    snapshot, _ = current_snapshot(config)
    refuse_broken_promises(config, snapshot)
    listeners = bind_shared(config.server.host, config.server.port, config.server.workers)
    key = asyncio.run(_key(config, further_key))
    _announce(found, snapshot, listeners[0].getsockname()[1], key)
    handed = Handed(config, None if found.path is None else str(found.path))
    return asyncio.run(Workers((sys.executable, "-m", "pointsman", "serve", "--worker"), listeners, handed).run())


def _work(listener: int) -> int:
    handed = take_over()
    start = Start(handed.config, None if handed.file is None else Path(handed.file), _operator(), worker=True)
    uvloop.run(run_server(start, socket.socket(fileno=listener), lambda service, key: None))
    return 0


async def _key(config: Config, further: bool) -> str | None:
    """The text of the key that was made, if one had to be. Workers find it in the store."""
    async with SqliteLog(config.store.path, config.store.durability) as log:
        keys = SqliteKeys(log)
        if not further and (_operator() or await keys.list_keys()):
            return None
        made = new_key()
        await keys.add_key(Key(made.id, made.hash, created_at_ns=time.time_ns(), name="added" if further else "first"))
        return made.text


def _operator() -> str | None:
    given = os.environ.get(KEY_VARIABLE, "")
    return given if given.strip() else None


def _located(found: Source, given: argparse.Namespace) -> Source:
    server = found.config.server
    if given.workers is not None and given.workers < 1:
        raise ConfigError(f"--workers takes 1 or more, not {given.workers}")
    wanted = {name: value for name in ("host", "port", "workers") if (value := getattr(given, name)) is not None}
    config = replace(found.config, server=replace(server, **wanted))
    known = warnings(found.config)
    return replace(found, config=config, notes=(*found.notes, *(f"warning: {said}" for said in warnings(config) if said not in known)))


def _log(form: str) -> None:
    logging.basicConfig(level=logging.WARNING, format=form)
    logging.getLogger("pointsman.server.reload").setLevel(logging.INFO)


def _announce(found: Source, snapshot: Snapshot, port: int, key: str | None) -> None:
    host, workers = found.config.server.host, found.config.server.workers
    shown = f"[{host}]" if ":" in host else host
    lines = [
        f"Pointsman listens on http://{shown}:{port}/v1 ({found.origin})",
        f"  models  {', '.join(snapshot.models)}",
        f"  routes  {', '.join(snapshot.routes)}",
        f"  log     {found.config.store.path} (durability: {found.config.store.durability})",
        *([f"  workers {workers}"] if workers > 1 else []),
    ]
    if key is not None:
        lines.append(f"  key     {key}\n          shown this once and kept as a hash; `--new-key` makes another")
    else:
        root = f"the value of {KEY_VARIABLE}, which is root: may do everything"
        lines.append(f"  key     {root if _operator() else 'made earlier; `--new-key` makes another'}")
    lines.append(f"  ready   when http://{shown}:{port}/readyz answers 200; people review answers at /ui/reviews")
    print("\n".join(lines), flush=True)
