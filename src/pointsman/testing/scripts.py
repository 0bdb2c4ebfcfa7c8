"""The scripts, by the name of the model that is asked for.

| model | what it does |
|---|---|
| `ok` | answers with the text of the last message |
| `says` | answers with what stands between its `@` and the next one: `says@42` |
| `able` | obeys tools, schemas, stop sequences, limits and the rest of its request |
| `no-usage` | answers as `ok`, and never says what it used |
| `wrong-usage` | answers as `ok`, and says that it used -5, 10^18 and together 3 tokens |
| `huge-answer-8` | answers with so many MiB, in events of 64 KiB |
| `empty-content` | answers with no text, in good order |
| `refusal` | refuses, in good order |
| `length-cut` | answers with half the text, since it came to its limit |
| `content-filter` | answers with no text, since a filter took it |
| `not-json` | answers with prose, whatever schema was asked for |
| `reasoning` | thinks, then answers as `ok` |
| `cached` | answers as `ok`, and says that half the input came from its cache |
| `tools` | calls each tool that it is offered, all at once; answers as `ok` once the last message is a tool's |
| `bad-arguments` | the same, with arguments that are not JSON |
| `error-429` | answers with that status and an error object; any status will do, `retry-after: 7` comes with a 429 |
| `error-html-502` | the same, with a page of HTML |
| `ratelimit-50` | answers 429 with `retry-after-ms`, so many |
| `ratelimit-date-5` | answers 429 with `retry-after`, a date so many seconds ahead |
| `ratelimit-reset-50` | answers 429 with no requests remaining, and their reset in so many ms |
| `quota` | answers as a provider does whose account has no money left |
| `context-length` | answers that the request is longer than the model's context |
| `filtered` | answers 400: the provider's filter refused the request |
| `unavailable-for-2` | answers 503 to so many calls, then as `ok` |
| `flaky-2` | answers 500 to every 2nd call, else as `ok` |
| `hang` | sends nothing until `release`, then closes the connection |
| `reset` | resets the connection |
| `close` | closes the connection without an answer |
| `tls-close` | the same, after TLS's own goodbye: bytes that are no HTTP |
| `close-after-headers` | sends its headers, and closes the connection |
| `slow-50` | waits so many ms, then answers as `ok` |
| `slow-first-token` | sends its headers, and the rest after `release` |
| `stall-after-2` | sends 2 events (half the body, if not streamed), and the rest after `release` |
| `drip-50` | sends one event (a tenth of the body) every so many ms |
| `slow-body-50` | sends its body in 16 pieces, cut anywhere, with so many ms before each |
| `ragged-7` | sends its body in pieces of so many bytes, at once |
| `cut-after-2` | sends 2 events (half the body) and a piece of the third, then drops the connection |
| `reset-after-2` | sends 2 events (half the body), then resets the connection |
| `fin-after-2` | sends 2 events and ends the stream in good order, without an ending (half the body, and drops the connection) |
| `error-event-after-2` | sends 2 events, then an error object |
| `error-first-event` | answers 200 with nothing but an error object |
| `malformed-after-2` | sends 2 events, then one that is not JSON, then the rest |
| `giant-line-2` | sends 2 events, then one that does not end |
| `comments-only` | sends its headers, and a comment (white space) every 100 ms, or as many as the number says, for ever |
| `wrong-shape` | answers 200 with JSON that is no completion |
| `empty` | answers 200 with nothing |
| `bad-gzip` | answers as `ok`, and says that this is gzip |
| `bad-chunking` | sends an event (the body) as a chunk, then a chunk whose length is no number |
| `remaining-3` | answers as `ok`, with headers that say: so many requests remain for a minute |

A stream's first event is the role, its last two are usage (where asked for) and `[DONE]`; other dialects have their own.
A script that says something can be joined to one that sends it: `tools+cut-after-3`.
What follows an `@` in the name is ignored but by `says`: `ok@one` and `ok@two` behave alike.
Every script speaks the dialect of the path it is asked on; those for streams answer as `ok` where nothing is streamed.
Only `slow`, `drip`, `slow-body` and `comments-only` wait by the clock. Any other name is an unknown model: 404.

`able` calls tools as it is told to; left to itself those of whose name a word was said, and answers with what they told it.
It gives the smallest value that a schema allows, thinks where it is asked to (longer, if `at length`), and says how many images it sees.
Otherwise it repeats: what it shall say or repeat `exactly: ...`, its caller's name if told before, or the last message.
It keeps stored responses, and a cache of prompts from 512 words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.utils import formatdate
from time import time

from pointsman.testing.framing import response
from pointsman.testing.manners import MANNERS, Answer, Step, limits, plain
from pointsman.testing.said import Failure
from pointsman.testing.voices import VOICES, Voice

_PART = r"[a-z]+(?:-[a-z]+)*"
_SCRIPT = re.compile(rf"(?:(?P<voice>{_PART})(?:-(?P<size>\d+))?\+)?(?P<name>{_PART})(?:-(?P<number>\d+))?(?:@.*)?", re.DOTALL)
_HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"


def _failed(status: int) -> Failure:
    status = status or 500
    kind = "server_error" if status >= 500 else "invalid_request_error"
    more = "retry-after: 7\r\n" if status == 429 else "location: http://127.0.0.1:1/elsewhere\r\n" if 300 <= status < 400 else ""
    return Failure(status, kind, f"scripted_{status}", f"scripted error {status}", headers=more)


def _limited(headers: str) -> Failure:
    return Failure(429, "requests", "rate_limit_exceeded", "Rate limit reached for requests", headers=headers)


FAILURES: dict[str, Callable[[int], Failure]] = {
    "error": _failed,
    "ratelimit": lambda ms: _limited(f"retry-after-ms: {ms}\r\n"),
    "ratelimit-date": lambda s: _limited(f"retry-after: {formatdate(time() + s, usegmt=True)}\r\n"),
    "ratelimit-reset": lambda ms: _limited(limits(0, ms)),
    "quota": lambda _: Failure(
        429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
    ),
    "context-length": lambda _: Failure(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce their length.",
        "messages",
    ),
    "filtered": lambda _: Failure(
        400, "invalid_request_error", "content_filter", "The response was filtered due to the prompt triggering content management policy."
    ),
}
"""Answers instead of an answer."""

RELAPSES: dict[str, tuple[int, Callable[[int, int], bool]]] = {
    "flaky": (500, lambda call, number: call % (number or 2) == 0),
    "unavailable-for": (503, lambda call, number: call <= number),
}
"""Scripts that fail at some calls: with what, and whether at the so-manieth, from 1."""

ERROR = _failed(500)
"""What error events say."""


def play(model: str, call: int, answer: Callable[[Voice, int], Answer], refuse: Callable[[Failure], Answer]) -> Iterator[Step]:
    """The steps of the script that `model` names, at its so-manieth call."""
    if (found := _SCRIPT.fullmatch(model)) is None:
        return _refused(refuse(_unknown(model)))
    name, number = found["name"], int(found["number"] or 0)
    if name == "error-html":
        return iter([response(number or 502, _HTML, "text/html")])
    if name in FAILURES:
        return _refused(refuse(FAILURES[name](number)))
    if name in RELAPSES and RELAPSES[name][1](call, number):
        return _refused(refuse(_failed(RELAPSES[name][0])))
    voice, size = (found["voice"], int(found["size"] or 0)) if found["voice"] else (name if name in VOICES else "ok", number)
    if voice not in VOICES or name not in {*VOICES, *MANNERS, *RELAPSES}:
        return _refused(refuse(_unknown(model)))
    return MANNERS.get(name, plain)(lambda: answer(VOICES[voice], size), number)


def _unknown(model: str) -> Failure:
    return Failure(404, "invalid_request_error", "model_not_found", f"The model '{model}' does not exist.", "model")


def _refused(answer: Answer) -> Iterator[Step]:
    return plain(lambda: answer, 0)


def names() -> list[str]:
    """All scripts, without their numbers."""
    return [*VOICES, *FAILURES, "error-html", *RELAPSES, *MANNERS]


def table() -> list[tuple[str, str]]:
    """Each script's example and what it does, from the top of this file."""
    return re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", __doc__, re.MULTILINE)
