"""`/responses` as OpenAI's reference and the Open Responses specification describe it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.testing.asked import Asked, MalformedError, Memory, Turn, images_in, listed, model_of, optional, rows, text_of, words
from pointsman.testing.chat import CREATED, choice_of, error, schema_of, tool_of
from pointsman.testing.framing import event
from pointsman.testing.said import Call, Dialect, Failure, Reply, logprobs, pieces

_ECHOED: dict[str, Any] = {
    # what a response repeats of its request, and what it says where the request says nothing
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_logprobs": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "tool_choice": "auto",
    "truncation": "disabled",
}


def read(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request, understood."""
    if body.get("background"):
        raise MalformedError("Background mode is not supported by this model.", "background", "unsupported_parameter")
    earlier = memory.recall(str(body["previous_response_id"])) if body.get("previous_response_id") else ()
    told = body.get("instructions")
    ruled = (Turn("system", str(told), words(told)),) if told else ()
    kept = optional(optional(body, "text"), "format")
    return Asked(
        model=model_of(body),
        raw=body,
        turns=(*ruled, *earlier, *_turns(body)),
        stream=bool(body.get("stream")),
        tools=tuple(tool for one in listed(body.get("tools")) if (tool := tool_of(one, one))),
        tool_choice=choice_of(body.get("tool_choice"), optional(body, "tool_choice")),
        parallel_tools=body.get("parallel_tool_calls") is not False,
        schema=schema_of(kept, kept),
        max_tokens=body.get("max_output_tokens"),
        top_logprobs=body.get("top_logprobs") or 0 if "message.output_text.logprobs" in listed(body.get("include")) else None,
        thinks=optional(body, "reasoning").get("effort") not in (None, "none"),
    )


def _turns(body: Mapping[str, Any]) -> Iterator[Turn]:
    if isinstance(said := body.get("input"), str):
        yield Turn("user", said, words(said))
        return
    for item in rows(body, "input"):
        match item.get("type", "message"):
            case "message":
                role = str(item.get("role"))
                content = item.get("content")
                yield Turn("system" if role == "developer" else role, text_of(content), words(content), images_in(content))
            case "function_call_output" | "custom_tool_call_output":
                output = item.get("output")
                yield Turn("tool", text_of(output), words(output), images_in(output))
            case "function_call" | "custom_tool_call" | "reasoning":
                yield Turn("assistant", "", words(item.get("arguments") or item.get("input") or item.get("summary")))


def whole(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer in one piece."""
    return _resource(asked, reply, asked.id("resp_"), _items(asked, reply))


def _resource(asked: Asked, reply: Reply | None, id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The response; without a reply it has only begun."""
    said = {name: asked.raw[name] if asked.raw.get(name) is not None else default for name, default in _ECHOED.items()}
    reason = None if reply is None else {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish)
    thinking, text = optional(asked.raw, "reasoning"), optional(asked.raw, "text")
    defaults = {"description": None, "parameters": None, "strict": True}
    return {
        "id": id,
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED + 1 if reply and not reason else None,
        "status": "in_progress" if reply is None else "incomplete" if reason else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": asked.model,
        "output": items,
        "reasoning": {"effort": thinking.get("effort"), "summary": thinking.get("summary")},
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tools": [{**defaults, **tool} for tool in listed(asked.raw.get("tools"))],
        **said,
        "usage": _used(reply) if reply else None,
    }


def _used(reply: Reply) -> dict[str, Any] | None:
    if (usage := reply.usage) is None:
        return None
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached or 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.sum,
    }


def _items(asked: Asked, reply: Reply) -> list[dict[str, Any]]:
    status = "incomplete" if reply.finish in ("length", "content_filter") else "completed"
    items: list[dict[str, Any]] = []
    if reply.reasoning:
        items.append({"id": asked.id("rs_"), "type": "reasoning", "summary": [{"type": "summary_text", "text": reply.reasoning}]})
        if "reasoning.encrypted_content" in listed(asked.raw.get("include")):
            items[-1]["encrypted_content"] = asked.id("gAAAA")
    if reply.text or not (reply.calls or (reply.reasoning and status == "incomplete")):
        items.append({"id": asked.id("msg_"), "type": "message", "status": status, "role": "assistant", "content": [_part(asked, reply)]})
    return items + [_call(asked, index, call) for index, call in enumerate(reply.calls)]


def _part(asked: Asked, reply: Reply) -> dict[str, Any]:
    if reply.refusal is not None:
        return {"type": "refusal", "refusal": reply.refusal}
    said = [] if asked.top_logprobs is None else logprobs(reply.text, asked.top_logprobs)
    return {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": said}


def _call(asked: Asked, index: int, call: Call) -> dict[str, Any]:
    kind, field, prefix = ("custom_tool_call", "input", "ctc_") if call.custom else ("function_call", "arguments", "fc_")
    told = {"call_id": f"call_{len(asked.turns)}_{index}", "name": call.name, field: call.arguments}
    return {"id": f"{asked.id(prefix)}{index}", "type": kind, "status": "completed", **told}


def events(asked: Asked, reply: Reply) -> Iterator[str]:
    """A stream, event by event."""
    name = asked.id("resp_")
    items = _items(asked, reply)
    begun, done = _resource(asked, None, name, []), _resource(asked, reply, name, items)
    script: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    for index, item in enumerate(items):
        script += ((kind, {"output_index": index, **told}) for kind, told in _item_events(asked, item))
    script.append((f"response.{done['status']}", {"response": done}))
    for number, (kind, told) in enumerate(script):
        yield event({"type": kind, "sequence_number": number, **told}, kind)
    yield "data: [DONE]\n\n"


def _item_events(asked: Asked, item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    empty: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "reasoning": {"summary": []},
        "function_call": {"arguments": ""},
        "custom_tool_call": {"input": ""},
    }
    started = {} if item["type"] == "reasoning" else {"status": "in_progress"}
    yield "response.output_item.added", {"item": {**item, **empty[item["type"]], **started}}
    at = {"item_id": item["id"]}
    match item["type"]:
        case "reasoning":
            yield from _part_events("reasoning_summary_part", "reasoning_summary_text", item["summary"][0], {**at, "summary_index": 0})
        case "message":
            (part,) = item["content"]
            told = "output_text" if part["type"] == "output_text" else "refusal"
            for kind, more in _part_events("content_part", told, part, {**at, "content_index": 0}):
                if kind == "response.output_text.delta":
                    more["logprobs"] = [] if asked.top_logprobs is None else logprobs(more["delta"], asked.top_logprobs)
                yield kind, more
        case "function_call":
            yield from _argument_events("response.function_call_arguments", "arguments", item, {**at, "name": item["name"]})
        case "custom_tool_call":
            yield from _argument_events("response.custom_tool_call_input", "input", item, at)
    yield "response.output_item.done", {"item": item}


def _part_events(part_kind: str, text_kind: str, part: dict[str, Any], at: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    field = "refusal" if text_kind == "refusal" else "text"
    logged = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
    yield f"response.{part_kind}.added", {**at, "part": {**part, field: "", **({"logprobs": []} if logged else {})}}
    for piece in pieces(part[field]):
        yield f"response.{text_kind}.delta", {**at, "delta": piece}
    yield f"response.{text_kind}.done", {**at, field: part[field], **logged}
    yield f"response.{part_kind}.done", {**at, "part": part}


def _argument_events(kind: str, field: str, item: dict[str, Any], at: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    half = len(item[field]) // 2
    for piece in (item[field][:half], item[field][half:]):
        yield f"{kind}.delta", {"item_id": item["id"], "delta": piece}
    yield f"{kind}.done", {**at, field: item[field]}


def error_event(failure: Failure, index: int) -> str:
    """An error in the middle of a stream: told flat, as the reference has it, and as an object, as servers send it."""
    told = error(failure)[1]["error"]
    return event(
        {"type": "error", "sequence_number": index, "error": told, **{name: told[name] for name in ("code", "message", "param")}}, "error"
    )


def keep(asked: Asked, reply: Reply, memory: Memory) -> None:
    """Store the response, unless told not to."""
    if asked.raw.get("store") is not False:
        said = Turn("assistant", reply.text, words(reply.text) + sum(words(json.dumps(call.arguments)) for call in reply.calls))
        ruled = asked.raw.get("instructions")  # instructions hold for one response only
        memory.store(asked.id("resp_"), (*(asked.turns[1:] if ruled else asked.turns), said))


RESPONSES = Dialect(read, whole, error, error_event, events, keep=keep)
