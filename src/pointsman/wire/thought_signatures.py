"""Tool calls in a conversation with a model of Google's that wants each of them signed.

Gemini 3 and later sign their tool calls (`extra_content.google.thought_signature`) and refuse calls that come back without. A Chat
Completions client sends signatures back by itself. Messages and Responses have no field for them, and calls of another provider's models
never had one: for these Google documents a value that is taken in a signature's stead (Gemini API, Thought signatures, FAQ).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

UNSIGNED: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}
_WANTING: Final = re.compile(r"(?:^|/)gemini-(?:[3-9]|[1-9][0-9])(?![0-9])")


class Signed(NamedTuple):
    """A body whose tool calls all have a signature, or what stands for one."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()  #: for `x-pointsman-dropped`


@lru_cache
def wants_signatures(name: str) -> bool:
    """Whether a model of this name, as its provider calls it, refuses tool calls without a signature.

    >>> wants_signatures("google/gemini-3.1-pro-preview"), wants_signatures("gemini-2.5-flash")
    (True, False)
    """
    return _WANTING.search(name.lower()) is not None


def signed(body: dict[str, Any]) -> Signed:
    """A Chat Completions body for such a model. Changes nothing in `body`."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(map(_lacks, messages)):
        return Signed(body)
    sent = [_with_signatures(message) if _lacks(message) else message for message in messages]
    return Signed({**body, "messages": sent}, ("messages.tool_calls.thought_signature",))


def _lacks(message: Any) -> bool:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return isinstance(calls, list) and any(isinstance(call, dict) and not call.get("extra_content") for call in calls)


def _with_signatures(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = [{**call, "extra_content": UNSIGNED} if not call.get("extra_content") else call for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}
