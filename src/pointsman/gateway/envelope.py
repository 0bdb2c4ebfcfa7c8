"""What surrounds an answer that is written for a client."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from pointsman.core.request import Request
from pointsman.wire.dialect import Envelope
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.events import Event


class Written(NamedTuple):
    """A whole answer in the client's API."""

    body: bytes  #: as JSON, or as a stream's events where a stream was asked for
    final: bytes | None = None  #: of a stream: the answer as it would have been unstreamed, where the API's last event holds it


def envelope_of(request: Request) -> Envelope:
    """The envelope of the request's answer."""
    assert request.content is not None
    body, previous = cast("dict[str, Any]", request.content.body), request.content.previous
    asked = body if previous is None else {**body, "previous_response_id": previous}
    return Envelope(request.id, request.model, int(time.time()), asked)


def written(request: Request, events: Iterable[Event]) -> Written:
    """A whole answer that says these events."""
    dialect, envelope = DIALECTS[request.api], envelope_of(request)
    if not request.stream:
        return Written(dialect.write_answer(events, envelope))
    writer = dialect.writer(envelope)
    body = b"".join([*map(writer.write, events), writer.ended()])
    return Written(body, getattr(writer, "final", None))
