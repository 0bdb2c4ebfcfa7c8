"""The one thing in an answer of Responses that only the gateway knows: which response it goes on from.

The provider was sent the whole conversation instead, and says `null`. Whatever else the object holds stays as it came.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from pointsman.wire import sse
from pointsman.wire.openai_chat.unreadable import UNREADABLE

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def echoed(answer: bytes, previous: str) -> bytes:
    """A Response object that names `previous`; what is none stays as it is.

    >>> echoed(b'{"id": "resp_2", "previous_response_id": null, "top_p": 1.0}', "resp_1")
    b'{"id":"resp_2","previous_response_id":"resp_1","top_p":1.0}'
    """
    try:
        return _encode(_naming(_fields(answer), previous))
    except UNREADABLE:
        return answer


def echoed_event(event: sse.Event, previous: str) -> bytes:
    """The same for an event that holds the object, as bytes."""
    try:
        fields = _fields(event.data)
        response = _fields(fields["response"])
    except (*UNREADABLE, KeyError):
        return event.raw
    name = b"" if event.name == "message" else b"event: " + event.name.encode() + b"\n"
    return name + sse.encode(_encode({**fields, "response": _naming(response, previous)}))


def _naming(response: dict[str, Raw], previous: str) -> dict[str, Raw | str]:
    return {**response, "previous_response_id": previous}
