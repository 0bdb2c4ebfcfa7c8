"""HTTP and server-sent events as bytes."""

from __future__ import annotations

import json
from http import HTTPStatus

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
JSON = "application/json"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def response(status: int, body: bytes, content_type: str = JSON, more: str = "") -> bytes:
    """A whole answer; `more` is further header lines."""
    return head(status, len(body), content_type, more) + (b"" if status == 204 else body)


def head(status: int, length: int, content_type: str = JSON, more: str = "") -> bytes:
    """Status and headers of a whole answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    told = "" if status == 204 else f"content-length: {length}\r\n"
    return f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {content_type}\r\n{told}{more}\r\n".encode("latin-1")


def event(value: object, name: str | None = None) -> str:
    """One server-sent event.

    >>> event({"a": 1}), event({}, "ping")
    ('data: {"a":1}\\n\\n', 'event: ping\\ndata: {}\\n\\n')
    """
    data = f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
    return data if name is None else f"event: {name}\n{data}"
