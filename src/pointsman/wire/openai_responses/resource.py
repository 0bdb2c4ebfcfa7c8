"""The Response object as it is written for a client: every field, nulls included, with what was asked repeated."""

from __future__ import annotations

from typing import Any

from pointsman.core.prices import Usage
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import FinishReason

_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_DEFAULTS: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_TOOLS: dict[str, dict[str, Any]] = {
    "function": {"name": "", "description": None, "parameters": None, "strict": None},
    "custom": {"name": "", "description": None, "format": {"type": "text"}},
}


def response_id(envelope: Envelope) -> str:
    """The id under which a client may continue this answer."""
    return f"resp_{envelope.id}"


def in_progress(envelope: Envelope) -> dict[str, Any]:
    """The object as it is while nothing was said."""
    return _resource(envelope, "in_progress", [], None)


def finished(
    envelope: Envelope, output: list[dict[str, Any]], reason: FinishReason | None, usage: Usage | None, tier: str | None = None
) -> dict[str, Any]:
    """The object of an answer that is over. Nobody said why (`None`): it is incomplete, with no details.

    `tier`: of service, where it was not the usual one, whatever was asked for.
    """
    status = "completed" if reason in {"stop", "tool_calls"} else "incomplete"
    resource = _resource(envelope, status, output, usage)
    if reason in _REASONS:
        resource["incomplete_details"] = {"reason": _REASONS[reason]}
    resource["service_tier"] = tier or "default"
    return resource


def _resource(envelope: Envelope, status: str, output: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
    body = {name: value for name, value in envelope.body.items() if value is not None}
    tier = body.get("service_tier", "auto")
    return {
        "id": response_id(envelope),
        "object": "response",
        "created_at": envelope.created_s,
        "completed_at": None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": envelope.model,
        "output": output,
        **{name: body.get(name, default) for name, default in _DEFAULTS.items()},
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "reasoning": {"effort": None, "summary": None, **body.get("reasoning", {})},
        "service_tier": "default" if tier == "auto" else tier,
        "text": _text(body.get("text", {})),
        "tools": [{**_TOOLS.get(str(tool.get("type")), {}), **tool} for tool in body.get("tools", ())],
        "usage": None if usage is None else _usage(usage),
    }


def _text(text: dict[str, Any]) -> dict[str, Any]:
    form = text.get("format") or {"type": "text"}
    if form.get("type") == "json_schema":
        form = {"description": None, "strict": False, **form}
    return {"verbosity": "medium", **text, "format": form}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
