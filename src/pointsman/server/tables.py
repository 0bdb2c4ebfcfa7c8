"""An API as a table: each endpoint, who may call it, which fields each role may give and sees; and how the table is kept to.

In this order: is there such an endpoint, may the role call it, is the body one of its fields, may the role give each. Of what comes out
the role sees its fields. What is not in the table does not exist: no path, no field. So whoever walks it has seen every way in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from pointsman.core.request import Caller
from pointsman.errors import Forbidden, MethodNotAllowed, NotFound, RequestError
from pointsman.server.admin_fields import NOBODY, Field
from pointsman.server.asgi import Receive, Scope, Send, body_here, respond, wait_for_body
from pointsman.wire.strict_json import parse_object

On = TypeVar("On")
Who = Callable[[Mapping[str, str]], Caller]

_MOST_QUERY_BYTES, _DEPTH, _BODY_TIMEOUT_S = 2_000, 4, 30.0


class Asked(NamedTuple):
    """What is asked of an endpoint, every part of it checked."""

    by: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[On]):
    """One method on one path, relative to the table's."""

    method: Literal["GET", "POST"]
    path: str
    purpose: str
    roles: frozenset[str]
    run: Callable[[On, Asked], Awaitable[dict[str, Any]]]
    reads: Mapping[str, Field]  #: fields of the answer, or of each of its entries
    gives: Mapping[str, Field] | None = None  #: fields of the body
    required: frozenset[str] = NOBODY
    query: frozenset[str] = NOBODY
    listing: bool = False

    def givers(self) -> dict[str, frozenset[str]]:
        """Which roles may give which field; a field that is not here is refused from everyone."""
        found = {name: field.create & self.roles for name, field in (self.gives or {}).items()}
        return {name: roles for name, roles in found.items() if roles}

    def readers(self) -> dict[str, frozenset[str]]:
        """Which roles see which field."""
        return {name: field.read & self.roles for name, field in self.reads.items()}


class Table(Generic[On]):
    """Answers requests under `prefix`, which has no slash at its end. `who` says who shows these headers now."""

    def __init__(self, prefix: str, endpoints: Sequence[Endpoint[On]], on: On, who: Who, most_bytes: int = 200_000) -> None:
        self.prefix = prefix
        self._endpoints, self._on, self._who, self._most_bytes = endpoints, on, who, most_bytes

    def holds(self, path: str) -> bool:
        """Whether a path is one of this table's to answer, if only with 404."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")

    async def __call__(self, scope: Scope, headers: Mapping[str, str], caller: Caller, receive: Receive, send: Send) -> None:
        """Answer. Raises `PointsmanError` before anything is sent."""
        endpoint, path = self._find(scope["method"], scope["path"])
        where = f"{endpoint.method} {self.prefix}{endpoint.path}"
        _require(caller, endpoint, where)
        query = _query(scope["query_string"], endpoint.query)
        raw = body_here(scope, headers, self._most_bytes)
        if raw is None:
            raw = await wait_for_body(receive, self._most_bytes, _BODY_TIMEOUT_S)
            # Whoever took his time with the body may have been revoked or demoted meanwhile.
            caller = self._who(headers)
            _require(caller, endpoint, where)
        answer = await endpoint.run(self._on, Asked(caller, path, query, _values(raw, caller.role, endpoint, where)))
        readers = endpoint.readers()
        if endpoint.listing:
            answer = {**answer, "data": [_shown(entry, caller.role, readers) for entry in answer["data"]]}
        else:
            answer = _shown(answer, caller.role, readers)
        await respond(send, 200, msgspec.json.encode(answer), {"cache-control": "no-store"})

    def _find(self, method: str, path: str) -> tuple[Endpoint[On], dict[str, str]]:
        parts = path.removeprefix(self.prefix).split("/")
        found = [(endpoint, names) for endpoint in self._endpoints if (names := _matched(endpoint.path.split("/"), parts)) is not None]
        if not found:
            raise NotFound(f"no such path: `{path[:200]}`", code="unknown_url")
        for endpoint, names in found:
            if method == endpoint.method or (method == "HEAD" and endpoint.method == "GET"):
                return endpoint, names
        allowed = ", ".join(endpoint.method for endpoint, _ in found)
        raise MethodNotAllowed(f"`{path[:200]}` takes {allowed}, not {method}", allowed)


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


def _shown(entry: Mapping[str, Any], role: str, readers: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if role in readers.get(name, ())}
