"""From bytes to a decision: pure but for a fresh id and seed. Live traffic, dry runs and the command line all go this way."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.request import Caller, Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ModelNotFound
from pointsman.signals.extract import SignalSettings, extract
from pointsman.wire.openai_chat.request import parse_request


@dataclass(frozen=True, slots=True)
class World:
    """What a request is understood and decided under; replaced as a whole."""

    snapshot: Snapshot
    signals: SignalSettings
    max_json_depth: int = 64
    keep_content: bool = False


def decide_request(raw: bytes, world: World, caller: Caller, headers: Mapping[str, str]) -> Decision:
    """Understand a chat completion request and decide. Raises `RequestError` and `ModelNotFound`."""
    return decide_understood(*understand(raw, world, caller, headers), world)


def understand(raw: bytes, world: World, caller: Caller, headers: Mapping[str, str]) -> tuple[Request, Signals]:
    """What is asked, and what there is to know about it. Raises `RequestError`. Takes its time over megabytes."""
    request = parse_request(raw, new_id(), caller, headers, world.max_json_depth)
    return request, extract(request, world.signals)


def decide_understood(request: Request, signals: Signals, world: World) -> Decision:
    """Decide. Raises `ModelNotFound`."""
    route = world.snapshot.route(request.model)
    if route is None:
        raise ModelNotFound(f"no route or model `{request.model}`: GET /v1/models lists what this key may use", param="model")
    # 53 bits: a seed must survive JSON. It decides experiments, not secrets.
    return decide(request, signals, world.snapshot, route, random.getrandbits(53))


def new_id() -> str:
    """A decision's id: sorts by time, cannot be guessed."""
    return f"dec_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
