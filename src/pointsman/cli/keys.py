"""Make, list, change, revoke and renew gateway keys, teams and orgs, in the store's file: a running gateway sees it within 0.25 s."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pointsman.cli.source import argument, source, tell
from pointsman.cli.table import table
from pointsman.config.schema import Config
from pointsman.core.authority import Authority
from pointsman.core.labels import KNOWN
from pointsman.core.role import ROLES
from pointsman.core.tenancy import RIGHTS, Scope
from pointsman.errors import ConfigError, RequestError
from pointsman.server.admin_answers import key_json, place_json
from pointsman.server.admin_fields import KEY, TEAM, slug
from pointsman.server.administration import Administration
from pointsman.server.known_names import KnownNames
from pointsman.stores.keys import Key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys

_ROOT = Authority("command-line", "root")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "action", choices=list(_ACTIONS), help="what to do; `show`, `revoke` and `rotate` want the key's id, `change` too, or --org"
    )
    parser.add_argument("id", nargs="?", help="id of the key: what stands between `pm_` and the next `_`")
    argument(parser)
    parser.add_argument("--store", metavar="FILE", type=Path, help="the store's file (default: the configuration's `store.path`)")
    parser.add_argument(
        "--org", default="", help="org that the key belongs to; of `change` and `close` the org itself; of lists: only what is in it"
    )
    parser.add_argument("--team", default="", help="team of that org")
    parser.add_argument("--new-team", action="store_true", help="make the org and the team where they do not exist yet")
    parser.add_argument("--name", help="what the key is for")
    parser.add_argument("--role", choices=ROLES, metavar="ROLE", help=f"one of {', '.join(ROLES)} (default: caller)")
    parser.add_argument(
        "--route", action="append", help="route that it may use, or a model by its own name; may be repeated (default: all)"
    )
    parser.add_argument("--model", action="append", help="model that its requests may reach; may be repeated (default: all)")
    parser.add_argument("--label", action="append", help="data label that all its requests carry; may be repeated")
    parser.add_argument(
        "--allow-label", action="append", metavar="LABEL", help="data label that its requests may carry; may be repeated (default: all)"
    )
    parser.add_argument("--requests-per-minute", type=int, metavar="N", help="requests in any minute (default: no limit)")
    parser.add_argument("--tokens-per-minute", type=int, metavar="N", help="tokens in any minute, read and written (default: no limit)")
    parser.add_argument("--expires-in", metavar="TIME", help="how long the key opens, such as 90d, 12h or 30m (default: until revoked)")
    parser.add_argument(
        "--grace", metavar="TIME", help="of `rotate`: how long the old secret opens yet, a week at most (default: not at all)"
    )
    parser.add_argument(
        "--lift", choices=_LIFTED, metavar="WHAT", action="append", default=[], help=f"of `change`: no limit any more; {', '.join(_LIFTED)}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Do it, and print what came of it; the text of a new key is shown this once."""
    config = None if given.store and not given.config else source(given).config
    path = given.store or Path(config.store.path if config else "")
    if given.action != "create" and not path.exists():
        raise ConfigError(f"{path}: no such store: make a first key with `pointsman keys create`, or name the file with --store")
    if given.action in _OF_ONE_KEY and not given.id:
        raise ConfigError(f"`pointsman keys {given.action}` wants the key's id: `pointsman keys list` shows them")
    if given.action in _OF_A_PLACE and not given.id and not given.org:
        raise ConfigError(f"`pointsman keys {given.action}` wants --org, and --team for a team of it: `orgs` and `teams` list them")
    if given.team and not given.org and given.action != "create":
        raise ConfigError("--team needs --org: a team's id is unique within its org only")
    if config is not None:
        tell(tuple(f"warning: {sentence}" for _, sentence in _names(config).unknown(_said(given))))
    return asyncio.run(_run(given, path))


def _names(config: Config) -> KnownNames:
    models = [model.id for model in config.models]
    return KnownNames({*config.routes, *models}, models, {*config.labels, *KNOWN})


async def _run(given: argparse.Namespace, path: Path) -> int:
    async with SqliteLog(path, "power") as log:
        return await _ACTIONS[given.action](Administration(SqliteKeys(log)), given)


async def _create(on: Administration, given: argparse.Namespace) -> int:
    values = {"org": given.org, "team": given.team, **{name: _checked(name, value) for name, value in _said(given).items()}}
    if given.new_team:
        await _make_place(on, given.org, given.team)
    try:
        key, text = await on.create_key(_ROOT, values)
    except RequestError as error:
        if error.param in ("org", "team") and given.org and not given.new_team:
            raise ConfigError(f"{error}; `--new-team` makes it") from error
        raise
    _show(on, given, key, text)
    return 0


async def _change(on: Administration, given: argparse.Namespace) -> int:
    lifted = {name: () if name == "labels" else None for name in given.lift}
    values = {name: _checked(name, value) for name, value in _said(given).items()} | lifted
    if not values:
        raise ConfigError("`pointsman keys change` wants what is to change: --name, --requests-per-minute, --lift and so on")
    if given.id:
        _show(on, given, await on.change_key(_ROOT, given.id, values))
        return 0
    if beside := sorted(values.keys() - TEAM.keys()):
        raise ConfigError(f"teams and orgs have no `{beside[0]}`: it is of keys")
    _print(given, place_json(await on.change_place(_ROOT, Scope(given.org, given.team), values)))
    return 0


async def _close(on: Administration, given: argparse.Namespace) -> int:
    if given.id:
        raise ConfigError("teams and orgs are closed, by --org and --team; a key is revoked: `pointsman keys revoke`")
    _print(given, place_json(await on.close_place(_ROOT, Scope(given.org, given.team))))
    return 0


async def _orgs(on: Administration, given: argparse.Namespace) -> int:
    return _places(given, [place_json(org) for org in await on.keys.list_orgs(Scope(given.org))])


async def _teams(on: Administration, given: argparse.Namespace) -> int:
    return _places(given, [place_json(team) for team in await on.keys.list_teams(Scope(given.org, given.team))])


def _places(given: argparse.Namespace, found: list[dict[str, Any]]) -> int:
    if given.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(table([("org", "team", "name", "state", "requests/min", "tokens/min"), *(_place_row(place) for place in found)]))
    else:
        print("there is none")
    return 0


def _place_row(place: dict[str, Any]) -> tuple[str, ...]:
    org, team = (place["org"], place["id"]) if place["object"] == "team" else (place["id"], "-")
    limits = ("no limit" if place[name] is None else f"{place[name]:,}" for name in ("requests_per_minute", "tokens_per_minute"))
    return (org, team, place["name"], "closed" if place["closed_at"] is not None else "open", *limits)


async def _list(on: Administration, given: argparse.Namespace) -> int:
    found = [key_json(key, on.keys) for key in await on.keys.list_keys(Scope(given.org, given.team))]
    if given.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(table([("id", "name", "org", "team", "role", "state", "expires"), *(_row(key) for key in found)]))
    else:
        print("there is no key")
    return 0


async def _show_one(on: Administration, given: argparse.Namespace) -> int:
    _show(on, given, await on.key(_ROOT, given.id))
    return 0


async def _revoke(on: Administration, given: argparse.Namespace) -> int:
    _show(on, given, await on.revoke_key(_ROOT, given.id))
    return 0


async def _rotate(on: Administration, given: argparse.Namespace) -> int:
    grace_s = _seconds("--grace", given.grace) if given.grace else 0
    if grace_s > 7 * 86_400:
        raise ConfigError("--grace takes a week at most")
    _show(on, given, *await on.rotate_key(_ROOT, given.id, grace_s * 10**9))
    return 0


_ACTIONS: dict[str, Callable[[Administration, argparse.Namespace], Awaitable[int]]] = {
    "create": _create,
    "list": _list,
    "show": _show_one,
    "change": _change,
    "revoke": _revoke,
    "rotate": _rotate,
    "orgs": _orgs,
    "teams": _teams,
    "close": _close,
}
_OF_ONE_KEY, _OF_A_PLACE = frozenset({"show", "revoke", "rotate"}), frozenset({"change", "close"})
_LIFTED = (*RIGHTS, "expires_at")


def _said(given: argparse.Namespace) -> dict[str, Any]:
    said = {
        "name": given.name,
        "role": given.role,
        "routes": given.route,
        "models": given.model,
        "labels": given.label,
        "allowed_labels": given.allow_label,
        "requests_per_minute": given.requests_per_minute,
        "tokens_per_minute": given.tokens_per_minute,
    }
    expires = int(time.time()) + _seconds("--expires-in", given.expires_in) if given.expires_in else None
    return {name: value for name, value in {**said, "expires_at": expires}.items() if value is not None}


def _checked(name: str, value: object) -> Any:
    check = KEY[name].check
    assert check is not None
    return check(name, value)


async def _make_place(on: Administration, org: str, team: str) -> None:
    if not org:
        raise ConfigError("--new-team needs --org, and --team where it is a team's key")
    if await on.keys.find_org(org) is None:
        await on.create_place(_ROOT, "", {"id": slug("--org", org)})
    if team and await on.keys.find_team(org, team) is None:
        await on.create_place(_ROOT, org, {"id": slug("--team", team)})


def _seconds(option: str, text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None or not int(found[1]):
        raise ConfigError(f"{option} takes a number with s, m, h or d, such as 90d, not `{text[:50]}`")
    return int(found[1]) * _UNITS[found[2]]


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    expires = "never" if key["expires_at"] is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(key["expires_at"]))
    return (key["id"], key["name"], key["org"] or "-", key["team"] or "-", key["role"], key["state"], expires)


def _show(on: Administration, given: argparse.Namespace, key: Key, text: str | None = None) -> None:
    _print(given, key_json(key, on.keys) | ({} if text is None else {"key": text}))
    if text is not None and not given.json:
        print(f"\n{text}\nshown this once and kept as a hash")


def _print(given: argparse.Namespace, shown: dict[str, Any]) -> None:
    if given.json:
        print(json.dumps(shown, indent=2))
        return
    stated = {name: value for name, value in shown.items() if value not in (None, "", (), {}) and name not in ("object", "key")}
    print("\n".join(f"{name:20} {_text(name, value)}" for name, value in stated.items()))


def _text(name: str, value: object) -> str:
    if isinstance(value, int) and (name.endswith(("_at", "_until"))):
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
