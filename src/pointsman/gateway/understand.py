"""From bytes to a decision: pure but for a fresh id and seed. Live traffic, dry runs and the command line all go this way."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pointsman.core.answer import Confident
from pointsman.core.apis import Api
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.outlook import Outlook
from pointsman.core.request import Caller, Request
from pointsman.core.ruling import rule
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Snapshot
from pointsman.core.value import value
from pointsman.errors import ModelNotFound
from pointsman.gateway.masking import Mask
from pointsman.gateway.reading import Reader
from pointsman.gateway.responses import Body, Continued
from pointsman.plans.checks import Check
from pointsman.signals.extract import SignalSettings, extract
from pointsman.wire.request import read_request
from pointsman.wire.strict_json import parse_object

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder

_ID_BYTES, _SEED_BYTES = 10, 7
_chance = bytearray()


def new_id() -> str:
    """A decision's id: sorts by time, cannot be guessed."""
    return f"dec_{time.time_ns() // 1_000_000:012x}{_drawn(_ID_BYTES).hex()}"


def _drawn(size: int) -> bytes:
    if len(_chance) < size:
        _chance.extend(os.urandom(4_096))  # a call of the system for each would take longer than all the rest of it
    drawn = bytes(_chance[-size:])
    del _chance[-size:]
    return drawn


@dataclass(frozen=True, slots=True)
class World:
    """What a request is understood and decided under; replaced as a whole."""

    snapshot: Snapshot
    signals: SignalSettings
    max_json_depth: int = 64
    mask: Mask | None = None  #: `None`: every model sees what was asked
    own_checks: Mapping[str, Check] = field(default_factory=dict)  #: checks of answers of the user's
    confidence: Confident | None = None  #: how likely an answer is right, as learned from outcomes; `None`: nothing was learned
    outlook: Outlook | None = None  #: whom to ask first, and what answers tell together, likewise
    reader: Reader | None = None  #: reads what is asked with a model; `None`: that takes no call
    reads_slowly: bool = False  #: what a request is about takes milliseconds to find out, however short it is


@value
class Inquiry:
    """A request as it came."""

    raw: bytes
    caller: Caller
    headers: Mapping[str, str]  #: lower-case names
    api: Api = "chat"
    counting: bool = False  #: it is only to be counted: what an answer would need may be missing
    id: str = field(default_factory=new_id)  #: of the decision that it leads to
    complete: Callable[[Body], Continued] | None = None  #: adds what the body only refers to


def decide_request(inquiry: Inquiry, world: World) -> Decision:
    """Understand a request and decide. Raises `RequestError` and `ModelNotFound`."""
    return decide_understood(*understand(inquiry, world), world)


def understand(inquiry: Inquiry, world: World) -> tuple[Request, Signals]:
    """What is asked, and what there is to know about it. Raises `RequestError`. Takes its time over megabytes."""
    return understand_body(inquiry, parse_object(inquiry.raw, world.max_json_depth), world)


def understand_body(inquiry: Inquiry, body: Body, world: World) -> tuple[Request, Signals]:
    """As `understand`, of what `inquiry.raw` says. Takes its time as well where that goes on from a conversation."""
    continued = None if inquiry.complete is None else inquiry.complete(body)
    if continued is not None:
        body = continued.body
    if inquiry.counting:
        body.setdefault("max_tokens", 1)
    digest = hashlib.sha256(inquiry.raw).hexdigest()
    request = read_request(body, digest, inquiry.id, inquiry.caller, inquiry.headers, inquiry.api)
    if continued is not None and continued.previous is not None and request.content is not None:
        content = replace(request.content, previous=continued.previous)
        request = replace(request, labels=(*request.labels, *continued.labels), content=content)
    return request, extract(request, world.signals, partial(_ruled, request, world.snapshot))


def understand_again(request: Request, signals: Signals, world: World, embedder: Embedder) -> Signals:
    """The signals of a request that was read since, and of which these were known before."""
    assert world.reader is not None
    meaning, predictor = world.reader.guessers(embedder)
    settings = replace(world.signals, meaning=meaning, predictor=predictor, unread="")
    return extract(request, settings, partial(_ruled, request, world.snapshot), signals)


def _ruled(request: Request, snapshot: Snapshot, signals: Signals) -> str:
    """The task class that the rules leave or set. They are asked again in the decision; only those that set a task cost that."""
    route = snapshot.route(request.model)
    if route is None or all(one.effects.task is None for one in (*snapshot.rules, *route.rules)):
        return signals.task
    return rule(request, signals, snapshot, route).task


def decide_understood(request: Request, signals: Signals, world: World) -> Decision:
    """Decide. Raises `ModelNotFound`."""
    route = world.snapshot.route_of(request, request.model)
    if route is None:
        raise ModelNotFound(f"no route or model `{request.model}`: GET /v1/models lists what this key may use", param="model")
    # 53 bits: a seed must survive JSON. Callers see theirs, and none may tell the next: it decides who is sampled for people to look at.
    return decide(request, signals, world.snapshot, route, int.from_bytes(_drawn(_SEED_BYTES)) >> 3)
