"""What an OpenAI-compatible server sends, made from what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def response(status: int, body: bytes, content_type: str, more: str = "") -> bytes:
    """A whole answer; `more` is further header lines."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    length = "" if status == 204 else f"content-length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {content_type}\r\n{length}{more}\r\n".encode() + (b"" if status == 204 else body)


def error(status: int, *, html: bool) -> bytes:
    """An answer with an error status."""
    if html:
        return response(status, b"<html><body><h1>Bad Gateway</h1></body></html>", "text/html")
    more = "retry-after: 7\r\n" if status == 429 else "location: http://127.0.0.1:1/elsewhere\r\n" if 300 <= status < 400 else ""
    return response(status, json.dumps(error_object(status)).encode(), "application/json", more)


def error_object(status: int) -> dict[str, object]:
    """The error object of that status."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": f"scripted error {status}", "type": kind, "param": None, "code": f"scripted_{status}"}}


def completion(asked: Mapping[str, Any], *, usage: bool) -> bytes:
    """A whole answer: the text of the last message."""
    text = _text(asked)
    message = {"role": "assistant", "content": text, "refusal": None}
    choices = [{"index": n, "message": message, "logprobs": None, "finish_reason": "stop"} for n in range(asked.get("n") or 1)]
    said: dict[str, object] = {"usage": _usage(asked)} if usage else {}
    return json.dumps({**_envelope(asked, "chat.completion"), "choices": choices, **said}, ensure_ascii=False).encode()


def events(asked: Mapping[str, Any], *, usage: bool) -> Iterator[str]:
    """A stream, event by event, as OpenAI's reference describes it."""
    wanted = usage and bool((asked.get("stream_options") or {}).get("include_usage"))
    envelope = _envelope(asked, "chat.completion.chunk")
    deltas: list[tuple[dict[str, object], str | None]] = [({"role": "assistant", "content": "", "refusal": None}, None)]
    deltas += [({"content": piece}, None) for piece in _pieces(asked)]
    deltas.append(({}, "stop"))
    for delta, finish in deltas:
        for index in range(asked.get("n") or 1):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield _event({**envelope, "choices": [choice], **({"usage": None} if wanted else {})})
    if wanted:
        yield _event({**envelope, "choices": [], "usage": _usage(asked)})
    yield "data: [DONE]\n\n"


def _event(value: object) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _envelope(asked: Mapping[str, Any], kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 1_750_000_000, "model": asked["model"]}


def _text(asked: Mapping[str, Any]) -> str:
    content = asked["messages"][-1].get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _pieces(asked: Mapping[str, Any]) -> list[str]:
    return re.findall(r"\s*\S+\s*?|\s+", _text(asked))


def _usage(asked: Mapping[str, Any]) -> dict[str, object]:
    words = sum(len(str(message.get("content")).split()) for message in asked["messages"])
    pieces = len(_pieces(asked)) * (asked.get("n") or 1)
    return {"prompt_tokens": words, "completion_tokens": pieces, "total_tokens": words + pieces}
