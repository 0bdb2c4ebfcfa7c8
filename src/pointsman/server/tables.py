"""An API as a table: each endpoint, who may call it, which fields each role may give and sees; and how the table is kept to.

In this order: is there such an endpoint, may the role call it, is the body one of its fields, may the role give each, is what it names
there. Of what comes out the role sees its fields; who reached for what is not his to have is noted in the trail. What is not in the table
does not exist: no path, no field. So whoever walks it has seen every way in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from pointsman.core.request import Caller
from pointsman.core.tenancy import Scope
from pointsman.errors import Forbidden, MethodNotAllowed, NotFound, RequestError
from pointsman.server.admin_fields import NOBODY, Field
from pointsman.server.asgi import Receive, Send, body_here, respond, wait_for_body
from pointsman.server.asgi import Scope as Connection
from pointsman.stores.sqlite_keys import By, Kind, SqliteKeys
from pointsman.wire.strict_json import parse_object

On = TypeVar("On")
Who = Callable[[Mapping[str, str]], Caller]

_PAGE, _LONGEST_PAGE = 50, 200
_PLACE, _LONGEST_ID = ("org", "team"), 100
_MOST_QUERY_BYTES, _DEPTH, _BODY_TIMEOUT_S = 2_000, 4, 30.0


class Asked(NamedTuple):
    """What is asked of an endpoint, every part of it checked."""

    by: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    values: Mapping[str, Any]

    def limit(self) -> int:
        """How many entries a page of the answer has."""
        given = self.query.get("limit", str(_PAGE))
        if not (given.isascii() and given.isdecimal() and len(given) < 4 and 1 <= int(given) <= _LONGEST_PAGE):
            raise RequestError(f"`limit` takes a number from 1 to {_LONGEST_PAGE}", param="limit")
        return int(given)


def page(entries: Sequence[dict[str, Any]], limit: int, marks: Sequence[str]) -> dict[str, Any]:
    """The first `limit` entries, of one more that was asked for to see whether there are more. `marks`: where each one stands."""
    return {"object": "list", "data": list(entries[:limit]), "next": marks[limit - 1] if len(entries) > limit else None}


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[On]):
    """One method on one path, relative to the table's."""

    method: Literal["GET", "POST", "PATCH"]
    path: str
    purpose: str
    roles: frozenset[str]
    run: Callable[[On, Asked], Awaitable[dict[str, Any]]]
    reads: Mapping[str, Field]  #: fields of the answer, or of each of its entries
    gives: Mapping[str, Field] | None = None  #: fields of the body
    giving: Literal["create", "change"] = "create"
    required: frozenset[str] = NOBODY
    query: frozenset[str] = NOBODY
    listing: bool = False

    def givers(self) -> dict[str, frozenset[str]]:
        """Which roles may give which field; a field that is not here is refused from everyone."""
        found = {name: getattr(field, self.giving) & self.roles for name, field in (self.gives or {}).items()}
        return {name: roles for name, roles in found.items() if roles}

    def readers(self) -> dict[str, frozenset[str]]:
        """Which roles see which field."""
        return {name: field.read & self.roles for name, field in self.reads.items()}


class Table(Generic[On]):
    """Answers requests under `prefix`, on `on`. `who` says who shows these headers now; `keys` keep the trail."""

    def __init__(
        self, prefix: str, endpoints: Sequence[Endpoint[On]], on: On, keys: SqliteKeys, who: Who, most_bytes: int = 200_000
    ) -> None:
        self._prefix, self._endpoints, self._on = prefix, endpoints, on
        self._keys, self._who, self._most_bytes = keys, who, most_bytes
        self._root = f"{prefix.rstrip('/')}/"

    def holds(self, path: str) -> bool:
        """Whether a path is one of this table's to answer, if only with 404."""
        return f"{path}/".startswith(self._root)

    async def __call__(self, connection: Connection, headers: Mapping[str, str], caller: Caller, receive: Receive, send: Send) -> None:
        """Answer. Raises `PointsmanError` before anything is sent."""
        endpoint, path = self._find(connection["method"], connection["path"])
        where = f"{endpoint.method} {self._prefix}{endpoint.path}"
        values: Mapping[str, Any] = {}
        try:
            _require(caller, endpoint, where)
            query = _query(connection["query_string"], endpoint.query)
            raw = body_here(connection, headers, self._most_bytes)
            if raw is None:
                raw = await wait_for_body(receive, self._most_bytes, _BODY_TIMEOUT_S)
                # Whoever took his time with the body may have been revoked or demoted meanwhile.
                caller = self._who(headers)
                _require(caller, endpoint, where)
            values = _values(raw, caller.role, endpoint, where)
            self._require_known(values, caller)
            answer = await endpoint.run(self._on, Asked(caller, path, query, values))
        except RequestError as refused:
            if _beyond(refused):
                aimed = path | {name: values[name] for name in _PLACE if name in values}
                await self._note(endpoint, caller, refused.param, aimed)
            raise
        await respond(send, 200, msgspec.json.encode(_seen(answer, caller.role, endpoint)), {"cache-control": "no-store"})

    def _require_known(self, values: Mapping[str, Any], caller: Caller) -> None:
        """Raise `RequestError` for the first value that names what is not there. Here: none does."""

    def _told(self, endpoint: Endpoint[On]) -> tuple[Kind, str]:
        """What a refusal by this endpoint is about, and what the trail calls the endpoint. Here: about the key that tried."""
        return "key", f"{endpoint.method} {self._prefix}{endpoint.path}"

    async def _note(self, endpoint: Endpoint[On], caller: Caller, param: str | None, aimed: Mapping[str, str]) -> None:
        kind, called = self._told(endpoint)
        told = {name: wanted[:_LONGEST_ID] for name, wanted in aimed.items()}
        by, place = By(caller.key, caller.role), Scope(caller.org, caller.team)
        await self._keys.note(kind, "refused", by, place, endpoint=called, param=param, aimed=told)

    def _find(self, method: str, path: str) -> tuple[Endpoint[On], dict[str, str]]:
        parts = path.removeprefix(self._prefix).split("/")
        found = [(endpoint, names) for endpoint in self._endpoints if (names := _matched(endpoint.path.split("/"), parts)) is not None]
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


def _require(caller: Caller, endpoint: Endpoint[On], where: str) -> None:
    if caller.role not in endpoint.roles:
        raise Forbidden(f"key `{caller.key}` has the role `{caller.role}`, which may not {where}")


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


def _query(raw: bytes, known: frozenset[str]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw[:_MOST_QUERY_BYTES].decode("latin-1"), keep_blank_values=True):
        if name not in known or name in query:
            why = "stands twice" if name in query else f"is not one of {', '.join(sorted(known)) or 'none'}"
            raise RequestError(f"query parameter `{name[:100]}` {why}", param=name[:100])
        query[name] = value
    return query


def _values(raw: bytes, role: str, endpoint: Endpoint[On], where: str) -> dict[str, Any]:
    body = parse_object(raw, _DEPTH) if raw.strip() else {}
    givers, fields = endpoint.givers(), endpoint.gives or {}
    values: dict[str, Any] = {}
    for name, given in body.items():
        field, givable = fields.get(name), givers.get(name)
        if field is None or field.check is None or givable is None:
            raise _unknown(name, where, sorted(givers))
        if role not in givable:
            raise Forbidden(f"role `{role}` may not set `{name}`", param=name)
        values[name] = field.check(name, given)
    if missing := sorted(endpoint.required - set(values)):
        raise RequestError(f"`{missing[0]}` is missing", param=missing[0])
    return values


def _unknown(name: str, where: str, known: list[str]) -> RequestError:
    near = get_close_matches(name, known, 1)
    cure = f": did you mean `{near[0]}`?" if near else f": it takes {', '.join(known) or 'no fields'}"
    return RequestError(f"`{name[:100]}` cannot be set by {where}{cure}", param=name[:100])


def _seen(answer: Mapping[str, Any], role: str, endpoint: Endpoint[On]) -> dict[str, Any]:
    """Of an answer, or of each entry of a listing, what the role sees."""
    readers = endpoint.readers()

    def shown(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in entry.items() if role in readers.get(name, ())}

    return {**answer, "data": [shown(entry) for entry in answer["data"]]} if endpoint.listing else shown(answer)
