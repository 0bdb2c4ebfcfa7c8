"""What a body's length does not say about its cost: further answers, files, tools that a provider runs, dearer tiers.

Read in the words of whatever API it is written in. What is not known to be text or an image counts as a file of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_TEXT: Final = frozenset(
    {
        *("custom", "custom_tool_call", "custom_tool_call_output", "function", "function_call", "function_call_output", "message"),
        *(
            "content",
            "document",
            "input_text",
            "output_text",
            "reasoning",
            "reasoning_text",
            "redacted_thinking",
            "refusal",
            "search_result",
        ),
        *("summary_text", "text", "thinking", "tool_result", "tool_use"),
    }
)
"""Kinds of items, parts and sources whose tokens stand in the letter; a document's source says whether that is so."""

_IMAGES: Final = frozenset({"image", "image_url", "input_image"})
_AUDIO: Final = frozenset({"audio", "input_audio"})
_SAID: Final = frozenset({"annotations", "arguments", "cache_control", "citations", "metadata"})  # in these a `type` is no part's
_TURNS: Final = ("messages", "input", "system", "instructions")

_PLAIN_TOOLS: Final = frozenset({None, "custom", "function"})
_OWN_TOOLS: Final = ("apply_patch", "bash_", "computer", "local_shell", "memory_", "text_editor_")
"""Tools that a client runs, but a provider explains to the model, at a length of its own."""

_APART: Final = ("data_sources", "enable_search", "mcp_servers", "prediction", "search_parameters", "web_search_options")
"""Fields by which a provider does more than answer, and bills for it."""

_TIERS: Final[Mapping[str, frozenset[str]]] = {
    "service_tier": frozenset({"auto", "default", "flex", "standard_only"}),
    "speed": frozenset({"standard"}),
}
"""What costs what a price says, or less; any other value is a price of its own."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """What the length of a body does not say."""

    answers: int = 1  #: that are made, whether or not they are sent
    images: int = 0
    whole_context: bool = False  #: something in it may fill the model's context
    boundless: str = ""  #: something whose cost nobody can bound before the call, in words


def unsaid(body: Mapping[str, object]) -> Unsaid:
    """What to reckon with beside the length.

    >>> unsaid({"messages": [{"role": "user", "content": "hi"}], "best_of": 3})
    Unsaid(answers=3, images=0, whole_context=False, boundless='')
    >>> unsaid({"input": "hi", "tools": [{"type": "web_search"}]}).boundless
    'the tool `web_search`, which the provider runs'
    """
    kinds = list(_kinds(body))
    tools = [_kind(tool) for tool in _items(body.get("tools"))]
    best_of = body.get("best_of")
    return Unsaid(
        answers=best_of if type(best_of) is int and best_of > 1 else 1,
        images=sum(kind in _IMAGES for kind in kinds),
        whole_context=not _TEXT.union(_IMAGES).issuperset(kinds) or any(kind not in _PLAIN_TOOLS for kind in tools),
        boundless=next(_boundless(body, kinds, tools), ""),
    )


def _boundless(body: Mapping[str, object], kinds: Iterable[str], tools: Iterable[str | None]) -> Iterator[str]:
    for kind in tools:
        if kind not in _PLAIN_TOOLS and not str(kind).startswith(_OWN_TOOLS):
            yield f"the tool `{str(kind)[:64]}`, which the provider runs"
    for name in _APART:
        if (value := body.get(name)) or value == {}:
            yield f"`{name}`"
    if "compact" in str(body.get("context_management")):  # the model reads everything once more
        yield "`context_management` that compacts"
    for name, ordinary in _TIERS.items():
        if (tier := body.get(name)) is not None and str(tier) not in ordinary:
            yield f"`{name}` `{str(tier)[:64]}`, which has a price of its own"
    if any(mode != "text" for mode in _items(body.get("modalities"))) or not _AUDIO.isdisjoint(kinds):
        yield "audio and the like, which have prices of their own"


def _kinds(body: Mapping[str, object]) -> Iterator[str]:
    """Of everything that the model reads, and that is more than plain text."""
    level = [item for name in _TURNS for item in _items(body.get(name))]
    while level:
        one = level.pop()
        kind = _kind(one)
        if kind is not None:
            yield kind
        if isinstance(one, list):
            level += [item for item in one if isinstance(item, dict | list)]
        elif isinstance(one, dict) and kind not in _IMAGES:
            skipped = _SAID | {"input"} if kind == "tool_use" else _SAID
            level += [item for name, item in one.items() if isinstance(item, dict | list) and name not in skipped]


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _kind(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if kind is None else str(kind)
