"""What a stored response is continued with: the items of a request, and those of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Item = dict[str, Any]


class _Answer(msgspec.Struct):
    output: list[Item] = []


_answer = msgspec.json.Decoder(_Answer).decode

_SAID_BY_MODELS = frozenset({"message", "reasoning", "compaction", "program", "mcp_list_tools", "mcp_approval_request"})
_FOUND_BY_PROVIDERS = frozenset({"program_output", "shell_call_output", "tool_search_output"})


def items_of_input(body: Mapping[str, Any]) -> list[Item]:
    """The input of a request as items; empty for what is none, which `to_chat` refuses.

    >>> items_of_input({"input": "hi"})
    [{'type': 'message', 'role': 'user', 'content': 'hi'}]
    """
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def expand(body: Mapping[str, Any], earlier: Sequence[Item]) -> dict[str, Any]:
    """The body with the conversation written out: `earlier` items before its own, and no `previous_response_id`.

    >>> expand({"input": "and you?", "previous_response_id": "resp_1"}, [{"role": "user", "content": "hi"}])["input"]
    [{'role': 'user', 'content': 'hi'}, {'type': 'message', 'role': 'user', 'content': 'and you?'}]
    """
    rest = {name: value for name, value in body.items() if name != "previous_response_id"}
    given = rest.get("input", [])
    # Items that are none stay where they are: `to_chat` says what is wrong with them.
    own = given if isinstance(given, list) else items_of_input(body)
    return {**rest, "input": [*earlier, *own]} if isinstance(given, (str, list)) else rest


def output_items(answer: bytes) -> list[Item]:
    """The items of a whole answer, or of a stream's `final`; empty where it has none.

    A model speaks as the assistant, whatever role it claims, and its items are such as an answer can have: none that a client says.

    >>> output_items(b'{"output": [{"type": "message", "role": "system"}, {"type": "function_call_output", "call_id": "c"}]}')
    [{'type': 'message', 'role': 'assistant'}]
    """
    try:
        output = _answer(answer).output
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [{**item, "role": "assistant"} if item["type"] == "message" else item for item in output if _of_an_answer(item.get("type"))]


def _of_an_answer(kind: object) -> bool:
    return isinstance(kind, str) and (kind in _SAID_BY_MODELS or kind in _FOUND_BY_PROVIDERS or kind.endswith("_call"))
