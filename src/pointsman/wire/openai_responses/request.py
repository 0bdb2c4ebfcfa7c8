"""A client's Responses body, for models of other APIs and for those of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import Json, Losses, kept, read
from pointsman.wire.openai_responses.items import messages_of
from pointsman.wire.openai_responses.shapes import Body
from pointsman.wire.openai_responses.tools import chat_format, chat_tool_choice, chat_tools

LOGPROBS = "message.output_text.logprobs"
SAME = (
    "stream",
    "temperature",
    "top_p",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "moderation",
)
"""Fields that mean the same in both APIs."""

_REFUSED = {
    "background": "is not supported: ask with `stream` and stay",
    "conversation": "is kept by a provider, unseen by policies: send the items in `input`, or `previous_response_id`",
    "prompt": "is kept by a provider, unseen by policies: send its text in `instructions`",
    "previous_response_id": "cannot be continued here: send the items in `input`",
    "messages": "belongs to `/v1/chat/completions`: send `input`",
    "previous_input_messages": "is not accepted: send the items in `input`",
}


def to_chat(body: Mapping[str, Any]) -> Translation:
    """A client's body as a Chat Completions body. Raises `RequestError` with `param`.

    >>> to_chat({"model": "auto", "input": "hi", "truncation": "auto"})
    Translation(body={'model': 'auto', 'messages': [{'role': 'user', 'content': 'hi'}]}, dropped=('truncation',), untranslatable=())
    """
    for name, cure in _REFUSED.items():
        if body.get(name):
            raise RequestError(f"`{name}` {cure}", param=name)
    known = read(body, Body)
    losses = Losses()
    messages = [{"role": "system", "content": known.instructions}] if known.instructions else []
    items = [{"role": "user", "content": known.input}] if isinstance(known.input, str) else known.input
    messages += messages_of(items, losses)
    if not messages:
        raise RequestError("`input` says nothing", param="input")
    chat = {"model": known.model, "messages": messages, **kept(body, SAME)}
    chat |= _tools(known, losses) | _answer(known, losses)
    _tell_dropped(body, known, losses)
    return losses.told(chat)


def _tools(known: Body, losses: Losses) -> Json:
    if not known.tools:  # without them Chat Completions refuses the other two
        return {}
    chat: Json = {"tools": chat_tools(known.tools, losses)}
    if known.tool_choice is not None:
        chat["tool_choice"] = chat_tool_choice(known.tool_choice, losses)
    if known.parallel_tool_calls is not None:
        chat["parallel_tool_calls"] = known.parallel_tool_calls
    return chat


def _answer(known: Body, losses: Losses) -> Json:
    """What the answer is to be like."""
    chat: Json = {}
    if known.max_output_tokens is not None:
        chat["max_completion_tokens"] = known.max_output_tokens
    if known.top_logprobs or LOGPROBS in (known.include or ()):
        chat["logprobs"] = True
        if known.top_logprobs is not None:
            chat["top_logprobs"] = known.top_logprobs
    if known.text is not None:
        form = known.text.format and chat_format(known.text.format)
        chat |= {"response_format": form} if form else {}
        chat |= {"verbosity": known.text.verbosity} if known.text.verbosity else {}
    if known.reasoning is not None:
        chat |= {"reasoning_effort": known.reasoning.effort} if known.reasoning.effort else {}
        rest = [name for name in known.reasoning.__struct_fields__ if name != "effort" and getattr(known.reasoning, name) is not None]
        losses.drop(*(f"reasoning.{name}" for name in rest))
    return chat


def _tell_dropped(body: Mapping[str, Any], known: Body, losses: Losses) -> None:
    losses.drop(*(f"include.{wanted}" for wanted in known.include or () if wanted != LOGPROBS))
    if known.truncation == "auto":
        losses.drop("truncation")
    if known.max_tool_calls is not None:
        losses.drop("max_tool_calls")
    if known.stream_options is not None and known.stream_options.include_obfuscation:
        losses.drop("stream_options.include_obfuscation")
    losses.drop(*(name for name, value in body.items() if name not in Body.__struct_fields__ and value is not None))


def own(body: Mapping[str, Any]) -> Json:
    """The body for a model that speaks Responses. The provider keeps nothing: what is kept, the gateway keeps.

    Of reasoning only what the provider itself encrypted goes back: plain text is read by no model there, and was not judged.

    >>> own({"input": "hi", "metadata": {"pointsman_task": "chat", "a": "b"}})
    {'input': 'hi', 'metadata': {'a': 'b'}, 'store': False}
    """
    sent = {**body, "store": False}
    if isinstance(metadata := body.get("metadata"), dict):
        sent["metadata"] = without_ours(metadata)
        if not sent["metadata"]:
            del sent["metadata"]
    if isinstance(items := body.get("input"), list):
        sent["input"] = [kept_item for item in items if (kept_item := _own_item(item)) is not None]
    return sent


def _own_item(item: Any) -> Any:
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return item
    encrypted = kept(item, ("id", "encrypted_content"))
    return {"type": "reasoning", "summary": [], **encrypted} if encrypted.get("encrypted_content") else None


def without_ours(metadata: Mapping[str, Any]) -> Json:
    """Metadata without what is said to the gateway."""
    return {name: value for name, value in metadata.items() if not name.startswith("pointsman_")}
