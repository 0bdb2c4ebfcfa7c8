"""Whether the tools that an answer calls were offered, and are called as they say."""

from __future__ import annotations

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.plans.checks.asked import Asked, Offered
from pointsman.plans.checks.judging import keeps
from pointsman.plans.checks.reading import MOST_JSON, as_json

_MOST_CALLS = 64


def tool_calls(answer: Answer, asked: Asked) -> Grade:
    """0: a call that cannot be carried out, one too many, or none where one was demanded; 0.5: the same call twice. Abstains without calls.

    >>> from pointsman.core.request import ToolCall
    >>> tool_calls(Answer(tool_calls=(ToolCall("1", "fly", "{}"),)), Asked(tools=(Offered("drive"),))).reason
    'calls a tool that was not offered'
    """
    calls = answer.tool_calls
    if not calls:
        if asked.choice == "required" and asked.tools and not answer.refusal:
            return Grade("tool_calls", 0.0, "calls no tool, though it must")
        return Grade("tool_calls", None)
    if asked.choice == "none" or not asked.tools:
        return Grade("tool_calls", 0.0, "calls a tool, though it may not")
    if len(calls) > 1 and not asked.parallel:
        return Grade("tool_calls", 0.0, "calls several tools at once, though it may not")
    if len(calls) > _MOST_CALLS:
        return Grade("tool_calls", 0.0, f"makes more than {_MOST_CALLS} calls")
    offered = {tool.name: tool for tool in asked.tools if asked.allowed is None or tool.name in asked.allowed}
    if why := next((why for call in calls if (why := _wrong(call, offered.get(call.name)))), None):
        return Grade("tool_calls", 0.0, why)
    if len({(call.name, call.arguments) for call in calls}) < len(calls):
        return Grade("tool_calls", 0.5, "makes the same call twice")
    return Grade("tool_calls", 1.0)


def _wrong(call: ToolCall, tool: Offered | None) -> str | None:
    if tool is None:
        return "calls a tool that was not offered"
    text = call.arguments.strip() or "{}"  # how many providers say that there are none
    if len(text) > MOST_JSON:
        return None
    found = as_json(text)
    if tool.parameters is None and found is None:
        return None  # a tool may take any text
    if found is None or not isinstance(found.value, dict):
        return "the arguments of a call are no JSON object"
    if tool.parameters is not None and keeps(tool.parameters, text) is False:
        return "the arguments of a call do not keep to the tool's schema"
    return None
