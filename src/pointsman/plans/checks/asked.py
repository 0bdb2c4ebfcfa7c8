"""What of a request the checks of answers may look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.core.request import Content, Message, Request, ResponseFormat, Text, Tool
from pointsman.plans.checks.reading import read

Choice = Literal["auto", "none", "required"]

_SYSTEM = ("system", "developer")
_SOURCE = re.compile(r"^[ \t]{0,8}\[(\d{1,3})\]", re.MULTILINE)
_MOST_TOOL = 200_000  # characters of a definition that is read


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that was offered."""

    name: str
    parameters: Mapping[str, Any] | None = None  #: JSON schema of its arguments; `None`: it has none


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, in the words that checks need. Long texts are cut in the middle."""

    question: str = ""  #: the last text of the user
    system: str = ""  #: what the system and the developer said
    tools: tuple[Offered, ...] = ()
    choice: Choice = "auto"  #: whether a tool may, must or must not be called
    allowed: tuple[str, ...] | None = None  #: the tools that may be called; `None`: all of them
    parallel: bool = True  #: whether several may be called at once
    response_format: ResponseFormat = "text"
    schema: Mapping[str, Any] | None = None  #: the JSON schema of the answer
    choices: int = 1
    sources: frozenset[int] = frozenset()  #: numbers of sources that the request gives, each as `[1]` at the start of a line

    @property
    def wishes(self) -> str:
        """Where wishes about an answer stand, in lower case: the ends of the question, and the beginning of what the system said."""
        return "\n".join((self.system[:4_000], self.question[:2_000], self.question[2_000:][-4_000:])).lower()


def asked_of(request: Request) -> Asked:
    """What a request asked. Made once a request: tool definitions are read here.

    >>> from pointsman.core.request import Content, Message, Text
    >>> body = {"tool_choice": "required", "response_format": {"type": "json_object"}}
    >>> asked = asked_of(Request("r1", "auto", content=Content((Message("user", (Text("Which?"),)),), body=body)))
    >>> asked.question, asked.choice
    ('Which?', 'required')
    """
    content = request.content
    if content is None:
        return Asked(response_format=request.response_format, choices=request.choices)
    chat = content.chat
    choice, allowed = _choice(chat)
    return Asked(
        question=read(next((_text(turn) for turn in reversed(content.messages) if turn.role == "user"), "")),
        system=read("\n".join(_text(turn) for turn in content.messages if turn.role in _SYSTEM)),
        tools=tuple(_offered(tool) for tool in content.tools),
        choice=choice,
        allowed=allowed,
        parallel=chat.get("parallel_tool_calls") is not False,
        response_format=request.response_format,
        schema=wanted_schema(content) if request.response_format == "json_schema" else None,
        choices=request.choices,
        sources=frozenset(_sources(content.messages)),
    )


def wanted_schema(content: Content | None) -> dict[str, Any] | None:
    """The JSON schema that a request wants its answer to keep."""
    schema = _map(_map({} if content is None else content.chat, "response_format"), "json_schema").get("schema")
    return schema if isinstance(schema, dict) else None


def _text(turn: Message) -> str:
    return "\n".join(part.text for part in turn.parts if isinstance(part, Text))


def _offered(tool: Tool) -> Offered:
    try:
        said = json.loads(tool.schema) if 0 < len(tool.schema) <= _MOST_TOOL else {}
    except (ValueError, RecursionError):
        said = {}
    function = said.get("function", said) if isinstance(said, dict) else {}
    parameters = function.get("parameters") if isinstance(function, dict) else None
    return Offered(tool.name, parameters if isinstance(parameters, dict) else None)


def _choice(chat: Mapping[str, object]) -> tuple[Choice, tuple[str, ...] | None]:
    wanted = chat.get("tool_choice", chat.get("function_call"))
    if isinstance(wanted, str):
        return ("none", None) if wanted == "none" else ("required", None) if wanted in ("required", "any") else ("auto", None)
    if not isinstance(wanted, dict):
        return "auto", None
    if wanted.get("type") == "allowed_tools":
        group = _map(wanted, "allowed_tools") or wanted
        each = group.get("tools")
        return "required" if group.get("mode") == "required" else "auto", tuple(_names(each if isinstance(each, list) else []))
    names = tuple(_names([wanted]))
    return ("required", names) if names else ("auto", None)


def _names(tools: Iterable[object]) -> Iterable[str]:
    for tool in tools:
        if isinstance(tool, dict):
            name = (_map(tool, "function") or _map(tool, "custom") or tool).get("name")
            if isinstance(name, str):
                yield name


def _sources(messages: Iterable[Message]) -> Iterable[int]:
    for turn in messages:
        if turn.role != "assistant":
            yield from map(int, _SOURCE.findall(_text(turn)))


def _map(value: Mapping[str, object], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
