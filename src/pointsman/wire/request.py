"""A client's body, in whatever API, to a `Request`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pointsman.core.apis import Api
from pointsman.core.request import Caller, Content, Image, Request
from pointsman.errors import RequestError
from pointsman.wire.destinations import refuse_destinations
from pointsman.wire.dialect import Translation
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.features import features_of, plain_features
from pointsman.wire.openai_chat.request import ChatBody, is_plain, messages_of, read, refuse_other_spellings, tools_of
from pointsman.wire.references import refuse_references
from pointsman.wire.strict_json import parse_object

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_Declared = tuple[tuple[str, ...], str | None, str | None, str | None]
_OUR_HEADERS = frozenset({"x-pointsman-labels", "x-pointsman-task", "x-pointsman-domain", "x-pointsman-difficulty"})
_OUR_METADATA = ("pointsman_labels", "pointsman_task", "pointsman_domain", "pointsman_difficulty")


def parse_request(raw: bytes, id: str, caller: Caller, headers: Mapping[str, str], max_depth: int = 64, api: Api = "chat") -> Request:
    """A client's request. `headers` (lower-case names) may declare labels and tags. Raises `RequestError` with `param`."""
    return read_request(parse_object(raw, max_depth), hashlib.sha256(raw).hexdigest(), id, caller, headers, api)


def read_request(body: dict[str, Any], digest: str, id: str, caller: Caller, headers: Mapping[str, str], api: Api) -> Request:
    """The request in a body. Raises `RequestError` with `param`.

    Whatever routing reads, it reads in the words of Chat Completions, so that labels and rules mean the same in every API.
    """
    plain = api == "chat" and is_plain(body)
    if not plain:
        refuse_destinations(body)
        refuse_references(body)
    translated = None if api == "chat" else DIALECTS[api].to_chat(body)
    known = read(body if translated is None else translated.body)
    if translated is None and not plain:
        refuse_other_spellings(body)
    labels, task, domain, difficulty = _declared(headers, known.metadata or {})
    content = _content(known, body, translated, _api_headers(headers, api))
    return Request(
        id=id,
        model=known.model,
        api=api,
        features=plain_features(known)
        if plain
        else features_of(known, content.messages, None if translated is None else translated.untranslatable),
        caller=caller,
        digest=digest,
        stream=bool(known.stream),
        # Which of the two an upstream obeys is its own affair: reckon with the larger.
        max_output_tokens=max(known.max_completion_tokens or 0, known.max_tokens or 0) or None,
        choices=known.n or 1,
        messages=len(content.messages),
        images=0 if plain else sum(isinstance(part, Image) for message in content.messages for part in message.parts),
        tools=tuple([tool.name for tool in content.tools]),
        response_format=known.response_format.type if known.response_format else "text",
        labels=labels,
        task=task,
        domain=domain,
        difficulty=difficulty,
        metadata=known.metadata or {},
        content=content,
    )


def _content(known: ChatBody, body: dict[str, Any], translated: Translation | None, headers: Mapping[str, str]) -> Content:
    messages = messages_of(known)
    if translated is None:
        return Content(messages, tools_of(known, body), body, None, (), headers)
    return Content(messages, tools_of(known, translated.body), body, translated.body, translated.dropped, headers)


def _declared(headers: Mapping[str, str], metadata: Mapping[str, str]) -> _Declared:
    """Labels; task class, domain and difficulty. From headers and metadata: of labels both count, of the others the header goes first."""
    if not metadata and _OUR_HEADERS.isdisjoint(headers):
        return (), None, None, None
    for name in metadata:
        if name.casefold().startswith("pointsman") and name not in _OUR_METADATA:
            raise RequestError(f"`metadata.{name[:64]}` means nothing: there are {', '.join(_OUR_METADATA)}", param="metadata")
    in_header = _names(headers.get("x-pointsman-labels", ""), "x-pointsman-labels")
    in_metadata = _names(metadata.get("pointsman_labels", ""), "metadata.pointsman_labels")
    return (
        in_header + in_metadata,
        _tag(headers.get("x-pointsman-task", ""), "task", metadata),
        _tag(headers.get("x-pointsman-domain", ""), "domain", metadata),
        _tag(headers.get("x-pointsman-difficulty", ""), "difficulty", metadata),
    )


def _api_headers(headers: Mapping[str, str], api: Api) -> dict[str, str]:
    found = {}
    for name, pattern in DIALECTS[api].client_headers.items():
        if (text := headers.get(name)) is not None:
            if not pattern.fullmatch(text):
                raise RequestError(f"`{name}`: not as this API writes it", param=name)
            found[name] = text
    return found


def _tag(in_header: str, tag: str, metadata: Mapping[str, str]) -> str | None:
    return _one(in_header, f"x-pointsman-{tag}") or _one(metadata.get(f"pointsman_{tag}", ""), f"metadata.pointsman_{tag}")


def _one(text: str, where: str) -> str | None:
    names = _names(text, where)
    if len(names) > 1:
        raise RequestError(f"`{where}`: {len(names)} names, give one", param=where)
    return names[0] if names else None


def _names(text: str, where: str) -> tuple[str, ...]:
    if not text:
        return ()
    names = tuple(name for piece in text.split(",") if (name := piece.strip()))
    for name in names:
        if not LABEL.fullmatch(name):
            raise RequestError(f"`{where}`: `{name[:64]}` is not a name: use letters, digits, `_`, `.` and `-`", param=where)
    if len(names) > 32:
        raise RequestError(f"`{where}`: {len(names)} names, at most 32 are read", param=where)
    return names
