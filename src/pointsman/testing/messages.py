"""`/messages` and `/messages/count_tokens` as Anthropic's reference describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pointsman.testing.asked import Asked, MalformedError, Memory, Tool, Turn, images_in, listed, model_of, optional, rows, text_of, words
from pointsman.testing.framing import event
from pointsman.testing.said import Call, Dialect, Failure, Reply, Usage, pieces

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_WORDS = {
    # what Anthropic answers where OpenAI has a code of its own
    "insufficient_quota": (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."),
    "context_length_exceeded": (400, "prompt is too long: 250000 tokens > 200000 maximum"),
    "content_filter": (400, "Output blocked by content filtering policy"),
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def admit(headers: Mapping[str, str]) -> Failure | None:
    """Why a call may not come in."""
    if not headers.get("x-api-key") and not headers.get("authorization"):
        return Failure(401, "authentication_error", None, "x-api-key header is required")
    if not headers.get("anthropic-version"):
        return Failure(400, "invalid_request_error", None, "anthropic-version: header is required")
    return None


def read(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request, understood."""
    limit = body.get("max_tokens")
    if not isinstance(limit, int):
        raise MalformedError("max_tokens: Field required", "max_tokens")
    asked = read_count(body, memory)
    choice = optional(body, "tool_choice")
    kept = optional(optional(body, "output_config"), "format") or optional(body, "output_format")
    return replace(
        asked,
        stream=bool(body.get("stream")),
        tools=tuple(Tool(str(tool.get("name")), tool["input_schema"]) for tool in listed(body.get("tools")) if "input_schema" in tool),
        tool_choice=_choice(choice),
        parallel_tools=choice.get("disable_parallel_tool_use") is not True,
        schema=kept.get("schema"),
        stop=listed(body.get("stop_sequences")),
        max_tokens=limit,
        thinks=optional(body, "thinking").get("type") in ("enabled", "adaptive"),
    )


def read_count(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request to count, understood."""
    model = model_of(body)
    turns: list[Turn] = []
    marked = 0
    system = body.get("system")
    for role, content in [
        *([("system", system)] if system else []),
        *((row.get("role"), row.get("content")) for row in rows(body, "messages")),
    ]:
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        turns += _turns(str(role), blocks)
        if any("cache_control" in block for block in blocks):
            marked = len(turns)
    return Asked(model, body, tuple(turns), cached_turns=marked)


def _turns(role: str, blocks: list[dict[str, Any]]) -> Iterator[Turn]:
    said = []
    for block in blocks:
        if block.get("type") == "tool_result":
            content = block.get("content")
            yield Turn("tool", text_of(content), words(content), images_in(content))
        else:
            said.append(block)
    if said:
        counted = sum(words(block.get("text") or block.get("thinking") or json.dumps(block.get("input", ""))) for block in said)
        yield Turn(role, text_of([block for block in said if block.get("type") == "text"]), counted, images_in(said))


def _choice(choice: Mapping[str, Any]) -> str:
    match choice.get("type", "auto"):
        case "any":
            return "required"
        case "tool":
            return f"name:{choice.get('name')}"
        case "auto" | "none" as told:
            return str(told)
    raise MalformedError("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", "tool_choice")


def whole(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer in one piece."""
    message = _message(asked, list(_blocks(asked, reply)), _ended(reply))
    return message if reply.usage is None else {**message, "usage": _used(reply.usage)}


def _message(asked: Asked, content: list[dict[str, Any]], ended: dict[str, Any]) -> dict[str, Any]:
    return {"id": asked.id("msg_"), "type": "message", "role": "assistant", "model": asked.model, "content": content, **ended}


def _ended(reply: Reply) -> dict[str, Any]:
    reason = "refusal" if reply.refusal else "stop_sequence" if reply.stopped_by else _STOPS[reply.finish]
    return {"stop_reason": reason, "stop_sequence": reply.stopped_by}


def _blocks(asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
    if reply.reasoning:
        yield {"type": "thinking", "thinking": reply.reasoning, "signature": asked.id("sig")}
    if text := reply.text or reply.refusal:
        yield {"type": "text", "text": text}
    for index, call in enumerate(reply.calls):
        yield {"type": "tool_use", "id": f"toolu_{len(asked.turns)}_{index}", "name": call.name, "input": _input(call)}


def _input(call: Call) -> object:
    try:
        return json.loads(call.arguments)
    except ValueError:
        return {"not JSON": call.arguments}


def _used(usage: Usage) -> dict[str, Any]:
    cached = {"cache_creation_input_tokens": usage.written or 0, "cache_read_input_tokens": usage.cached or 0}
    reported = usage.cached is not None or usage.written is not None
    # Anthropic counts what came from the cache, or went into it, beside the input.
    beside = (usage.cached or 0) + (usage.written or 0)
    return {"input_tokens": usage.input - beside, "output_tokens": usage.output, **(cached if reported else {})}


def events(asked: Asked, reply: Reply) -> Iterator[str]:
    """A stream, event by event."""
    usage = {} if reply.usage is None else {"usage": {**_used(reply.usage), "output_tokens": 1}}
    started = {**_message(asked, [], {"stop_reason": None, "stop_sequence": None}), **usage}
    yield _event("message_start", message=started)
    for index, block in enumerate(_blocks(asked, reply)):
        deltas = list(_deltas(block, reply.calls))
        empty: dict[str, dict[str, Any]] = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
        yield _event("content_block_start", index=index, content_block={**block, **empty[block["type"]]})
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    told = {} if reply.usage is None else {"usage": _used(reply.usage)}
    yield _event("message_delta", delta=_ended(reply), **told)
    yield _event("message_stop")


def _deltas(block: dict[str, Any], calls: tuple[Call, ...]) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            yield from ({"type": "text_delta", "text": piece} for piece in pieces(block["text"]))
        case "tool_use":
            arguments = calls[int(block["id"].rpartition("_")[2])].arguments
            for piece in ("", arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
                yield {"type": "input_json_delta", "partial_json": piece}


def _event(kind: str, **told: Any) -> str:
    return event({"type": kind, **told}, kind)


def error(failure: Failure) -> tuple[int, dict[str, Any]]:
    """An error object, as Anthropic would put it."""
    status, message = _WORDS.get(failure.code or "", (failure.status, failure.message))
    told = {"type": _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error"), "message": message}
    return status, {"type": "error", "error": told, "request_id": "req_scripted"}


def error_event(failure: Failure, index: int) -> str:
    """An error in the middle of a stream."""
    return event(error(failure)[1], "error")


def count(asked: Asked, reply: Reply) -> dict[str, Any]:
    """How many tokens a request has."""
    return {"input_tokens": reply.usage.input if reply.usage else asked.input_tokens}


_HEADERS = "request-id: req_scripted\r\n"
MESSAGES = Dialect(read, whole, error, error_event, events, admit, headers=_HEADERS)
COUNT_TOKENS = Dialect(read_count, count, error, error_event, admit=admit, headers=_HEADERS)
