"""What a request asks for that not every API has words for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pointsman.core.apis import Feature
from pointsman.core.request import Message, Opaque
from pointsman.wire.data_url import BASE64, WEB
from pointsman.wire.fields import known as named
from pointsman.wire.openai_chat.request import ChatBody, Piece, Turn


def features_of(known: ChatBody, messages: Sequence[Message], untranslatable: Sequence[str] | None) -> tuple[Feature, ...]:
    """The features of a body in the words of Chat Completions, each once.

    `untranslatable` is what it cannot say of the client's own body; `None` where the client wrote it itself.
    """
    pieces = [piece for turn in known.messages if isinstance(turn.content, list) for piece in turn.content]
    found = _wanted(known) + _said(known.messages) + [feature for piece in pieces for feature in _shown(piece)]
    if known.tools or known.tool_choice is not None:
        found += _tools(known)
    if untranslatable is None:
        opaque = {part.kind for message in messages for part in message.parts if isinstance(part, Opaque)}
        untranslatable = _unknown(known, opaque)
    native = [f"native:{named(name)}" for name in untranslatable]
    return tuple(dict.fromkeys([*found, *native])) if found or native else ()


def plain_features(known: ChatBody) -> tuple[Feature, ...]:
    """The same of a body that is nothing but turns of text and single values."""
    return tuple(dict.fromkeys(_wanted(known) + _said(known.messages)))


def _wanted(known: ChatBody) -> list[Feature]:
    found = []
    if (known.n or 1) > 1:
        found.append("n")
    if known.logprobs or known.top_logprobs:
        found.append("logprobs")
    if known.stop:
        found.append("stop")
    if known.audio is not None or "audio" in (known.modalities or ()):
        found.append("audio")
    if known.functions or known.function_call:
        found.append("functions")
    if known.web_search_options is not None:
        found.append("web_search_options")
    form = known.response_format
    if form is not None and form.type == "json_schema" and not isinstance((form.json_schema or {}).get("schema"), dict):
        found.append("no_schema")
    return found


def _said(turns: Sequence[Turn]) -> list[Feature]:
    found = [] if any(map(_says_something, turns)) else ["blank_text"]
    for turn in turns:
        if turn.role == "function" or turn.function_call is not None:
            found.append("functions")
        if turn.role == "tool" and turn.tool_call_id is None:
            found.append("tool_without_id")
        if turn.audio is not None:
            found.append("audio")
        if turn.tool_calls is not None and any(call.function is None for call in turn.tool_calls):
            found.append("custom_tools")
    return found


def _says_something(turn: Turn) -> bool:
    if turn.role == "tool" or (turn.role == "assistant" and (turn.tool_calls or turn.refusal)):
        return True
    if isinstance(turn.content, str):
        return _is_word(turn.content)
    return any(_is_shown(piece) or _is_word(piece.text or piece.refusal or "") for piece in turn.content or ())


def _is_shown(piece: Piece) -> bool:
    return piece.type in {"image_url", "file"} or (piece.text is None and piece.type != "refusal")


def _is_word(text: str) -> bool:
    return bool(text) and not text.isspace()


def _shown(piece: Piece) -> Iterable[Feature]:
    """What is in a part beside text."""
    if piece.type == "input_audio":
        yield "audio"
    elif piece.type == "image_url":
        if piece.image_url is not None and not piece.image_url.url.startswith(WEB) and BASE64(piece.image_url.url) is None:
            yield "other_urls"
    elif piece.type == "file":
        data = None if piece.file is None else piece.file.file_data
        if data is None:
            yield "native:messages.file"
        elif BASE64(data) is None:
            yield "other_urls"
    elif piece.type == "refusal" and piece.text is None and piece.refusal is None:
        yield "native:messages.refusal"


def _tools(known: ChatBody) -> list[Feature]:
    kinds = {tool.type for tool in known.tools or ()} | {_choice(known)}
    return [feature for kind, feature in (("custom", "custom_tools"), ("allowed_tools", "allowed_tools")) if kind in kinds]


def _choice(known: ChatBody) -> str:
    """The kind of tool that is chosen, or a word that only some servers know."""
    match known.tool_choice:
        case None | "auto" | "none" | "required" | {"type": "function", "function": {"name": str()}}:
            return "function"
        case {"type": "function"}:
            return "nameless"
        case {"type": kind}:
            return str(kind)
    return known.tool_choice if isinstance(known.tool_choice, str) else "unknown"


def _unknown(known: ChatBody, opaque: set[str]) -> list[str]:
    """Names of what only servers of this API may know."""
    found = [f"modalities.{mode}" for mode in known.modalities or () if mode not in {"text", "audio"}]
    found += [f"tools.{tool.type}" for tool in known.tools or () if tool.type not in {"function", "custom"}]
    if (kind := _choice(known)) not in {"function", "custom", "allowed_tools"}:
        found.append(f"tool_choice.{kind}")
    return found + [f"messages.{kind}" for kind in sorted(opaque - {"input_audio", "file", "refusal"})]
