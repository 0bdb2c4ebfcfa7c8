"""Whatever an upstream answers, a client of another API gets it in its own words or is told that it was left out: whole and streamed alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.apis import Api
from pointsman.wire.anthropic_messages.to_chat import own
from pointsman.wire.dialect import Envelope
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.events import Citation, Finished, Reasoning, Text, ToolArguments, ToolBegan
from pointsman.wire.left_out import MOST, left_out
from pointsman.wire.translated import Translated

Json = dict[str, Any]
TEXT = "See café A."
URL, TITLE, QUOTE = "https://a.example/x", "A", "a word of it"
PLACE = {"url": URL, "title": TITLE}
RANGE = {"start_index": 4, "end_index": 8}
LIKELY = [{"token": TEXT, "logprob": -0.5, "bytes": [1], "top_logprobs": []}]


def sse(data: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


# What upstreams answer


@dataclass(frozen=True)
class Chat:
    """An answer of Chat Completions that says `TEXT`, and more."""

    message: Json = field(default_factory=dict)
    said: Json = field(default_factory=dict)  #: beside the text
    ending: Json = field(default_factory=dict)  #: beside the reason
    top: Json = field(default_factory=dict)
    usage: Json | None = None

    def whole(self) -> bytes:
        ending = {"finish_reason": "stop", **self.ending}
        message = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": [], "audio": None, **self.message}
        return json.dumps({"choices": [{"index": 0, "message": message, **self.said, **ending}], **self.top, "usage": self.usage}).encode()

    def stream(self) -> bytes:
        deltas = [({"role": "assistant", "content": ""}, {}), ({"content": TEXT}, self.said), (self.message, {}), ({}, self.ending)]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}], **self.top} for delta, more in deltas]
        chunks[-1]["choices"][0].setdefault("finish_reason", "stop")
        chunks[-1]["choices"][0]["finish_reason"] = self.ending.get("finish_reason", "stop")
        return b"".join(map(sse, chunks)) + sse({"choices": [], "usage": self.usage}) + b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Responses:
    """An answer of Responses, an item for each part of the output."""

    part: Json = field(default_factory=dict)
    items: tuple[Json, ...] = ()
    top: Json = field(default_factory=dict)
    bare: bool = False  #: a stream of items as they came out, without the pieces before

    def whole(self) -> bytes:
        return json.dumps(self.response("completed")).encode()

    def response(self, status: str) -> Json:
        return {"object": "response", "status": status, "output": [self.message(), *self.items], **self.top}

    def message(self) -> Json:
        return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT, "annotations": [], **self.part}]}

    def stream(self) -> bytes:
        return b"".join(sse(event, event["type"]) for event in self.events())

    def events(self) -> Iterator[Json]:
        yield {"type": "response.created", "response": {**self.response("in_progress"), "output": []}}
        at = {"output_index": 0, "content_index": 0}
        if not self.bare:
            yield {"type": "response.output_item.added", "output_index": 0, "item": {**self.message(), "content": []}}
            yield {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": ""}}
            yield {"type": "response.output_text.delta", **at, "delta": TEXT, "logprobs": self.part.get("logprobs", [])}
            for number, note in enumerate(self.part.get("annotations", ())):
                yield {"type": "response.output_text.annotation.added", **at, "annotation_index": number, "annotation": note}
        yield {"type": "response.output_item.done", "output_index": 0, "item": self.message()}
        for number, item in enumerate(self.items, 1):
            yield {"type": "response.output_item.added", "output_index": number, "item": {"type": item["type"]}}
            yield {"type": "response.output_item.done", "output_index": number, "item": item}
        yield {"type": "response.completed", "response": self.response("completed")}


@dataclass(frozen=True)
class Messages:
    """An answer of Messages."""

    block: Json = field(default_factory=dict)
    blocks: tuple[Json, ...] = ()
    stop: Json = field(default_factory=dict)
    usage: Json = field(default_factory=dict)

    def whole(self) -> bytes:
        content = [{"type": "text", "text": "See "}, {"type": "text", "text": "café", **self.block}, {"type": "text", "text": " A."}]
        counts = {"input_tokens": 7, "output_tokens": 3, **self.usage}
        return json.dumps(
            {"type": "message", "content": [*content, *self.blocks], "stop_reason": "end_turn", **self.stop, "usage": counts}
        ).encode()

    def stream(self) -> bytes:
        return b"".join(sse(event, event["type"]) for event in self.events())

    def events(self) -> Iterator[Json]:
        yield {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1, **self.usage}}}
        for index, (text, more) in enumerate((("See ", {}), ("café", self.block), (" A.", {}))):
            yield {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
            for citation in more.get("citations", ()):
                yield {"type": "content_block_delta", "index": index, "delta": {"type": "citations_delta", "citation": citation}}
            yield {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
            yield {"type": "content_block_stop", "index": index}
        for index, block in enumerate(self.blocks, 3):
            yield {"type": "content_block_start", "index": index, "content_block": block}
            yield {"type": "content_block_stop", "index": index}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", **self.stop}, "usage": {"output_tokens": 3}}
        yield {"type": "message_stop"}


# What clients make of it


def chat_of(events: list[Json]) -> Json:
    choice: Json = {"message": {"content": "", "annotations": []}, "logprobs": None}
    whole: Json = {"choices": [choice], "service_tier": None}
    for chunk in events:
        whole |= {name: chunk[name] for name in ("usage", "service_tier") if chunk.get(name)}
        for said in chunk["choices"]:
            choice["message"]["content"] += said["delta"].get("content") or ""
            choice["message"]["annotations"] += said["delta"].get("annotations") or []
            choice |= {name: said[name] for name in ("logprobs", "finish_reason") if said.get(name)}
    return whole


def completions_of(events: list[Json]) -> Json:
    return {
        "choices": [{"text": "".join(choice["text"] for chunk in events for choice in chunk["choices"])}],
        "usage": events[-1].get("usage"),
    }


def responses_of(events: list[Json]) -> Json:
    last = events[-1]["response"]
    notes = [event["annotation"] for event in events if event["type"] == "response.output_text.annotation.added"]
    assert notes == [note for item in last["output"] for part in item.get("content", ()) for note in part.get("annotations", ())]
    return last


def messages_of(events: list[Json]) -> Json:
    whole: Json = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = {**event["message"], "content": []}
            case "content_block_start":
                whole["content"].append({**event["content_block"]})
            case "content_block_delta":
                block, delta = whole["content"][event["index"]], event["delta"]
                if delta["type"] == "text_delta":
                    block["text"] += delta["text"]
                elif delta["type"] == "citations_delta":
                    block.setdefault("citations", []).append(delta["citation"])
            case "message_delta":
                whole |= event["delta"]
                whole["usage"] |= event["usage"]
    return whole


GATHERED: Mapping[str, Callable[[list[Json]], Json]] = {
    "chat": chat_of,
    "completions": completions_of,
    "responses": responses_of,
    "messages": messages_of,
}
BODIES: Mapping[str, Json] = {
    "chat": {"stream_options": {"include_usage": True}},
    "completions": {"stream_options": {"include_usage": True}},
}


def asked(client: Api) -> Envelope:
    return Envelope("dec_1", "auto", 1, BODIES.get(client, {}))


def whole(answer: Chat | Responses | Messages, upstream: Api, client: Api) -> tuple[Json, set[str]]:
    events = DIALECTS[upstream].read_events(answer.whole())
    return json.loads(DIALECTS[client].write_answer(events, asked(client))), set(left_out(events, client))


def streamed(answer: Chat | Responses | Messages, upstream: Api, client: Api) -> tuple[Json, set[str]]:
    stream = Translated(DIALECTS[upstream].reader({}, own=False), DIALECTS[client].writer(asked(client)), client)
    raw = answer.stream()
    out = b"".join(piece for at in range(0, len(raw), 7) for piece in stream.feed(raw[at : at + 7])) + stream.ended()
    lines = out.decode().split("\n")
    told = [line.removeprefix(": x-pointsman-dropped: ") for line in lines if line.startswith(":")]
    assert len(told) == bool(stream.dropped)
    assert set(", ".join(told).split(", ")) - {""} == set(stream.dropped)
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return GATHERED[client]([json.loads(each) for each in data if each != "[DONE]"]), set(stream.dropped)


def at(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer[int(name)] if isinstance(answer, list) else answer.get(name)
    return answer


# What becomes of each


@dataclass(frozen=True)
class Is:
    """Survives as this, and something small of it may be told."""

    path: str
    value: object
    told: tuple[str, ...] = ()


CITED_CHAT = Is("choices.0.message.annotations", [{"type": "url_citation", "url_citation": {**RANGE, **PLACE}}])
CITED_RESPONSES = Is("output.0.content.0.annotations", [{"type": "url_citation", **RANGE, **PLACE}])
UNPROVED = {"type": "web_search_result_location", **PLACE, "encrypted_index": ""}
CITED_MESSAGES = Is("content.0.citations", [{**UNPROVED, "cited_text": ""}], ("answer.citations.range",))
QUOTED = {"type": "web_search_result_location", **PLACE, "cited_text": QUOTE, "encrypted_index": "proof"}
NOTE = {"type": "url_citation", "url_citation": {**RANGE, **PLACE}}
ALL_TOLD = ("chat", "responses", "messages", "completions")


def told(what: str, *but: str) -> dict[str, str]:
    return dict.fromkeys((one for one in ALL_TOLD if one not in but), f"answer.{what}")


ROWS: list[tuple[str, Api, Chat | Responses | Messages, Mapping[str, Is | str]]] = [
    (
        "annotations",
        "chat",
        Chat(message={"annotations": [NOTE]}),
        {"responses": CITED_RESPONSES, "messages": CITED_MESSAGES, "completions": "answer.citations"},
    ),
    (
        "annotations of a file",
        "chat",
        Chat(message={"annotations": [{"type": "file", "file": {"hash": "x"}}]}),
        told("annotations.file", "chat"),
    ),
    (
        "annotations of nowhere",
        "chat",
        Chat(message={"annotations": [{**NOTE, "url_citation": PLACE}]}),
        told("annotations.url_citation", "chat"),
    ),
    ("annotations of no shape", "chat", Chat(message={"annotations": ["x"]}), told("annotations.unknown", "chat")),
    ("audio", "chat", Chat(message={"audio": {"id": "a", "data": "xx"}}), told("audio", "chat")),
    ("images", "chat", Chat(message={"images": [{"image_url": {"url": "data:"}}]}), told("images", "chat")),
    (
        "reasoning_details",
        "chat",
        Chat(message={"reasoning_details": [{"type": "reasoning.encrypted"}]}),
        told("reasoning_details", "chat"),
    ),
    ("citations of Perplexity", "chat", Chat(top={"citations": [URL]}), told("citations", "chat")),
    ("search_results of Perplexity", "chat", Chat(top={"search_results": [PLACE]}), told("search_results", "chat")),
    ("reasoning", "chat", Chat(message={"reasoning_content": "hm"}), {"completions": "answer.reasoning"}),
    (
        "a signed tool call",
        "chat",
        Chat(
            message={
                "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {}}}]
            },
            ending={"finish_reason": "tool_calls"},
        ),
        {"responses": "answer.tool_calls.extra_content", "messages": "answer.tool_calls.extra_content"},
    ),
    (
        "logprobs",
        "chat",
        Chat(said={"logprobs": {"content": LIKELY}}),
        {"responses": Is("output.0.content.0.logprobs", LIKELY), "messages": "answer.logprobs"},
    ),
    ("logprobs of a refusal", "chat", Chat(said={"logprobs": {"content": None, "refusal": LIKELY}}), told("logprobs.refusal", "chat")),
    (
        "stop_reason of vLLM",
        "chat",
        Chat(ending={"stop_reason": "END"}),
        {"messages": Is("stop_sequence", "END"), "responses": "answer.stop_sequence", "completions": "answer.stop_sequence"},
    ),
    ("stop_reason of vLLM, a token", "chat", Chat(ending={"stop_reason": 2}), {"messages": Is("stop_sequence", None)}),
    (
        "service_tier",
        "chat",
        Chat(top={"service_tier": "priority"}),
        {
            "responses": Is("service_tier", "priority"),
            "messages": Is("usage.service_tier", "priority"),
            "completions": "answer.service_tier",
        },
    ),
    (
        "service_tier of OpenAI",
        "chat",
        Chat(top={"service_tier": "flex"}),
        {"responses": Is("service_tier", "flex"), "messages": "answer.service_tier", "completions": "answer.service_tier"},
    ),
    (
        "the usual service_tier",
        "chat",
        Chat(top={"service_tier": "default"}),
        {"responses": Is("service_tier", "default"), "messages": Is("usage.service_tier", None)},
    ),
    (
        "cached tokens",
        "chat",
        Chat(usage={"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}}),
        {
            "responses": Is("usage.input_tokens_details", {"cached_tokens": 4, "cache_write_tokens": 3}),
            "messages": Is("usage.cache_creation_input_tokens", 3),
        },
    ),
    (
        "annotations",
        "responses",
        Responses(part={"annotations": [{"type": "url_citation", **RANGE, **PLACE}]}),
        {"chat": CITED_CHAT, "messages": CITED_MESSAGES, "completions": "answer.citations"},
    ),
    (
        "annotations of items alone",
        "responses",
        Responses(part={"annotations": [{"type": "url_citation", **RANGE, **PLACE}]}, bare=True),
        {"chat": CITED_CHAT, "messages": CITED_MESSAGES, "completions": "answer.citations"},
    ),
    (
        "annotations of files",
        "responses",
        Responses(part={"annotations": [{"type": "file_citation", "file_id": "f", "filename": "a", "index": 1}]}),
        told("annotations.file_citation", "responses"),
    ),
    *[
        (kind, "responses", Responses(items=({"type": kind, "id": "x", "status": "completed"},)), told(kind, "responses"))
        for kind in ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call")
    ],
    (
        "encrypted reasoning",
        "responses",
        Responses(items=({"type": "reasoning", "summary": [], "encrypted_content": "xx"},)),
        told("reasoning.encrypted_content", "responses"),
    ),
    (
        "logprobs",
        "responses",
        Responses(part={"logprobs": LIKELY}),
        {"chat": Is("choices.0.logprobs.content", LIKELY), "messages": "answer.logprobs"},
    ),
    (
        "service_tier",
        "responses",
        Responses(top={"service_tier": "priority"}),
        {"chat": Is("service_tier", "priority"), "messages": Is("usage.service_tier", "priority"), "completions": "answer.service_tier"},
    ),
    (
        "cached tokens",
        "responses",
        Responses(
            top={"usage": {"input_tokens": 9, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}}}
        ),
        {
            "chat": Is("usage.prompt_tokens_details", {"cached_tokens": 4, "cache_write_tokens": 3}),
            "completions": Is("usage.prompt_tokens_details", {"cached_tokens": 4, "cache_write_tokens": 3}),
            "messages": Is("usage.cache_read_input_tokens", 4),
        },
    ),
    (
        "citations",
        "messages",
        Messages(block={"citations": [QUOTED]}),
        {
            "chat": Is(CITED_CHAT.path, CITED_CHAT.value, ("answer.citations.cited_text",)),
            "responses": Is(CITED_RESPONSES.path, CITED_RESPONSES.value, ("answer.citations.cited_text",)),
            "completions": "answer.citations",
        },
    ),
    *[
        (kind, "messages", Messages(block={"citations": [{"type": kind, "cited_text": QUOTE}]}), told(f"citations.{kind}", "messages"))
        for kind in ("char_location", "page_location", "content_block_location", "search_result_location")
    ],
    *[
        (kind, "messages", Messages(blocks=({"type": kind, "id": "x"},)), told(kind, "messages"))
        for kind in (
            "redacted_thinking",
            "server_tool_use",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "mcp_tool_use",
            "mcp_tool_result",
            "container_upload",
        )
    ],
    (
        "stop_sequence",
        "messages",
        Messages(stop={"stop_reason": "stop_sequence", "stop_sequence": "END"}),
        told("stop_sequence", "messages"),
    ),
    (
        "service_tier",
        "messages",
        Messages(usage={"service_tier": "priority"}),
        {"chat": Is("service_tier", "priority"), "responses": Is("service_tier", "priority"), "completions": "answer.service_tier"},
    ),
    ("the usual service_tier", "messages", Messages(usage={"service_tier": "standard"}), {"chat": Is("service_tier", None)}),
    (
        "cached tokens",
        "messages",
        Messages(usage={"cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}),
        {
            "chat": Is("usage.prompt_tokens_details", {"cached_tokens": 4, "cache_write_tokens": 3}),
            "responses": Is("usage.input_tokens_details", {"cached_tokens": 4, "cache_write_tokens": 3}),
        },
    ),
]
EACH = [
    pytest.param(upstream, answer, client, becomes, id=f"{what} of {upstream} for {client}")
    for what, upstream, answer, clients in ROWS
    for client, becomes in clients.items()
]


@pytest.mark.parametrize("way", [whole, streamed])
@pytest.mark.parametrize(("upstream", "answer", "client", "becomes"), EACH)
def test_it_survives_or_the_client_is_told(upstream, answer, client, becomes, way):
    got, left = way(answer, upstream, client)
    if isinstance(becomes, str):
        assert left == {becomes}
    else:
        assert (at(got, becomes.path), left) == (becomes.value, set(becomes.told))


@pytest.mark.parametrize("way", [whole, streamed])
@pytest.mark.parametrize("client", ["chat", "responses", "messages", "completions"])
@pytest.mark.parametrize(("upstream", "answer"), [("chat", Chat()), ("responses", Responses()), ("messages", Messages())])
def test_of_a_plain_answer_nothing_is_told(upstream, answer, client, way):
    got, left = way(answer, upstream, client)
    assert left == set()
    assert TEXT in json.dumps(got, ensure_ascii=False)


def test_what_an_upstream_calls_something_is_repeated_only_if_it_is_a_name():
    answer = Messages(blocks=({"type": "x\r\nset-cookie: a=b"},))
    assert whole(answer, "messages", "chat")[1] == streamed(answer, "messages", "chat")[1] == {"answer.unknown"}


def test_only_so_many_names_are_told():
    answer = Messages(blocks=tuple({"type": f"kind_{number}"} for number in range(200)))
    assert len(whole(answer, "messages", "chat")[1]) == len(streamed(answer, "messages", "chat")[1]) == MOST


def test_answers_that_nobody_asked_for_are_told():
    events = [Text("one"), Finished("stop"), Text("two", choice=1), Finished("stop", choice=1)]
    assert left_out(events, "messages") == left_out(events, "responses") == ("answer.choices",)
    assert left_out(events, "chat") == ()


@pytest.mark.parametrize(("client", "lost"), [("chat", ()), ("responses", ("answer.citations",)), ("messages", ("answer.citations",))])
def test_a_citation_whose_text_is_closed_already_is_told(client, lost):
    stream = Translated(DIALECTS["chat"].reader({}, own=False), DIALECTS[client].writer(asked(client)), client)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    for delta in ({"content": TEXT}, {"tool_calls": [call]}, {"annotations": [NOTE]}):
        list(stream.feed(sse({"choices": [{"index": 0, "delta": delta}]})))
    list(stream.feed(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})))
    assert "answer.citations" in stream.dropped if lost else stream.dropped == ()


def test_citations_of_a_later_text_are_counted_from_where_it_begins():
    events = [Text("one "), Reasoning("hm"), Text("two three"), Citation(URL, 8, 13, TITLE), Finished("stop")]
    response = json.loads(DIALECTS["responses"].write_answer(events, asked("responses")))
    assert response["output"][-1]["content"][0]["annotations"] == [{"type": "url_citation", "start_index": 4, "end_index": 9, **PLACE}]
    assert Citation(URL, 8, 13, TITLE) in DIALECTS["responses"].read_events(json.dumps(response).encode())


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_citations_survive_the_way_from_chat_to_responses_and_back(pieces, data):
    text = "".join(pieces)
    start = data.draw(st.integers(0, len(text)))
    cited = Citation(URL, start, data.draw(st.integers(start, len(text))), TITLE)
    events = [*map(Text, pieces), cited, ToolBegan(0, "c", "f"), ToolArguments(0, "{}"), Finished("tool_calls")]
    for api in ("chat", "responses"):
        again = DIALECTS[api].read_events(DIALECTS[api].write_answer(events, asked(api)))
        assert [event for event in again if isinstance(event, Citation)] == [cited]
        writer = DIALECTS[api].writer(asked(api))
        raw = b"".join([*map(writer.write, events), writer.ended()])
        assert [event for event in DIALECTS[api].reader({}, own=False).read(raw) if isinstance(event, Citation)] == [cited]


def test_citations_that_another_model_left_are_not_sent_to_one_that_wants_them_proved():
    kept = {"type": "text", "text": "b", "citations": [QUOTED]}
    left = {"type": "text", "text": "a", "citations": [{**UNPROVED, "cited_text": ""}]}
    body = {"model": "m", "messages": [{"role": "assistant", "content": [left, kept]}]}
    assert own(body)["messages"] == [{"role": "assistant", "content": [{"type": "text", "text": "a"}, kept]}]
    assert left["citations"]
