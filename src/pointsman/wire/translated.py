"""A stream that arrives in one API and leaves in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from pointsman.core.apis import Api
from pointsman.core.prices import Usage
from pointsman.errors import UpstreamStreamBroken
from pointsman.wire.dialect import StreamReader, StreamWriter
from pointsman.wire.events import Citation, Event, Text
from pointsman.wire.left_out import MOST, lost

MOST_BYTES: Final = 64_000_000
"""Of one stream: what is held of an answer until it ends grows with it."""


class Change(Protocol):
    """What becomes of events on their way."""

    def of(self, event: Event) -> Iterable[Event]:
        """What is said instead of it, as far as that is known by now."""

    def ended(self) -> Iterable[Event]:
        """What is left to say."""


@dataclass(slots=True)
class Translated:
    """A `Stream` made of a reader of the upstream's API and a writer of the client's, and a change between them if there is one.

    What `api`, the client's, has no words for is told before the stream's last words, in a comment: its headers are gone by then.
    """

    reader: StreamReader
    writer: StreamWriter
    api: Api
    change: Change | None = None
    _lost: dict[str, None] = field(default_factory=dict, init=False)
    _fed: int = field(default=0, init=False)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`. Raises as the reader does, and `UpstreamStreamBroken` beyond `MOST_BYTES`."""
        self._fed += len(data)
        if self._fed > MOST_BYTES:
            raise UpstreamStreamBroken(f"the upstream sent more than {MOST_BYTES:,} bytes")
        for read in self.reader.read(data):
            for event in (read,) if self.change is None else self.change.of(read):
                if written := self._write(event):
                    yield written

    def ended(self) -> bytes:
        """The stream's last words. Raises as the reader does."""
        self.reader.ended()
        left = () if self.change is None else self.change.ended()
        said = [*map(self._write, left)]
        told = f": x-pointsman-dropped: {', '.join(self._lost)}\n\n".encode() if self._lost else b""
        return b"".join([*said, told, self.writer.ended()])

    def _write(self, event: Event) -> bytes:
        written = self.writer.write(event)
        if not isinstance(event, Text) or event.logprobs or event.choice:  # of plain text nothing is lost
            self._tell(event, written)
        return written

    def _tell(self, event: Event, written: bytes) -> None:
        if len(self._lost) < MOST:
            self._lost |= dict.fromkeys(lost(event, self.api))
        if not written and isinstance(event, Citation):  # it came after its text was closed
            self._lost["answer.citations"] = None

    @property
    def dropped(self) -> tuple[str, ...]:
        """What of the answer was left out until now."""
        return tuple(self._lost)

    @property
    def begun(self) -> bool:
        """As the reader's."""
        return self.reader.begun

    @property
    def spoken(self) -> bool:
        """As the reader's."""
        return self.reader.spoken

    @property
    def done(self) -> bool:
        """As the reader's."""
        return self.reader.done

    @property
    def usage(self) -> Usage | None:
        """As the reader's."""
        return self.reader.usage

    @property
    def pieces(self) -> int:
        """As the reader's."""
        return self.reader.pieces

    @property
    def finish_reason(self) -> str | None:
        """As the reader's."""
        return self.reader.finish_reason

    @property
    def sequence(self) -> int:
        """As the writer's."""
        return self.writer.sequence

    @property
    def final(self) -> bytes | None:
        """The whole answer, where the client's API ends its streams with it."""
        final: bytes | None = getattr(self.writer, "final", None)
        return final
