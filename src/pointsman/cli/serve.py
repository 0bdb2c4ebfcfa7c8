"""Start the gateway."""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import replace

import uvloop

from pointsman.build.service import Service
from pointsman.cli.source import Source, argument, probe, source, tell
from pointsman.server.run import bind, check_operator_key, is_loopback
from pointsman.server.run import run as run_server

KEY_VARIABLE = "POINTSMAN_API_KEY"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--host", help="address to bind (default: the configuration's, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to bind (default: the configuration's, 8080); 0 takes any free one")
    parser.add_argument("--new-key", action="store_true", help="make a further gateway key and print it once")


def run(given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    found = _located(source(given, probe(except_ports={given.port or 8080})), given)
    server = found.config.server
    given_key = os.environ.get(KEY_VARIABLE)
    warning = check_operator_key(given_key, server.host)
    operator = given_key if given_key and given_key.strip() else None
    tell(found.notes + ((warning,) if warning else ()))
    if not is_loopback(server.host):
        tell(("warning: beyond this machine keys and prompts travel in the clear: put a proxy with TLS in front",))
    listener = bind(server.host, server.port)
    port = listener.getsockname()[1]
    uvloop.run(
        run_server(
            found.config,
            listener,
            operator,
            given.new_key,
            lambda service, key: _announce(service, found, port, key, bool(operator)),
        )
    )
    return 0


def _located(found: Source, given: argparse.Namespace) -> Source:
    server = found.config.server
    host = server.host if given.host is None else given.host
    port = server.port if given.port is None else given.port
    return replace(found, config=replace(found.config, server=replace(server, host=host, port=port)))


def _announce(service: Service, found: Source, port: int, key: str | None, operator: bool) -> None:
    host = found.config.server.host
    shown = f"[{host}]" if ":" in host else host
    snapshot = service.gateway.world.snapshot
    lines = [
        f"Pointsman listens on http://{shown}:{port}/v1 ({found.origin})",
        f"  models  {', '.join(snapshot.models)}",
        f"  routes  {', '.join(snapshot.routes)}",
        f"  log     {found.config.store.path} (durability: {found.config.store.durability})",
    ]
    if key is not None:
        lines.append(f"  key     {key}\n          shown this once and kept as a hash; `--new-key` makes another")
    else:
        lines.append(f"  key     {f'the value of {KEY_VARIABLE}' if operator else 'made earlier; `--new-key` makes another'}")
    lines.append(f"  ready   when http://{shown}:{port}/readyz answers 200")
    print("\n".join(lines), flush=True)
