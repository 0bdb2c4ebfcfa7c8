"""What a request asks for that not every API has words for."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.apis import Feature
from pointsman.core.request import Message, Opaque
from pointsman.wire.fields import known as named
from pointsman.wire.openai_chat.request import ChatBody


def features_of(known: ChatBody, messages: Sequence[Message], untranslatable: Sequence[str] | None) -> tuple[Feature, ...]:
    """The features of a body in the words of Chat Completions, each once.

    `untranslatable` is what it cannot say of the client's own body; `None` where the client wrote it itself.
    """
    opaque = {part.kind for message in messages for part in message.parts if isinstance(part, Opaque)}
    found = _wanted(known, opaque)
    if known.tools or known.tool_choice:
        found += _tools(known)
    native = [f"native:{named(name)}" for name in (_unknown(known, opaque) if untranslatable is None else untranslatable)]
    return tuple(dict.fromkeys([*found, *native])) if found or native else ()


def _wanted(known: ChatBody, opaque: set[str]) -> list[Feature]:
    found = []
    if (known.n or 1) > 1:
        found.append("n")
    if known.logprobs or known.top_logprobs:
        found.append("logprobs")
    if known.stop:
        found.append("stop")
    if known.audio is not None or "audio" in (known.modalities or ()) or "input_audio" in opaque:
        found.append("audio")
    if known.functions or known.function_call:
        found.append("functions")
    if known.web_search_options is not None:
        found.append("web_search_options")
    for message in known.messages:
        if message.role == "function" or message.function_call is not None:
            found.append("functions")
        if message.audio is not None:
            found.append("audio")
        if message.tool_calls is not None and any(call.function is None for call in message.tool_calls):
            found.append("custom_tools")
    return found


def _tools(known: ChatBody) -> list[Feature]:
    kinds = {tool.type for tool in known.tools or ()} | {_choice(known)}
    return [feature for kind, feature in (("custom", "custom_tools"), ("allowed_tools", "allowed_tools")) if kind in kinds]


def _choice(known: ChatBody) -> str:
    return str(known.tool_choice.get("type")) if isinstance(known.tool_choice, dict) else "function"


def _unknown(known: ChatBody, opaque: set[str]) -> list[str]:
    """Names of what only servers of this API may know."""
    found = [f"modalities.{mode}" for mode in known.modalities or () if mode not in {"text", "audio"}]
    found += [f"tools.{tool.type}" for tool in known.tools or () if tool.type not in {"function", "custom"}]
    if (kind := _choice(known)) not in {"function", "custom", "allowed_tools"}:
        found.append(f"tool_choice.{kind}")
    return found + [f"messages.{kind}" for kind in sorted(opaque - {"input_audio", "file", "refusal"})]
