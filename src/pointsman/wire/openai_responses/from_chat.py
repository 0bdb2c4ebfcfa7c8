"""A Chat Completions body, for models that speak Responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import Json, Losses, json_text, kept
from pointsman.wire.openai_responses.request import LOGPROBS, SAME, without_ours
from pointsman.wire.openai_responses.tools import own_format, own_tool_choice, own_tools

_HANDLED = frozenset(SAME).union(
    ("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
    ("response_format", "verbosity", "reasoning_effort", "stream_options", "store", "n", "stop", "modalities", "audio"),
)
_KEPT_FOR_CHAT = ("functions", "function_call", "web_search_options")
_CALL_FIELDS = frozenset({"id", "type", "function", "custom", "index"})
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "refusal", "function_call", "audio"})


def from_chat(body: Mapping[str, Any]) -> Translation:
    """A Chat Completions body in the words of Responses. Raises `RequestError` for what it has none for: `n`, `stop`, audio.

    >>> from_chat({"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 1})
    Translation(body={'model': 'm', 'input': [{'role': 'user', 'content': 'hi'}], 'store': False}, dropped=('seed',), untranslatable=())
    """
    _refuse(body)
    losses = Losses()
    items = list(_items(body["messages"], losses))
    sent: Json = {"model": body["model"], "input": items, **kept(body, SAME), "store": False}
    if isinstance(metadata := sent.pop("metadata", None), dict) and (metadata := without_ours(metadata)):
        sent["metadata"] = metadata
    sent |= _tools(body, losses) | _answer(body)
    losses.need_native(*(name for name in _KEPT_FOR_CHAT if body.get(name)))
    known = _HANDLED.union(_KEPT_FOR_CHAT)
    losses.drop(*(name for name, value in body.items() if name not in known and value is not None))
    return losses.told(sent)


def _refuse(body: Mapping[str, Any]) -> None:
    asked = {"n": (body.get("n") or 1) != 1, "stop": body.get("stop"), "audio": body.get("audio"), "modalities": "audio" in _modes(body)}
    for name, is_asked in asked.items():
        if is_asked:
            raise RequestError(f"`{name}` cannot be asked of this model: its API has no words for it", param=name)


def _modes(body: Mapping[str, Any]) -> list[Any]:
    modes = body.get("modalities")
    return modes if isinstance(modes, list) else []


def _tools(body: Mapping[str, Any], losses: Losses) -> Json:
    sent: Json = {}
    if isinstance(tools := body.get("tools"), list) and tools:
        sent["tools"] = own_tools(tools, losses)
    if isinstance(choice := body.get("tool_choice"), (str, dict)):
        sent["tool_choice"] = own_tool_choice(choice, losses)
    return sent | kept(body, ("parallel_tool_calls",))


def _answer(body: Mapping[str, Any]) -> Json:
    sent: Json = {}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None:
        sent["max_output_tokens"] = limit
    if body.get("logprobs"):
        sent |= {"include": [LOGPROBS], **kept(body, ("top_logprobs",))}
    text = kept(body, ("verbosity",))
    if isinstance(form := body.get("response_format"), dict):
        text["format"] = own_format(form)
    if text:
        sent["text"] = text
    if (effort := body.get("reasoning_effort")) is not None:
        sent["reasoning"] = {"effort": effort}
    return sent


def _items(messages: list[Json], losses: Losses) -> Iterator[Json]:
    custom: set[str] = set()  # ids of the calls whose answers have a type of their own
    for message in messages:
        losses.drop(*(f"messages.{name}" for name, value in message.items() if name not in _MESSAGE_FIELDS and value is not None))
        role = message.get("role")
        if message.get("audio"):
            raise RequestError("audio cannot be said to this model: its API has no words for it", param="messages")
        if role == "function" or message.get("function_call"):
            losses.need_native("messages.function_call")
            yield {"role": "user", "content": json_text(message)}
        elif role == "tool":
            kind = "custom_tool_call_output" if message.get("tool_call_id") in custom else "function_call_output"
            output = _content(message.get("content"), "input_text", losses)
            yield {"type": kind, "call_id": message.get("tool_call_id"), "output": output}
        elif role == "assistant":
            yield from _assistant(message, custom, losses)
        else:
            yield {"role": role, "content": _content(message.get("content"), "input_text", losses)}


def _assistant(message: Json, custom: set[str], losses: Losses) -> Iterator[Json]:
    content = _content(message.get("content"), "output_text", losses)
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        texts = [_text_part("output_text", content)] if isinstance(content, str) and content else content or []
        content = [*texts, {"type": "refusal", "refusal": refusal}]
    calls = message.get("tool_calls") or []
    if content or not calls:
        yield {"role": "assistant", "content": content}
    for call in calls:
        losses.drop(*(f"messages.tool_calls.{name}" for name, value in call.items() if name not in _CALL_FIELDS and value is not None))
        if isinstance(inner := call.get("custom"), dict):
            custom.add(str(call.get("id")))
            yield {"type": "custom_tool_call", "call_id": call.get("id"), "name": inner.get("name"), "input": inner.get("input") or ""}
        elif isinstance(inner := call.get("function"), dict):
            arguments = inner.get("arguments") or ""
            yield {"type": "function_call", "call_id": call.get("id"), "name": inner.get("name"), "arguments": arguments}


def _content(content: Any, text_type: str, losses: Losses) -> str | list[Json]:
    if isinstance(content, list):
        return [_part(part, text_type, losses) for part in content if isinstance(part, dict)]
    return content if isinstance(content, str) else ""


def _part(part: Json, text_type: str, losses: Losses) -> Json:
    kind = part.get("type")
    if kind == "input_audio":
        raise RequestError("audio cannot be said to this model: its API has no words for it", param="messages")
    if kind == "refusal":
        return {"type": "refusal", "refusal": part.get("refusal") or ""}
    if kind == "image_url" and isinstance(image := part.get("image_url"), dict):
        return {"type": "input_image", "image_url": image.get("url"), "detail": image.get("detail") or "auto"}
    if kind == "file" and isinstance(file := part.get("file"), dict):
        return {"type": "input_file", **kept(file, ("filename", "file_data"))}
    if isinstance(text := part.get("text"), str):
        return _text_part(text_type, text)
    losses.need_native(f"messages.{kind!s}")
    return _text_part(text_type, json_text(part))


def _text_part(kind: str, text: str) -> Json:
    return {"type": kind, "text": text, **({"annotations": []} if kind == "output_text" else {})}
