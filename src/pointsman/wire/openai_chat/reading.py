"""What a choice of an answer says, whole or in pieces, as events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta, Struct

from pointsman.errors import UpstreamError
from pointsman.wire.events import Citation, Event, Finished, FinishReason, Lost, Reasoning, Refusal, Served, Text, ToolArguments, ToolBegan

MOST_PARTS: Final = 10_000  # choices, calls, items and the like of one answer
Index = Annotated[int, Meta(ge=0, lt=MOST_PARTS)]

REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "model_length": "length",  # Mistral
    "eos_token": "stop",  # Text Generation Inference
    "stop_sequence": "stop",
}
"""Why an answer ended, in the words of OpenAI and of others that speak its API."""


FAILED: Final = frozenset({"error", "abort", "cancelled"})
"""Reasons of OpenRouter, vLLM and others that say that the answer is not whole."""


TIERS: Final = frozenset({"flex", "scale", "priority"})
"""Tiers of service that are not the usual one."""


class Function(Struct):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None  # of a custom tool's call


class Call(Struct):
    index: Index | None = None
    id: str | None = None
    function: Function | None = None
    custom: Function | None = None
    extra_content: Any = None  # what Gemini signs its calls with


class Part(Struct):
    """Mistral writes content in parts where there is thinking among it."""

    text: str | None = None
    thinking: str | list[dict[str, Any]] | None = None


class Message(Struct):
    content: str | list[Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    annotations: Any = None
    audio: Any = None
    images: Any = None
    reasoning_details: Any = None


_WORDLESS: Final = ("audio", "images", "reasoning_details")


class TopLogprob(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class Logprob(TopLogprob):
    top_logprobs: list[TopLogprob] = []


class Logprobs(Struct):
    content: list[Logprob] | None = None
    refusal: Any = None


class Beside(Protocol):
    """What stands beside the choices: the tier of service, and Perplexity's sources."""

    service_tier: Any
    citations: Any
    search_results: Any


def tier(told: object) -> Iterator[Event]:
    """The tier of service, where it says something."""
    if isinstance(told, str) and told in TIERS:
        yield Served(told)


def sources(beside: Beside) -> Iterator[Event]:
    """Sources of which it is not said what goes back to them."""
    if beside.citations:
        yield Lost("citations")
    if beside.search_results:
        yield Lost("search_results")


class ChoiceReader:
    """Reads one choice of an answer. `answer`: the upstream's id of it, from which tool calls that have no id get one."""

    def __init__(self, choice: int, answer: object) -> None:
        self._choice = choice
        self._answer = answer
        self._calls: dict[int, tuple[int, str | None]] = {}  # number and id, by the upstream's index
        self._made = 0
        self._last = 0
        self.finished: FinishReason | None = None

    def read(
        self, said: Message, logprobs: Logprobs | None = None, finish_reason: str | None = None, stopped_by: object = None
    ) -> Iterator[Event]:
        """What this much of the choice says. Raises `UpstreamError` for what cannot be understood, and for words after its end.

        `stopped_by`: the stop sequence that ended it, where that is a text.
        """
        for event in self._read(said, logprobs):
            if self.finished and not isinstance(event, Citation | Lost):
                raise UpstreamError("the upstream said more after it had ended its answer")
            yield event
        if finish_reason is not None and self.finished is None:
            yield self._finish(finish_reason, stopped_by)

    def end(self) -> Iterator[Event]:
        """The ending of a choice whose upstream said that all is over, but not why."""
        if self.finished is None:
            yield self._finish("stop")

    def _read(self, said: Message, logprobs: Logprobs | None) -> Iterator[Event]:
        if thought := said.reasoning_content or said.reasoning:
            yield Reasoning(thought, self._choice)
        if isinstance(said.content, list):
            yield from self._parts(said.content)
        elif said.content or (logprobs is not None and logprobs.content):
            likely = None if logprobs is None else logprobs.content
            yield Text(said.content or "", self._choice, None if likely is None else msgspec.to_builtins(likely))
        if said.annotations or said.audio or said.images or said.reasoning_details:
            yield from self._further(said)
        if logprobs is not None and logprobs.refusal:
            yield Lost("logprobs.refusal")
        if said.refusal:
            yield Refusal(said.refusal, self._choice)
        for call in said.tool_calls or ():
            yield from self._call(call)
        if said.function_call is not None:
            yield from self._call(Call(0, function=said.function_call))

    def _further(self, said: Message) -> Iterator[Event]:
        for note in said.annotations if isinstance(said.annotations, list) else ():
            found = note if isinstance(note, dict) else {}
            kind = found.get("type")
            yield url_citation(found.get("url_citation"), self._choice) or Lost(f"annotations.{kind or 'unknown'}")
        yield from (Lost(name) for name in _WORDLESS if getattr(said, name))

    def _parts(self, parts: list[Part]) -> Iterator[Event]:
        for part in parts:
            thinking = part.thinking or ""
            if thought := thinking if isinstance(thinking, str) else "".join(str(inner.get("text") or "") for inner in thinking):
                yield Reasoning(thought, self._choice)
            if part.text:
                yield Text(part.text, self._choice)

    def _call(self, call: Call) -> Iterator[Event]:
        made = call.custom or call.function or Function()
        known = self._calls.get(self._last if call.index is None else call.index)
        # Some servers give every call the index 0, or none: a second name under another id is another call.
        if known is None or (made.name and call.id and call.id != known[1]):
            yield self._began(call, made)
        number = self._calls[self._last if call.index is None else call.index][0]
        if text := made.arguments or made.input:
            yield ToolArguments(number, text, self._choice)
        if call.extra_content:
            yield Lost("tool_calls.extra_content")

    def _began(self, call: Call, made: Function) -> ToolBegan:
        if not made.name:
            raise UpstreamError("the upstream began a tool call without a name")
        number, self._made = self._made, self._made + 1
        self._last = self._last if call.index is None else call.index
        self._calls[self._last] = (number, call.id)
        return ToolBegan(number, call.id or self._id(number), made.name, self._choice, custom=call.custom is not None)

    def _id(self, number: int) -> str:
        return "call_" + hashlib.sha256(f"{self._answer}/{self._choice}/{number}".encode()).hexdigest()[:24]

    def _finish(self, reason: str, stopped_by: object = None) -> Finished:
        if reason in FAILED:
            raise UpstreamError(f"the upstream gave up its answer: it ended with `{reason}`")
        if (meant := REASONS.get(reason)) is None:
            raise UpstreamError("the upstream ended its answer for a reason that is not known")
        # Some say `stop` all the same, OpenAI itself where a call was forced. The client is to run its tools.
        self.finished = "tool_calls" if meant == "stop" and self._made else meant
        return Finished(self.finished, self._choice, stopped_by if isinstance(stopped_by, str) and self.finished == "stop" else None)


def url_citation(told: Any, choice: int = 0, offset: int = 0) -> Citation | None:
    """A citation as OpenAI writes it; `None` for what is none. `offset`: where the text begins that it is about.

    >>> url_citation({"url": "https://a.example", "title": "A", "start_index": 2, "end_index": 5}, offset=10)
    Citation(url='https://a.example', start=12, end=15, title='A', quote='', choice=0)
    """
    if not isinstance(told, dict) or not isinstance(url := told.get("url"), str):
        return None
    start, end = told.get("start_index"), told.get("end_index")
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        return None
    title = told.get("title")
    return Citation(url, offset + start, offset + end, title if isinstance(title, str) else "", choice=choice)


def write_url_citation(citation: Citation, offset: int = 0) -> dict[str, Any]:
    """The same in OpenAI's words."""
    return {
        "start_index": citation.start - offset,
        "end_index": citation.end - offset,
        "url": citation.url,
        "title": citation.title,
    }
