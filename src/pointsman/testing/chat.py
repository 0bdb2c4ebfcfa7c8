"""`/chat/completions` as OpenAI's reference describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.testing.asked import Asked, MalformedError, Memory, Tool, Turn, images_in, listed, model_of, optional, rows, text_of, words
from pointsman.testing.framing import event
from pointsman.testing.said import Call, Dialect, Failure, Reply, Usage, logprobs, pieces

CREATED = 1_750_000_000
_ROLES = {"developer": "system", "function": "tool"}


def read(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request, understood."""
    return Asked(
        model=model_of(body),
        raw=body,
        turns=tuple(map(_turn, rows(body, "messages"))),
        stream=bool(body.get("stream")),
        tools=tuple(tool for one in listed(body.get("tools")) if (tool := tool_of(one, one.get(one.get("type")) or {}))),
        tool_choice=choice_of(body.get("tool_choice"), optional(body, "tool_choice").get("function") or {}),
        parallel_tools=body.get("parallel_tool_calls") is not False,
        schema=schema_of(optional(body, "response_format"), optional(optional(body, "response_format"), "json_schema")),
        stop=listed(body.get("stop")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        top_logprobs=body.get("top_logprobs") or 0 if body.get("logprobs") else None,
        n=body.get("n") or 1,
        thinks=body.get("reasoning_effort") not in (None, "none"),
    )


def _turn(message: Mapping[str, Any]) -> Turn:
    role, content = str(message.get("role")), message.get("content")
    thought = words(message.get("reasoning_content") or message.get("reasoning") or "")
    return Turn(_ROLES.get(role, role), text_of(content), words(content) + thought, images_in(content))


def tool_of(tool: Mapping[str, Any], told: Mapping[str, Any]) -> Tool | None:
    """A tool that we can call; `None` for those that a server would run itself."""
    match tool.get("type"):
        case "function":
            return Tool(str(told.get("name")), told.get("parameters") or {})
        case "custom":
            return Tool(str(told.get("name")), None)
    return None


def choice_of(choice: object, told: Mapping[str, Any]) -> str:
    """`tool_choice`; `told` is where a function's name is found."""
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    if name := told.get("name"):
        return f"name:{name}"
    raise MalformedError("Invalid value for 'tool_choice'.", "tool_choice", "invalid_value")


def schema_of(format: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that an answer must keep; `told` is where it is found."""
    match format.get("type"):
        case "json_schema":
            if not isinstance(schema := told.get("schema"), dict):
                raise MalformedError("Missing required parameter: 'schema'.", "response_format", "missing_required_parameter")
            return schema
        case "json_object":
            return {}
    return None


def whole(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [_call(asked, index, call, call.arguments) for index, call in enumerate(reply.calls)]
    if not reply.text and (reply.calls or reply.refusal):
        message["content"] = None
    said = None if asked.top_logprobs is None else {"content": logprobs(reply.text, asked.top_logprobs), "refusal": None}
    choices = [{"index": n, "message": message, "logprobs": said, "finish_reason": reply.finish} for n in range(asked.n)]
    told = {} if reply.usage is None else {"usage": used(reply.usage)}
    return {**_envelope(asked, "chat.completion"), "choices": choices, **told}


def events(asked: Asked, reply: Reply) -> Iterator[str]:
    """A stream, event by event."""
    wanted = reply.usage is not None and bool(optional(asked.raw, "stream_options").get("include_usage"))
    envelope = _envelope(asked, "chat.completion.chunk")
    finishes = [*((delta, None) for delta in _deltas(asked, reply)), ({}, reply.finish)]
    for delta, finish in finishes:
        said = None
        if asked.top_logprobs is not None and delta.get("content"):
            said = {"content": logprobs(delta["content"], asked.top_logprobs), "refusal": None}
        for index in range(asked.n):
            choice = {"index": index, "delta": delta, "logprobs": said, "finish_reason": finish}
            yield event({**envelope, "choices": [choice], **({"usage": None} if wanted else {})})
    if wanted and reply.usage is not None:
        yield event({**envelope, "choices": [], "usage": used(reply.usage)})
    yield "data: [DONE]\n\n"


def _deltas(asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if reply.calls else "", "refusal": None}
    yield from ({"reasoning_content": piece} for piece in pieces(reply.reasoning))
    yield from ({"content": piece} for piece in pieces(reply.text))
    yield from ({"refusal": piece} for piece in pieces(reply.refusal or ""))
    for index, call in enumerate(reply.calls):
        yield {"tool_calls": [{"index": index, **_call(asked, index, call, "")}]}
        kind, field = ("custom", "input") if call.custom else ("function", "arguments")
        half = len(call.arguments) // 2
        for piece in (call.arguments[:half], call.arguments[half:]):
            yield {"tool_calls": [{"index": index, kind: {field: piece}}]}


def _call(asked: Asked, index: int, call: Call, arguments: str) -> dict[str, Any]:
    told = {"id": f"call_{len(asked.turns)}_{index}"}
    if call.custom:
        return {**told, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {**told, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def used(usage: Usage) -> dict[str, Any]:
    """Usage; what is not reported is left out."""
    told: dict[str, Any] = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.sum}
    if usage.cached is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached}
    if usage.reasoning is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return told


def _envelope(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": CREATED, "model": asked.model, "system_fingerprint": "fp_scripted"}


def error(failure: Failure) -> tuple[int, dict[str, Any]]:
    """An error object."""
    told = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}
    return failure.status, {"error": told}


def error_event(failure: Failure, index: int) -> str:
    """An error in the middle of a stream."""
    return event(error(failure)[1])


CHAT = Dialect(read, whole, error, error_event, events)
