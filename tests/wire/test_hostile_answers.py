"""Whatever an upstream says, a reader tells events of it or that it cannot be read; and what is kept of a stream does not grow with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import UpstreamError, UpstreamStreamBroken
from pointsman.wire.answer import answer_of
from pointsman.wire.dialect import Envelope
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.left_out import left_out
from pointsman.wire.openai_chat.reading import MOST_PARTS
from pointsman.wire.translated import Translated

URL = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
LOGPROB = {"token": "h", "logprob": -1, "bytes": [104], "top_logprobs": [{"token": "h", "logprob": -1, "bytes": [104]}]}
MESSAGE = {
    "role": "assistant",
    "content": "hello",
    "reasoning_content": "hm",
    "refusal": None,
    "annotations": [{"type": "url_citation", "url_citation": URL}],
    "audio": {"id": "a"},
    "tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
TOKENS = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
COUNTS = {"input_tokens": 3, "output_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 1}, "service_tier": "priority"}
CITED = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "h"}
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "text", "text": "hello", "citations": [CITED]},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
]
ITEMS = [
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
    {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "hello", "annotations": [URL], "logprobs": [LOGPROB]},
            {"type": "refusal", "refusal": "no"},
        ],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "web_search_call", "id": "w", "action": {}},
]
OLD_LOGPROBS = {"tokens": ["h"], "token_logprobs": [-1.0], "top_logprobs": [{"h": -1.0}], "text_offset": [0]}
WHOLE: dict[str, dict[str, Any]] = {
    "chat": {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": {"content": [LOGPROB]}}],
        "usage": TOKENS,
        "service_tier": "priority",
        "citations": ["https://a.example"],
    },
    "responses": {
        "object": "response",
        "status": "completed",
        "output": ITEMS,
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}},
        "service_tier": "flex",
    },
    "messages": {"type": "message", "content": BLOCKS, "stop_reason": "stop_sequence", "stop_sequence": "x", "usage": COUNTS},
    "completions": {"choices": [{"index": 0, "text": "hello", "finish_reason": "stop", "logprobs": OLD_LOGPROBS}], "usage": TOKENS},
    "embeddings": {"data": [{"embedding": [0.5], "index": 0}], "usage": {"prompt_tokens": 3}},
}


def _responses() -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {"status": "in_progress", "output": []}}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}}
    yield {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}}
    yield {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "hello", "logprobs": [LOGPROB]}
    yield {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": URL}
    yield {"type": "response.output_item.done", "output_index": 0, "item": ITEMS[1]}
    yield {"type": "response.reasoning_summary_text.delta", "output_index": 1, "summary_index": 0, "delta": "hm"}
    yield {"type": "response.output_item.added", "output_index": 2, "item": ITEMS[2] | {"arguments": ""}}
    yield {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"}
    yield {"type": "response.output_item.done", "output_index": 2, "item": ITEMS[2]}
    yield {"type": "response.completed", "response": WHOLE["responses"]}


def _messages() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {"usage": COUNTS}}
    pieces = [
        {"type": "signature_delta", "signature": "s"},
        {"type": "citations_delta", "citation": CITED},
        {"type": "input_json_delta", "partial_json": "{}"},
        {"type": "text_delta", "text": "hello"},
    ]
    for index, (block, piece) in enumerate(zip(BLOCKS, pieces, strict=True)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "content_block_delta", "index": index, "delta": piece}
        yield {"type": "content_block_stop", "index": index}
    details = {"explanation": "why"}
    yield {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {"output_tokens": 3}}
    yield {"type": "message_stop"}


STREAMS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"id": "c", "choices": [{"index": 0, "delta": MESSAGE, "finish_reason": None, "logprobs": {"content": [LOGPROB]}}]},
        {"choices": [{"index": 0, "delta": {"content": "more"}, "finish_reason": "stop"}], "service_tier": "flex"},
        {"choices": [], "usage": TOKENS},
    ],
    "completions": [
        {"choices": [{"index": 0, "text": "hello", "finish_reason": None, "logprobs": OLD_LOGPROBS}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}], "usage": TOKENS},
    ],
    "responses": [*_responses()],
    "messages": [*_messages()],
}
ENDING = {"chat": b"data: [DONE]\n\n", "completions": b"data: [DONE]\n\n"}
SPOKEN = ["chat", "responses", "messages", "completions"]
ENVELOPE = Envelope("dec_1", "auto", 1)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    | st.sampled_from([2**70, 10**400, -(2**70), 10**18, "text", "tool_use", "stop", "url_citation", "message", "data: [DONE]\n\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "index", "content", "usage"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
GONE = object()


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(sample: Any) -> st.SearchStrategy[Any]:
    """The sample with up to three of its values in exchange for anything, or left out."""
    change = st.tuples(st.sampled_from([*places(sample)]), ANYTHING | st.just(GONE))
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: _changed(sample, changes))


def _changed(sample: Any, changes: Iterable[tuple[tuple[Any, ...], Any]]) -> Any:
    made = copy.deepcopy(sample)
    for at, value in changes:
        inner = made
        with suppress(LookupError, TypeError):  # an earlier change took it away
            for key in at[:-1]:
                inner = inner[key]
            if value is GONE:
                del inner[at[-1]]
            else:
                inner[at[-1]] = copy.deepcopy(value)
    return made


def sse(api: str, events: Iterable[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + ENDING.get(api, b"")


@pytest.mark.parametrize("api", WHOLE)
@given(st.data())
def test_any_answer_is_read_or_refused(api, data):
    dialect = DIALECTS[api]
    body = json.dumps(data.draw(changed(WHOLE[api]) | ANYTHING)).encode()
    with suppress(UpstreamError):
        dialect.read_completion(body)
        dialect.own_answer(body, None)
        dialect.own_answer(body, "resp_1")
    if api in SPOKEN:
        with suppress(UpstreamError):
            events = dialect.read_events(body)
            answer_of(events)
            for other in SPOKEN:
                left_out(events, other)
                DIALECTS[other].write_answer(events, ENVELOPE)


@pytest.mark.parametrize("api", STREAMS)
@given(st.data())
def test_any_stream_is_read_or_broken(api, data):
    raw = sse(api, data.draw(changed(STREAMS[api]) | st.lists(ANYTHING | st.sampled_from(STREAMS[api]), max_size=4)))
    for previous in (None, "resp_1"):
        follow(DIALECTS[api].reader({}, own=True, previous=previous), raw)
    for other in SPOKEN:
        follow(Translated(DIALECTS[api].reader({}, own=False), DIALECTS[other].writer(ENVELOPE), other), raw)


def follow(stream: Any, raw: bytes) -> None:
    with suppress(UpstreamError):
        for _ in stream.feed(raw):
            pass
        stream.ended()
    assert stream.usage is None or stream.usage.input_tokens >= 0
    assert stream.finish_reason is None or isinstance(stream.finish_reason, str)


@pytest.mark.parametrize("api", WHOLE)
def test_the_samples_are_good(api):
    assert DIALECTS[api].read_completion(json.dumps(WHOLE[api]).encode()).usage.input_tokens >= 3
    if api in STREAMS:
        stream = DIALECTS[api].reader({}, own=True)
        assert b"".join(stream.feed(sse(api, STREAMS[api])))
        stream.ended()


def test_a_block_whose_type_is_no_text_is_refused():
    for read in (DIALECTS["messages"].read_completion, DIALECTS["messages"].read_events):
        with pytest.raises(UpstreamError, match="type is not text"):
            read(b'{"type": "message", "content": [{"type": []}], "usage": {}}')


ANNOTATED = {"type": "response.output_text.annotation.added", "annotation": URL}
PIECE = {"type": "response.output_text.delta", "delta": "x"}
ITEM = {"type": "response.output_item.added", "item": {"type": "message"}}


@pytest.mark.parametrize("event", [ANNOTATED, PIECE, ITEM, {"type": "response.content_part.added"}])
@pytest.mark.parametrize("index", [[], {}, "0", -1, 10_000, 2**70, True, None])
def test_what_stands_nowhere_in_a_response_breaks_it(event, index):
    with pytest.raises(UpstreamStreamBroken, match="no number from 0 to 9,999"):
        list(DIALECTS["responses"].reader({}, own=False).read(sse("responses", [event | {"output_index": index}])))


def many(api: str, event: dict[str, Any], *names: str) -> bytes:
    """The event once more than there may be parts, each with a number of its own in the fields of these names."""
    return sse(api, ({**event, **dict.fromkeys(names, number)} for number in range(MOST_PARTS + 1)))


ENDLESS = {
    "blocks": ("messages", many("messages", {"type": "content_block_start", "content_block": {"type": "text"}}, "index")),
    "items": ("responses", many("responses", ITEM, "output_index")),
    "pieces": ("responses", many("responses", PIECE, "output_index")),
    "choices": ("chat", sse("chat", ({"choices": [{"index": n, "delta": {"content": "x"}}]} for n in range(MOST_PARTS + 1)))),
    "texts": ("completions", sse("completions", ({"choices": [{"index": n, "text": "x"}]} for n in range(MOST_PARTS + 1)))),
}


@pytest.mark.parametrize("own", [True, False], ids=["own", "translated"])
@pytest.mark.parametrize("endless", ENDLESS)
def test_a_stream_of_too_many_parts_is_broken(endless, own):
    api, raw = ENDLESS[endless]
    stream = DIALECTS[api].reader({}, own=own)
    with pytest.raises(UpstreamStreamBroken):
        for _ in stream.feed(raw) if own else stream.read(raw):
            pass


def test_parts_within_parts_are_counted_too():
    parts = ({**ENDED, "output_index": number // 200, "content_index": number % 200} for number in range(MOST_PARTS + 1))
    with pytest.raises(UpstreamStreamBroken, match="more than 10,000 parts"):
        list(DIALECTS["responses"].reader({}, own=False).read(sse("responses", parts)))
    cited = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": CITED}}
    events = [{"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}, *[cited] * (MOST_PARTS + 1)]
    with pytest.raises(UpstreamStreamBroken, match="more than 10,000 parts"):
        list(DIALECTS["messages"].reader({}, own=False).read(sse("messages", events)))
    assert len(list(DIALECTS["messages"].reader({}, own=True).feed(sse("messages", events)))) == len(events)  # of which nothing is kept


ENDED = {"type": "response.content_part.added"}


def test_of_counts_and_endings_only_what_is_known_is_kept():
    stream = DIALECTS["messages"].reader({}, own=True)
    made_up = {f"k{number}": [number] for number in range(1_000)}
    event = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", **made_up},
        "usage": {"input_tokens": 3, "output_tokens": 2, **made_up},
    }
    assert list(stream.feed(sse("messages", [event])))
    assert (stream.usage.input_tokens, stream.usage.output_tokens, stream.finish_reason) == (3, 2, "stop")
    assert {*stream._counts, *stream._stop} == {"input_tokens", "output_tokens", "stop_reason"}


def test_of_a_reason_no_more_is_kept_than_a_code_can_have():
    stream = DIALECTS["chat"].reader({}, own=True)
    raw = sse("chat", [{"choices": [{"index": 0, "delta": {}, "finish_reason": "x" * 1_000_000}]}])
    assert len(b"".join(stream.feed(raw))) == len(raw) - len(ENDING["chat"])
    assert stream.finish_reason == "x" * 100


def test_a_log_probability_that_is_no_number_is_none():
    said = [{"token": "x", "logprob": value} for value in (10**400, "a", [], -1.5)]
    part = {"type": "output_text", "text": "x", "logprobs": said}
    body = {"object": "response", "status": "completed", "output": [{"type": "message", "content": [part]}]}
    events = DIALECTS["responses"].read_events(json.dumps(body).encode())
    assert answer_of(events).logprobs == (-1.5,)
    assert [token["logprob"] for token in events[0].logprobs] == [None, None, None, -1.5]
