"""What `previous_response_id` refers to: the turns of answered Responses requests, in memory and for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from pointsman.errors import RequestError
from pointsman.wire.openai_responses.state import Item, expand, items_of_input, output_items

_MOST_BYTES = 64_000_000

Body = dict[str, object]


class Continued(NamedTuple):
    """A body with the turns before it written out."""

    body: Body
    labels: tuple[str, ...] = ()  #: of those turns: what was said under them is said again
    previous: str | None = None  #: the response that it goes on from


@dataclass(frozen=True, slots=True)
class _Turn:
    items: bytes  # JSON: as objects they would take many times as much
    labels: tuple[str, ...]
    until_s: float


class _Named(msgspec.Struct):
    id: str = ""


class Responses:
    """Kept per key, the oldest given up first. Prompts are not written to disk for it."""

    def __init__(self, ttl_s: float, clock: Callable[[], float] = time.monotonic, most_bytes: int = _MOST_BYTES) -> None:
        """`ttl_s`: how long a response can be gone on from; 0: never."""
        self.ttl_s = ttl_s
        self._clock, self._most_bytes = clock, most_bytes
        self._turns: OrderedDict[tuple[str, str], _Turn] = OrderedDict()
        self._size = 0

    def complete(self, key: str, body: Body) -> Continued:
        """The body with the turns that its `previous_response_id` stands for. Raises `RequestError` where there are none."""
        previous = body.get("previous_response_id")
        if previous is None:
            return Continued(body)
        turn = self._turns.get((key, previous)) if isinstance(previous, str) else None
        if turn is None or turn.until_s < self._clock():
            raise RequestError(
                f"no response `{str(previous)[:100]}`: not stored, too old, or answered by another process: send its items in `input`",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return Continued(expand(body, msgspec.json.decode(turn.items, type=list[Item])), turn.labels, str(previous))

    def keep(self, key: str, asked: Body, answer: bytes, labels: tuple[str, ...]) -> None:
        """Keep the turns up to this answer and the labels they were said under, unless the client said `store: false`.

        `asked` is the completed body. An answer whose id is none cannot be referred to.
        """
        if not self.ttl_s or asked.get("store") is False:
            return
        try:
            name = (key, msgspec.json.decode(answer, type=_Named).id)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if not name[1]:
            return
        items = msgspec.json.encode([*items_of_input(asked), *output_items(answer)])
        self._forget(name)
        self._turns[name] = _Turn(items, labels, self._clock() + self.ttl_s)
        self._size += len(items)
        while self._turns and (self._size > self._most_bytes or next(iter(self._turns.values())).until_s < self._clock()):
            self._forget(next(iter(self._turns)))

    def _forget(self, name: tuple[str, str]) -> None:
        if (turn := self._turns.pop(name, None)) is not None:
            self._size -= len(turn.items)
