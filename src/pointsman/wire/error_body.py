"""The fields of an upstream's error, whoever sent it: read within bounds, whatever it is.

`{"error": {...}}` (OpenAI, Azure, Anthropic, Gemini, Groq, OpenRouter, llama.cpp), `{"error": "text"}` (TGI, Ollama, xAI), flat (vLLM,
Mistral, Bedrock, Cohere), FastAPI's `detail` lists (Mistral), any of them in a list (Gemini), plain text and HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from pointsman.wire.retry_after import believed_s, duration_s

MOST_BODY_BYTES: Final = 1_000_000  #: beyond that it is not read as JSON
MOST_MESSAGE, MOST_WORD = 2_000, 200  #: characters kept

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)

_STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    # For events, which carry no status. OpenAI and Anthropic; vLLM; Gemini
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "badrequesterror": 400,
    "notfounderror": 404,
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "unavailable": 503,
    "validationexception": 400,
}

_COME_BACK = re.compile(r"(?:try again|retry) (?:in|after) ([0-9][0-9.dhms]{0,30}[dhms]|[0-9.]{1,20}(?= second))", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,500})</title", re.IGNORECASE)


class ErrorBody:
    """An error's fields in the provider's words, cut to a bounded length. Reading never raises.

    >>> said = ErrorBody(b'[{"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}]')
    >>> said.code, said.type, said.message, said.status()
    ('429', 'RESOURCE_EXHAUSTED', 'Slow down', 429)
    """

    def __init__(self, body: bytes, error_type: str = "") -> None:
        outer = _decoded(body)
        fields = _fields(outer)
        metadata = _dict(fields.get("metadata"))  # OpenRouter
        self._fields, self._metadata = fields, metadata
        self.type = _type(fields) or _aws_name(error_type) or None
        self.code = _word(fields.get("code"))
        self.param = _word(fields.get("param")) or _location(fields)
        self.message = _message(fields) if outer else _plain(body)
        self._texts = tuple(text for text in (self.message, _text(metadata.get("raw"))) if text)
        self.words = tuple(word.lower() for word in self._all_words() if word)  #: codes and types, the most exact first
        self.is_error = outer.get("error") is not None or "error" in (outer.get("object"), outer.get("type"))
        self.was_flagged = "flagged_input" in metadata  #: OpenRouter's moderation refused it

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Whether a text of it, or of the provider behind it, contains this."""
        return any(pattern.search(text) for text in self._texts)

    def begins(self, pattern: re.Pattern[str]) -> bool:
        """Whether a text of it, or of the provider behind it, begins with this."""
        return any(pattern.match(text) for text in self._texts)

    def status(self) -> int:
        """The status that it names, or that its type stands for; 502 if none."""
        for name in ("code", "status", "status_code", "http_status_code", "raw_status_code"):
            word = _word(self._fields.get(name)) or ""
            if re.fullmatch(r"[45][0-9]{2}", word):
                return int(word)
        return next((_STATUS_OF_TYPE[word] for word in self.words if word in _STATUS_OF_TYPE), 502)

    def retry_after_s(self) -> float | None:
        """Gemini's `RetryInfo`, OpenRouter's metadata, and what Azure and Gemini say in words where a header is missing."""
        for detail in _dicts(self._fields.get("details")):
            if (wait_s := duration_s(_text(detail.get("retryDelay")) or "")) is not None:
                return wait_s
        seconds = self._metadata.get("retry_after_seconds")
        if type(seconds) in (int, float) and (wait_s := believed_s(seconds)) is not None:
            return float(wait_s)
        found = _COME_BACK.search(self.message or "")
        return duration_s(found[1]) if found else None

    def _all_words(self) -> Iterator[str | None]:
        fields = self._fields
        yield self.code
        yield _word(_dict(fields.get("innererror")).get("code"))  # Azure
        yield _word(_dict(fields.get("details")).get("error_code"))  # Anthropic
        for detail in _dicts(fields.get("details")):  # Gemini
            yield _word(detail.get("reason"))
        yield self.type
        yield _word(fields.get("status"))


def _decoded(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BODY_BYTES:
        return {}
    try:
        value = msgspec.json.decode(body)
    except _UNREADABLE:
        return {}
    if isinstance(value, list) and value:  # Gemini's OpenAI-compatible endpoint
        value = value[0]
    return _dict(value)


def _fields(outer: dict[str, Any]) -> dict[str, Any]:
    outer = _dict(outer.get("response")) or outer  # `response.failed` of OpenAI's Responses
    error = outer.get("error")
    if isinstance(error, dict):
        return error
    return {**outer, "message": error} if isinstance(error, str) else outer


def _type(fields: Mapping[str, Any]) -> str | None:
    for name in ("type", "error_type", "__type", "status"):
        value = fields.get(name)
        if isinstance(value, str) and value and value != "error":
            return _aws_name(value) if name == "__type" else value[:MOST_WORD]
    return None


def _aws_name(text: str) -> str:
    """`ThrottlingException` of `com.amazon.coral.service#ThrottlingException:http://...`."""
    return text.split(":", 1)[0].rsplit("#", 1)[-1].strip()[:MOST_WORD]


def _message(fields: Mapping[str, Any]) -> str | None:
    for name in ("message", "detail", "Message", "msg"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value[:MOST_MESSAGE]
        if complaints := "; ".join(filter(None, (_text(complaint.get("msg")) for complaint in _complaints(value)))):
            return complaints[:MOST_MESSAGE]
    return None


def _location(fields: Mapping[str, Any]) -> str | None:
    """Where FastAPI's first complaint points, as Mistral sends it: `messages.0.user.name`."""
    for name in ("message", "detail"):
        for complaint in _complaints(fields.get(name)):
            place = complaint.get("loc")
            if isinstance(place, list):
                return ".".join(filter(None, map(_word, place[1:20])))[:MOST_WORD] or None
    return None


def _complaints(value: object) -> list[dict[str, Any]]:
    return _dicts(value.get("detail") if isinstance(value, dict) else value)


def _plain(body: bytes) -> str | None:
    text = body[: 4 * MOST_MESSAGE].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        found = _TITLE.search(text)
        return found[1].strip() if found else None
    return text[:MOST_MESSAGE] or None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value[:20] if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value[:MOST_MESSAGE] if isinstance(value, str) else None


def _word(value: object) -> str | None:
    if isinstance(value, str):
        return value[:MOST_WORD] or None
    return str(value) if type(value) is int and abs(value) < 10**18 else None
