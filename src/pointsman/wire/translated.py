"""A stream that arrives in one API and leaves in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamStreamBroken
from pointsman.wire.dialect import StreamReader, StreamWriter
from pointsman.wire.events import Event

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
    """A `Stream` made of a reader of the upstream's API and a writer of the client's, and a change between them if there is one."""

    reader: StreamReader
    writer: StreamWriter
    change: Change | None = None
    _fed: int = field(default=0, init=False)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`. Raises as the reader does, and `UpstreamStreamBroken` beyond `MOST_BYTES`."""
        self._fed += len(data)
        if self._fed > MOST_BYTES:
            raise UpstreamStreamBroken(f"the upstream sent more than {MOST_BYTES:,} bytes")
        for read in self.reader.read(data):
            for event in (read,) if self.change is None else self.change.of(read):
                if written := self.writer.write(event):
                    yield written

    def ended(self) -> bytes:
        """The stream's last words. Raises as the reader does."""
        self.reader.ended()
        left = () if self.change is None else self.change.ended()
        return b"".join([*map(self.writer.write, left), self.writer.ended()])

    @property
    def begun(self) -> bool:
        """As the reader's."""
        return self.reader.begun

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
