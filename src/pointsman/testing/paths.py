"""Which dialect is spoken on which path, and what is sent there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pointsman.testing.asked import MalformedError, Memory, model_of
from pointsman.testing.chat import CHAT, CREATED
from pointsman.testing.completions import COMPLETIONS
from pointsman.testing.embeddings import EMBEDDINGS
from pointsman.testing.framing import STREAM_HEAD, head, response
from pointsman.testing.manners import Answer, Step, plain
from pointsman.testing.messages import COUNT_TOKENS, MESSAGES
from pointsman.testing.responses import RESPONSES
from pointsman.testing.said import Dialect, Failure, malformed
from pointsman.testing.scripts import ERROR, names, play
from pointsman.testing.voices import Voice

_DIALECTS = {
    "/chat/completions": CHAT,
    "/completions": COMPLETIONS,
    "/responses": RESPONSES,
    "/messages/count_tokens": COUNT_TOKENS,
    "/messages": MESSAGES,
    "/embeddings": EMBEDDINGS,
}


def steps(url_path: str, headers: Mapping[str, str], body: object, call: int, memory: Memory) -> Iterator[Step]:
    """What is sent to a caller. `call` is the number of its model's calls so far; whatever stands before the path's end is ignored."""
    path = url_path.partition("?")[0]
    if path.endswith("/models"):
        return iter([response(200, _models())])
    dialect = next((dialect for end, dialect in _DIALECTS.items() if path.endswith(end)), None)
    if dialect is None:
        return plain(lambda: _refuse(CHAT, Failure(404, "invalid_request_error", "unknown_url", f"Unknown request URL: {path}")), 0)
    try:
        if failure := dialect.admit(headers):
            return plain(lambda: _refuse(dialect, failure), 0)
        if not isinstance(body, dict):
            raise MalformedError("We could not parse the JSON body of your request.")
        return play(
            model_of(body), call, lambda voice, size: _answer(dialect, body, voice, size, memory), lambda failure: _refuse(dialect, failure)
        )
    except MalformedError as error:
        refused = _refuse(dialect, malformed(error))
        return plain(lambda: refused, 0)


def _refuse(dialect: Dialect, failure: Failure) -> Answer:
    status, told = dialect.error(failure)
    content = b"" if status == 204 else json.dumps(told).encode()
    return _ready(dialect, head(status, len(content), more=dialect.headers + failure.headers), [content], streamed=False)


def _answer(dialect: Dialect, body: Mapping[str, object], voice: Voice, size: int, memory: Memory) -> Answer:
    try:
        asked = dialect.read(body, memory)
        reply = voice(asked, size, memory)
    except MalformedError as error:
        return _refuse(dialect, malformed(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a value of a kind that no reader expects
        return _refuse(dialect, malformed(MalformedError(f"Invalid request: {error!r}")))
    dialect.keep(asked, reply, memory)
    if asked.stream and dialect.events:
        events = [event.encode() for event in dialect.events(asked, reply)]
        return _ready(dialect, STREAM_HEAD[:-2] + dialect.headers.encode() + b"\r\n", events, streamed=True)
    content = json.dumps(dialect.whole(asked, reply), ensure_ascii=False).encode()
    return _ready(dialect, head(200, len(content), more=dialect.headers), [content], streamed=False)


def _ready(dialect: Dialect, head: bytes, parts: list[bytes], *, streamed: bool) -> Answer:
    return Answer(
        head, parts, streamed, json.dumps(dialect.error(ERROR)[1]).encode(), lambda index: dialect.error_event(ERROR, index).encode()
    )


def _models() -> bytes:
    listed = [{"id": name, "object": "model", "created": CREATED, "owned_by": "pointsman"} for name in names()]
    return json.dumps({"object": "list", "data": listed}).encode()
