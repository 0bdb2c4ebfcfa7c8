"""The reviews API as a table: tickets for whoever reviews, and for the key that asked what became of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple, get_args

from pointsman.core.codec import to_builtins
from pointsman.core.request import Caller, ToolCall
from pointsman.core.review import (
    REVIEWS,
    STATES,
    Action,
    Deed,
    Resolution,
    State,
    Ticket,
    Why,
    no_such_review,
    require_sight,
    visible_labels,
)
from pointsman.core.tenancy import Scope
from pointsman.errors import RequestError
from pointsman.gateway.reviews import Desk
from pointsman.server.admin_fields import NOBODY, Check, Field
from pointsman.server.tables import Asked, Endpoint, Table, Who, page
from pointsman.stores.reviews import FIRST, WAITING, Filter, Rank
from pointsman.stores.sqlite_keys import SqliteKeys

PREFIX: Final = "/v1/reviews"
_MOST_CHARACTERS, _MOST_CALLS = 100_000, 128
_MARK = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,19})\.(.{1,100})", re.ASCII)
_ASKERS: Final[frozenset[str]] = REVIEWS | {"caller"}
_WHYS: Final[tuple[str, ...]] = get_args(Why)


def _long_text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        raise RequestError(f"`{name}` takes a text of at most {_MOST_CHARACTERS:,} characters", param=name)
    return value


def _number(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**6:
        raise RequestError(f"`{name}` takes the number of a call, from 1", param=name)
    return value


def _calls(name: str, value: object) -> tuple[ToolCall, ...]:
    if not isinstance(value, list) or len(value) > _MOST_CALLS:
        raise RequestError(f"`{name}` takes a list of at most {_MOST_CALLS} calls of tools", param=name)
    return tuple(_call(f"{name}[{at}]", item) for at, item in enumerate(value))


def _call(name: str, value: object) -> ToolCall:
    if not isinstance(value, dict) or set(value) != {"id", "name", "arguments"}:
        raise RequestError(f"`{name}` takes `id`, `name` and `arguments`", param=name)
    return ToolCall(**{key: _long_text(f"{name}.{key}", item) for key, item in value.items()})


def _given(check: Check) -> Field:
    return Field(check, create=REVIEWS, read=NOBODY)


_NOTE, _WORDS = {"note": _given(_long_text)}, {"text": _given(_long_text), "tool_calls": _given(_calls)}
_WHOSE = {"call": _given(_number)}

_FOR_ASKERS = ("object", "id", "decision", "route", "state", "created_at", "deadline_at", "answer")
_FOR_REVIEWERS = ("reason", "why", "task", "labels", "org", "team", "key", "priority", "assignee", "version")
_MORE_FOR_REVIEWERS = ("on_expiry", "approval", "offered", "best", "failures")
TICKET: Final[Mapping[str, Field]] = {
    **{name: Field(read=_ASKERS) for name in _FOR_ASKERS if name != "answer"},
    **{name: Field(read=REVIEWS) for name in (*_FOR_REVIEWERS, *_MORE_FOR_REVIEWERS, "names")},
}
WHOLE: Final[Mapping[str, Field]] = {
    **TICKET,
    "answer": Field(read=_ASKERS),
    **{name: Field(read=REVIEWS) for name in ("erased", "api", "request", "answers", "resolution", "history")},
}


class Office(NamedTuple):
    """Where tickets are, and what keys are called that stand in them: by id, of one without a name or that is not known nothing."""

    desk: Desk
    name: Callable[[str], str]


def office(desk: Desk, keys: SqliteKeys) -> Office:
    """With the names that the store has."""
    return Office(desk, lambda key: "" if (holder := keys.look_up(key)) is None else holder.key.name)


async def _queue(on: Office, ask: Asked) -> dict[str, Any]:
    """A page of the queue."""
    limit = ask.limit()
    found = await on.desk.store.queue(_filter(ask), limit + 1, _rank(ask.query.get("after", "")))
    return page([ticket_json(on, ticket) for ticket in found], limit, [".".join(map(str, ticket.rank)) for ticket in found])


async def _show(on: Office, ask: Asked) -> dict[str, Any]:
    """One ticket with its words; to the key that asked, its state and the answer that was released."""
    ticket = await on.desk.store.get(ask.path["review"])
    if ask.by.role == "caller":
        if ticket.key != ask.by.key:
            raise no_such_review(ticket.id)
        return {**ticket_json(on, ticket), "answer": _released(await on.desk.store.resolution(ticket))}
    require_sight(ask.by, ticket)
    return await whole_json(on, ticket)


def _deed(deed: Deed) -> Callable[[Office, Asked], Coroutine[Any, Any, dict[str, Any]]]:
    async def run(on: Office, ask: Asked) -> dict[str, Any]:
        return await whole_json(on, await on.desk.act(ask.path["review"], Action(deed, **ask.values), ask.by))

    return run


def _act(deed: Deed, purpose: str, gives: Mapping[str, Field] | None = None) -> Endpoint[Office]:
    return Endpoint("POST", f"/{{review}}/{deed}", purpose, REVIEWS, _deed(deed), WHOLE, gives)


_CHOICES = frozenset({"limit", "after", "state", "route", "why", "assignee", "label", "org", "team"})
ENDPOINTS: Final[tuple[Endpoint[Office], ...]] = (
    Endpoint("GET", "", "tickets that wait, the most urgent first", REVIEWS, _queue, TICKET, query=_CHOICES, listing=True),
    Endpoint("GET", "/{review}", "one ticket with its words; one's own, with what became of it", _ASKERS, _show, WHOLE),
    _act("claim", "take a ticket, so that nobody else does"),
    _act("release", "give a claimed ticket back"),
    _act("answer", "answer in one's own words", {**_WORDS, **_NOTE}),
    _act("approve", "release an answer as it is; `call`: which, unless the best", {**_WHOSE, **_NOTE}),
    _act("edit", "release an answer with changes", {**_WHOSE, **_WORDS, **_NOTE}),
    _act("reject", "release none", _NOTE),
)


def reviews(desk: Desk, keys: SqliteKeys, who: Who) -> Table[Office]:
    """What answers requests under `PREFIX`; `who` is the authenticator's, `keys` keep the trail."""
    return Table(PREFIX, ENDPOINTS, office(desk, keys), keys, who, most_bytes=1_000_000)


def ticket_json(on: Office, ticket: Ticket, *also: str) -> dict[str, Any]:
    """A ticket without its words. Whose they are is not told. `also`: further keys that are to be named."""
    told: dict[str, Any] = to_builtins(ticket)
    del told["notify"], told["preferred"], told["ended_at_ns"]
    times = {"created_at": told.pop("created_at_ns") / 1e9, "deadline_at": told.pop("deadline_at_ns") / 1e9}
    names = {key: name for key in sorted({ticket.key, ticket.assignee, *also}) if key and (name := on.name(key))}
    return {"object": "review", **told, **times, "best": ticket.best, "names": names}


async def whole_json(on: Office, ticket: Ticket) -> dict[str, Any]:
    """A ticket with its words, as far as they were not erased."""
    store = on.desk.store
    contents, resolution, done = await store.contents(ticket), await store.resolution(ticket), await store.history(ticket)
    words: dict[str, Any] = {"erased": contents is None, "api": None, "request": None, "answers": []}
    if contents is not None:
        words |= {"api": contents.api, "request": to_builtins(contents.body), "answers": to_builtins(contents.proposals)}
    history = [{"event": each.event, "at": each.at_ns / 1e9, "by": each.by} for each in done]
    told = {"resolution": to_builtins(resolution), "answer": _released(resolution), "history": history}
    by = "" if resolution is None else resolution.by
    return {**ticket_json(on, ticket, by, *(each.by for each in done)), **words, **told}


def _released(resolution: Resolution | None) -> dict[str, Any] | None:
    if resolution is None or not resolution.released:
        return None
    by_a_person = resolution.edited or resolution.verdict == "answered"
    calls = to_builtins(resolution.tool_calls)
    return {"text": resolution.text, "refusal": resolution.refusal, "tool_calls": calls, "by_a_person": by_a_person}


def _filter(ask: Asked) -> Filter:
    query = ask.query
    place = _narrower(Scope(ask.by.org, ask.by.team), Scope(query.get("org", ""), query.get("team", "")))
    why = next((known for known in get_args(Why) if known == query.get("why")), None)
    if "why" in query and why is None:
        raise RequestError(f"`why` takes one of {', '.join(_WHYS)}", param="why")
    sight, states = visible_labels(ask.by), _states(query.get("state"))
    return Filter(place, sight, states, query.get("route"), why, _assignee(ask.by, query), query.get("label"))


def _narrower(held: Scope, wanted: Scope) -> Scope:
    """What is wanted of what may be seen. Of another's place nothing is, as of one that does not exist."""
    if wanted.team and not (wanted.org or held.org):
        raise RequestError("`team` needs `org`: a team's id is unique within its org only", param="team")
    if held.covers(narrowed := Scope(wanted.org or held.org, wanted.team or held.team)):
        return narrowed
    return Scope("\0", "\0")


def _states(given: str | None) -> tuple[State, ...]:
    if given is None:
        return WAITING
    found = tuple(state for state in STATES if given in ("all", state))
    if not found:
        raise RequestError(f"`state` takes one of {', '.join(STATES)}, or `all`", param="state")
    return found


def _assignee(by: Caller, query: Mapping[str, str]) -> str | None:
    given = query.get("assignee")
    return by.key if given == "me" else given


def _rank(after: str) -> Rank:
    if not after:
        return FIRST
    found = _MARK.fullmatch(after)
    if found is None or int(found[2]) >= 2**63:
        raise RequestError("`after` takes what a page said under `next`", param="after")
    return (int(found[1]), int(found[2]), found[3])
