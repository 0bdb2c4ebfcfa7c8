"""Look at tickets that wait for a person, and decide them, in the store's file: who waits at a running gateway hears within a second."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pointsman.cli.logs import content_keys_argument, places
from pointsman.cli.source import argument
from pointsman.cli.table import table
from pointsman.cli.ticket_page import moment, named, ticket_page
from pointsman.core.request import Caller
from pointsman.core.review import STATES, Action, Deed
from pointsman.core.tenancy import Scope
from pointsman.errors import ConfigError
from pointsman.gateway.reviews import Desk
from pointsman.server.reviews import Office, office, ticket_json, whole_json
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.reviews import WAITING, Filter
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.stores.sqlite_reviews import SqliteReviews

_DEEDS = tuple(deed for deed in get_args(Deed) if deed != "expire")
_MOST = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("action", choices=("list", "show", *_DEEDS), help="what to do; all but `list` want the ticket's id")
    parser.add_argument("id", nargs="?", help="id of the ticket, `rev_...`")
    argument(parser)
    parser.add_argument(
        "--store", dest="log", metavar="FILE", type=Path, help="the store's file (default: the configuration's `store.path`)"
    )
    content_keys_argument(parser)
    parser.add_argument("--text", help="of `answer` and `edit`: the answer; `-` reads it from standard input")
    parser.add_argument("--call", type=int, default=0, metavar="N", help="of `approve` and `edit`: whose answer (default: the best)")
    parser.add_argument("--note", default="", help="why, for colleagues; the client does not see it")
    parser.add_argument(
        "--as", dest="by", default="command-line", metavar="NAME", help="who decides, for the record (default: command-line)"
    )
    parser.add_argument(
        "--state", choices=("waiting", "all", *STATES), default="waiting", help="of `list`: in which state (default: waiting)"
    )
    parser.add_argument("--org", default="", help="of `list`: of this org only")
    parser.add_argument("--team", default="", help="of `list`: of this team of the org only")
    parser.add_argument("--json", action="store_true", help="print JSON, all there is")


def run(given: argparse.Namespace) -> int:
    """Do it, and print the ticket as it then stands."""
    if given.action != "list" and not given.id:
        raise ConfigError(f"`pointsman review {given.action}` wants the ticket's id: `pointsman review list` shows them")
    if (given.text is not None) is not (given.action in ("answer", "edit")):
        raise ConfigError("--text goes with `answer` and `edit`, which want it")
    if given.team and not given.org:
        raise ConfigError("--team needs --org: a team's id is unique within its org only")
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    found = places(given, "--store")
    keys = ContentKeys(found.content_keys)
    try:
        async with SqliteLog(found.log, "power") as log:
            return await _ACTIONS.get(given.action, _decide)(office(Desk(SqliteReviews(log, keys)), SqliteKeys(log)), given)
    finally:
        keys.close()


async def _list(on: Office, given: argparse.Namespace) -> int:
    states = WAITING if given.state == "waiting" else tuple(state for state in STATES if given.state in ("all", state))
    found = [ticket_json(on, ticket) for ticket in await on.desk.store.queue(Filter(Scope(given.org, given.team), states=states), _MOST)]
    if given.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(table([("id", "route", "state", "priority", "due", "assignee", "reason"), *map(_row, found)], right=frozenset({3})))
    else:
        print("no ticket waits" if given.state == "waiting" else "there is no such ticket")
    return 0


async def _show(on: Office, given: argparse.Namespace) -> int:
    _print(given, await whole_json(on, await on.desk.store.get(given.id)))
    return 0


async def _decide(on: Office, given: argparse.Namespace) -> int:
    text = sys.stdin.read() if given.text == "-" else given.text or ""
    action = Action(cast("Deed", given.action), _encodable("--text", text), call=given.call, note=_encodable("--note", given.note))
    _print(given, await whole_json(on, await on.desk.act(given.id, action, Caller(given.by, role="root"))))
    return 0


_ACTIONS: dict[str, Callable[[Office, argparse.Namespace], Awaitable[int]]] = {"list": _list, "show": _show}


def _encodable(option: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{option} is not valid UTF-8") from error
    return text


def _row(ticket: Mapping[str, Any]) -> tuple[str, ...]:
    shown = (ticket["id"], ticket["route"], ticket["state"], str(ticket["priority"]), moment(ticket["deadline_at"]))
    return (*shown, named(ticket, ticket["assignee"]) or "-", ticket["reason"])


def _print(given: argparse.Namespace, ticket: Mapping[str, Any]) -> None:
    print(json.dumps(ticket, indent=2) if given.json else ticket_page(ticket))
