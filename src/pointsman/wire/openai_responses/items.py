"""Input items to the messages of Chat Completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointsman.errors import RequestError
from pointsman.wire.fields import Json, Losses, json_text, kept_elsewhere, read
from pointsman.wire.openai_responses.shapes import CallOutput, CustomCall, FunctionCall, MessageItem, Part, said

_TEXTS = frozenset({"input_text", "output_text", "text"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_SHOWN = frozenset({"image_url", "file"})


def messages_of(items: Sequence[Json], losses: Losses) -> list[Json]:
    """One message a turn: an assistant's calls stand in its message. Raises `RequestError`.

    What has no words in Chat Completions is told as JSON text, so that it is judged like the rest, and named as untranslatable.

    >>> messages_of([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}], Losses())
    [{'role': 'assistant', 'content': None, 'tool_calls': [{'id': 'c', 'type': 'function', 'function': {'name': 'f', 'arguments': '{}'}}]}]
    """
    messages: list[Json] = []
    shown: list[Json] = []  # by tools, whose answers are text in Chat Completions: it follows them in a turn of the user's
    for at, item in enumerate(items):
        path = f"input[{at}]"
        kind = _kind(item, path)
        if shown and kind not in _OUTPUTS:
            messages.append({"role": "user", "content": shown})
            shown = []
        if kind == "message":
            _add_message(messages, item, path, losses)
        elif kind in {"function_call", "custom_tool_call"}:
            _add_call(messages, _call(item, kind, path))
        elif kind in _OUTPUTS:
            message, others = _output(item, path, losses)
            messages.append(message)
            shown += others
        elif kind == "reasoning":
            losses.drop("input.reasoning")
        else:
            if kind == "item_reference" or (kind == "image_generation_call" and not item.get("result")):
                raise kept_elsewhere(path)
            losses.need_native(f"input.{kind}")
            messages.append({"role": "user", "content": json_text(item)})
    return [*messages, {"role": "user", "content": shown}] if shown else messages


def _kind(item: Json, path: str) -> str:
    kind = item.get("type")
    if kind is None and ("role" in item or "content" in item):
        return "message"
    if kind is None and "id" in item:
        return "item_reference"
    if not isinstance(kind, str) or not 0 < len(kind) <= 64:
        raise RequestError(f"`{path}.type`: an item needs a type, such as `message`", param=f"{path}.type")
    return kind


def _add_message(messages: list[Json], item: Json, path: str, losses: Losses) -> None:
    message = read(item, MessageItem, path)
    if message.phase is not None:
        losses.drop("input.phase")
    content = _content(message.content, f"{path}.content", losses)
    if message.role == "assistant" and messages and "tool_calls" in messages[-1]:
        # The answers to the calls must follow the message that holds them, so what else was said in that turn stands in it.
        _say_more(messages[-1], content)
    else:
        messages.append({"role": message.role, "content": content})


def _say_more(message: Json, content: str | list[Json]) -> None:
    if message["content"] is None:
        message["content"] = content
    else:
        message["content"] = parts = _parts(message["content"])
        parts += _parts(content)


def _add_call(messages: list[Json], call: Json) -> None:
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _call(item: Json, kind: str, path: str) -> Json:
    if kind == "function_call":
        function = read(item, FunctionCall, path)
        return {"id": function.call_id, "type": "function", "function": {"name": function.name, "arguments": function.arguments}}
    custom = read(item, CustomCall, path)
    return {"id": custom.call_id, "type": "custom", "custom": {"name": custom.name, "input": custom.input}}


def _output(item: Json, path: str, losses: Losses) -> tuple[Json, list[Json]]:
    """A message of role `tool`, which holds text only, and the pictures and files of the result."""
    output = read(item, CallOutput, path)
    content = _content(output.output, f"{path}.output", losses)
    others = [part for part in _parts(content) if part["type"] in _SHOWN]
    losses.need_native(*(f"{output.type}.{part['type']}" for part in _parts(content) if part["type"] not in {"text", *_SHOWN}))
    if others:
        texts = [part for part in _parts(content) if part not in others]
        content = texts or ""
        others.insert(0, {"type": "text", "text": f"The tool's result {output.call_id} holds this:"})
    return {"role": "tool", "tool_call_id": output.call_id, "content": content}, others


def _content(content: str | list[Json], path: str, losses: Losses) -> str | list[Json]:
    """Text alone is said as text, which every server reads."""
    if isinstance(content, str):
        return content
    parts = [_part(part, f"{path}[{at}]", losses) for at, part in enumerate(content)]
    if not parts:
        return ""
    return str(parts[0]["text"]) if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _parts(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _part(raw: Json, path: str, losses: Losses) -> Json:
    part = read(raw, Part, path)
    if part.type in _TEXTS:
        return {"type": "text", "text": _needed(part.text, part.type, f"{path}.text")}
    if part.type == "refusal":
        return {"type": "text", "text": _needed(part.refusal, part.type, f"{path}.refusal")}
    if part.type == "input_image" and part.image_url is not None:
        return {"type": "image_url", "image_url": {"url": part.image_url, **said(part, ("detail",))}}
    if part.type == "input_file" and part.file_data is not None:
        return {"type": "file", "file": said(part, ("filename", "file_data"))}
    if part.type == "input_audio" and part.input_audio is not None:
        return {"type": "input_audio", "input_audio": part.input_audio}
    losses.need_native(f"{part.type}.file_url" if part.file_url is not None else f"input.{part.type}")
    return {"type": "text", "text": json_text(raw)}


def _needed(value: Any, kind: str, path: str) -> Any:
    if value is None:
        raise RequestError(f"a content part of type `{kind}` needs `{path.rpartition('.')[2]}`", param=path)
    return value
