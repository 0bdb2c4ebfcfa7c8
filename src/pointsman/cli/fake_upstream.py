"""Start a model server that misbehaves on demand, to test your own policies and clients with.

What it does to a call is in the name of the model that the call asks for. It listens to anyone who can reach it, and asks for no key
(but in the Messages API, as Anthropic does: give models with `apis: [messages]` any `api_key`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from pointsman.errors import ConfigError
from pointsman.testing.scripts import table
from pointsman.testing.upstream import Exchange, ScriptedUpstream

_KEPT = 1_000  # calls of the ledger in memory, which nobody reads here


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, metavar="N", help="port to bind; 0 takes any free one")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="append one line of JSON to this file for each call that is over")
    parser.add_argument("--bodies", action="store_true", help="with what was asked in it, as `json`: what reached the model, masked or not")


def run(given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    if given.bodies and given.ledger is None:
        raise ConfigError("--bodies says what stands in the ledger: name its file with --ledger")
    with _opened(given.ledger) as ledger:
        asyncio.run(_serve(given.host, given.port, None if ledger is None else _writing(ledger, bodies=given.bodies)))
    return 0


def _opened(path: Path | None) -> AbstractContextManager[TextIO | None]:
    if path is None:
        return nullcontext()
    try:
        return path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise ConfigError(f"cannot write to `{path}`: {error.strerror or error}; name another file with --ledger") from error


async def _serve(host: str, port: int, finished: Callable[[Exchange], None] | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    upstream = ScriptedUpstream(host=host, port=port, keep=_KEPT, finished=finished)
    try:
        await upstream.__aenter__()
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with --host and --port") from error
    try:
        width = max(len(example) for example, _ in table())
        rows = [f"  {example:{width}}  {does}" for example, does in table()]
        head = (
            f"a fake upstream listens on {upstream.base_url}",
            "models, by their names; pairs of them, and what `able` does: docs/testing.md",
        )
        print("\n".join((*head, *rows)), flush=True)
        await stopped.wait()
    finally:
        await upstream.__aexit__(None, None, None)


def _writing(ledger: TextIO, *, bodies: bool) -> Callable[[Exchange], None]:
    def write(exchange: Exchange) -> None:
        left = None if exchange.left_at is None else round(exchange.left_at - exchange.arrived_at, 6)
        told = {
            "model": exchange.model,
            "url_path": exchange.url_path,
            "bytes_sent": exchange.bytes_sent,
            "answered": exchange.answered,
            "left_after_s": left,
        }
        ledger.write(json.dumps(told | {"json": _body(exchange)} if bodies else told) + "\n")

    return write


def _body(exchange: Exchange) -> Any:
    """What was asked, `None` where it is no JSON."""
    try:
        return exchange.json
    except ValueError:
        return None
