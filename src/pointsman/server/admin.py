"""The admin API: from a request under `/v1/admin/` to its answer. The table says what there is; here it is kept to.

In this order: is there such an endpoint, may the role call it, is the body one of its fields, may the role give each, is what it names
there. What then is done for whom, the authority decides; of what comes out the role sees its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pointsman.core.authority import Authority
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.errors import AuthenticationError, Forbidden, MethodNotAllowed, NotFound, RequestError
from pointsman.server.admin_answers import Ask
from pointsman.server.admin_endpoints import ENDPOINTS, Endpoint
from pointsman.server.admin_endpoints import PREFIX as PREFIX
from pointsman.server.administration import Administration
from pointsman.server.asgi import Receive, Send, body_here, respond, wait_for_body
from pointsman.server.asgi import Scope as Connection
from pointsman.server.known_names import KnownNames
from pointsman.stores.sqlite_keys import By, SqliteKeys
from pointsman.wire.strict_json import parse_object

_PLACE, _LONGEST_ID = ("org", "team"), 100
_MOST_BYTES, _MOST_QUERY_BYTES, _DEPTH, _BODY_TIMEOUT_S = 200_000, 2_000, 4, 30.0


class Admin:
    """Answers requests under `PREFIX`. `who` says who shows these headers now, `snapshot` what there is to be named."""

    def __init__(self, keys: SqliteKeys, who: Callable[[Mapping[str, str]], Caller], snapshot: Callable[[], Snapshot]) -> None:
        self._on = Administration(keys)
        self._who = who
        self._snapshot = snapshot

    async def __call__(self, connection: Connection, headers: Mapping[str, str], caller: Caller, receive: Receive, send: Send) -> None:
        """Answer. Raises `PointsmanError` before anything is sent. Who reaches for what is not his is noted in the trail."""
        who = self._authority(caller)
        endpoint, path = _find(connection["method"], connection["path"])
        aimed = dict(path)
        try:
            _require(caller, endpoint)
            query = _query(connection["query_string"], endpoint)
            raw = body_here(connection, headers, _MOST_BYTES)
            if raw is None:
                raw = await wait_for_body(receive, _MOST_BYTES, _BODY_TIMEOUT_S)
                # Whoever took his time with the body may have been revoked or demoted meanwhile.
                caller = self._who(headers)
                who = self._authority(caller)
                _require(caller, endpoint)
            values = _values(raw, caller.role, endpoint)
            aimed |= {name: values[name] for name in _PLACE if name in values}
            KnownNames.of(self._snapshot(), caller).require(values)
            answer = await endpoint.run(self._on, Ask(who, path, query, values))
        except RequestError as refused:
            if _beyond(refused):
                await self._note(who, endpoint, refused.param, aimed)
            raise
        shown = [_shown(entry, caller.role, endpoint) for entry in answer["data"]] if endpoint.listing else []
        answer = {**answer, "data": shown} if endpoint.listing else _shown(answer, caller.role, endpoint)
        await respond(send, 200, msgspec.json.encode(answer), {"cache-control": "no-store"})

    async def _note(self, who: Authority, endpoint: Endpoint, param: str | None, aimed: Mapping[str, str]) -> None:
        told = {name: wanted[:_LONGEST_ID] for name, wanted in aimed.items()}
        said = {"endpoint": f"{endpoint.method} {endpoint.path}", "param": param, "aimed": told}
        await self._on.keys.note(endpoint.object, "refused", By(who.key, who.role), who.scope, **said)

    def _authority(self, caller: Caller) -> Authority:
        if caller.role == "root":
            return Authority(caller.key, "root")
        if (holder := self._on.keys.look_up(caller.key)) is None:
            raise AuthenticationError("the key is not one of this gateway's, or it is no longer valid")
        key = holder.key
        return Authority(key.id, key.role, key.scope, key, key.expires_at_ns)


def _find(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    parts = path.removeprefix(PREFIX).split("/")
    found = [(endpoint, names) for endpoint in ENDPOINTS if (names := _matched(endpoint.path.split("/"), parts)) is not None]
    if not found:
        raise NotFound(f"no such path: `{path[:200]}`", code="unknown_url")
    for endpoint, names in found:
        if method == endpoint.method or (method == "HEAD" and endpoint.method == "GET"):
            return endpoint, names
    allowed = ", ".join(endpoint.method for endpoint, _ in found)
    raise MethodNotAllowed(f"`{path[:200]}` takes {allowed}, not {method}", allowed)


def _beyond(error: RequestError) -> bool:
    """Whether somebody reached for what is not his to have. What is not there is told in the same words, and noted as well."""
    return isinstance(error, (Forbidden, NotFound)) or error.param in _PLACE


def _matched(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    names: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{") and part:
            names[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return names


def _require(caller: Caller, endpoint: Endpoint) -> None:
    if caller.role not in endpoint.roles:
        said = f"key `{caller.key}` has the role `{caller.role}`, which may not {endpoint.method} {PREFIX}{endpoint.path}"
        raise Forbidden(said)


def _query(raw: bytes, endpoint: Endpoint) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw[:_MOST_QUERY_BYTES].decode("latin-1"), keep_blank_values=True):
        if name not in endpoint.query or name in query:
            why = "stands twice" if name in query else f"is not one of {', '.join(sorted(endpoint.query)) or 'none'}"
            raise RequestError(f"query parameter `{name[:100]}` {why}", param=name[:100])
        query[name] = value
    return query


def _values(raw: bytes, role: str, endpoint: Endpoint) -> dict[str, Any]:
    body = parse_object(raw, _DEPTH) if raw.strip() else {}
    givers, fields = endpoint.givers(), endpoint.gives or {}
    values: dict[str, Any] = {}
    for name, given in body.items():
        field, givable = fields.get(name), givers.get(name)
        if field is None or field.check is None or givable is None:
            raise _unknown(name, endpoint, sorted(givers))
        if role not in givable:
            raise Forbidden(f"role `{role}` may not set `{name}`", param=name)
        values[name] = field.check(name, given)
    if missing := sorted(endpoint.required - set(values)):
        raise RequestError(f"`{missing[0]}` is missing", param=missing[0])
    return values


def _unknown(name: str, endpoint: Endpoint, known: list[str]) -> RequestError:
    near = get_close_matches(name, known, 1)
    cure = f": did you mean `{near[0]}`?" if near else f": it takes {', '.join(known) or 'no fields'}"
    return RequestError(f"`{name[:100]}` cannot be set by {endpoint.method} {PREFIX}{endpoint.path}{cure}", param=name[:100])


def _shown(entry: Mapping[str, Any], role: str, endpoint: Endpoint) -> dict[str, Any]:
    readers = endpoint.readers()
    return {name: value for name, value in entry.items() if role in readers.get(name, ())}
