"""Chat Completions written for clients whose answers came from other APIs, and passed on to models that speak it."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from pointsman.core.prices import Usage
from pointsman.errors import Overloaded, UpstreamStreamBroken
from pointsman.wire.dialect import Envelope, Translation
from pointsman.wire.events import Finished, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.answer import collect
from pointsman.wire.openai_chat.dialect import CHAT

BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}]}
USAGE = Usage(5, 3, cached_input_tokens=2, reasoning_tokens=1)


def envelope(*, usage: bool = True) -> Envelope:
    return Envelope("dec_1", 'au"to', 1_750_000_000, {**BODY, "stream_options": {"include_usage": True}} if usage else BODY)


def write(events: list[object], *, usage: bool = True) -> bytes:
    writer = CHAT.writer(envelope(usage=usage))
    return b"".join([*map(writer.write, events), writer.ended()])


def data(raw: bytes) -> list[object]:
    return [
        event if event == "[DONE]" else json.loads(event)
        for event in (line.removeprefix("data: ") for line in raw.decode().split("\n\n")[:-1])
    ]


def test_of_itself_there_is_nothing_to_translate():
    for translate in (CHAT.to_chat, CHAT.from_chat):
        translation = translate(BODY)
        assert translation == Translation(BODY)
        translation.body["model"] = "other"
    assert BODY["model"] == "auto"
    assert (CHAT.api, CHAT.path) == ("chat", "/chat/completions")


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        ({"x": [1]}, {"x": [1]}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": True, "stream_options": None}, {"stream": True, "stream_options": {"include_usage": True}}),
        (
            {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
            {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        ),
        ({"stream": False}, {"stream": False}),
        ({"metadata": {"pointsman_task": "a", "team": "blue"}}, {"metadata": {"team": "blue"}}),
        ({"metadata": {"pointsman_task": "a"}}, {}),
        ({"metadata": None}, {"metadata": None}),
    ],
)
def test_a_model_of_the_same_api_gets_all_but_our_own_and_is_asked_for_usage(fields, sent):
    body = {**BODY, **fields}
    before = json.dumps(body)
    assert CHAT.own(body) == {**BODY, **sent}
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("asked", "own", "kept"),
    [
        ({}, True, False),
        ({"stream_options": {"include_usage": True}}, True, True),
        ({"stream_options": {"include_usage": True}}, False, False),
    ],
)
def test_only_a_client_of_the_same_api_that_asked_gets_the_usage_as_it_came(asked, own, kept):
    raw = write([Text("a"), Finished("stop"), Used(USAGE)])
    stream = CHAT.reader({**BODY, **asked}, own=own)
    assert (b'"usage"' in b"".join(stream.feed(raw))) is kept
    assert stream.usage == USAGE


def test_every_answer_asked_for_must_end():
    stream = CHAT.reader({**BODY, "n": 2}, own=True)
    list(stream.feed(write([Text("a"), Finished("stop")]).removesuffix(b"data: [DONE]\n\n")))
    with pytest.raises(UpstreamStreamBroken, match="before its end"):
        stream.ended()


def test_a_stream_as_openai_writes_it():
    events = [
        Reasoning("Hm."),
        Reasoning("", signature="s"),
        Text("a", logprobs=[TOKEN]),
        Text(""),
        Refusal("No."),
        ToolBegan(0, "c1", "f"),
        ToolArguments(0, "{}"),
        ToolBegan(1, "c2", "g", custom=True),
        ToolArguments(1, "go"),
        Text("other", choice=1),
        Finished("tool_calls"),
        Finished("length", choice=1),
        Used(USAGE),
    ]
    *chunks, done = data(write(events))
    assert done == "[DONE]"
    head = {
        "id": "chatcmpl-dec_1",
        "object": "chat.completion.chunk",
        "created": 1_750_000_000,
        "model": 'au"to',
        "system_fingerprint": None,
    }
    assert all({**chunk, **head} == chunk for chunk in chunks)
    *said, last = chunks
    assert all(chunk["usage"] is None for chunk in said)
    role = {"role": "assistant", "content": "", "refusal": None}
    assert [(choice["index"], choice["delta"], choice["finish_reason"]) for chunk in said for choice in chunk["choices"]] == [
        (0, role, None),
        (0, {"reasoning_content": "Hm."}, None),
        (0, {"content": "a"}, None),
        (0, {"refusal": "No."}, None),
        (0, {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]}, None),
        (0, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, None),
        (0, {"tool_calls": [{"index": 1, "id": "c2", "type": "custom", "custom": {"name": "g", "input": ""}}]}, None),
        (0, {"tool_calls": [{"index": 1, "custom": {"input": "go"}}]}, None),
        (1, role, None),
        (1, {"content": "other"}, None),
        (0, {}, "tool_calls"),
        (1, {}, "length"),
    ]
    assert [choice["logprobs"] for chunk in said for choice in chunk["choices"] if choice["logprobs"]] == [
        {"content": [TOKEN], "refusal": None}
    ]
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


@pytest.mark.parametrize(("asked", "reported"), [(False, True), (True, False)])
def test_usage_is_said_only_where_it_was_asked_for_and_is_known(asked, reported):
    *chunks, done = data(write([Text("a"), Finished("stop"), *([Used(USAGE)] if reported else [])], usage=asked))
    assert len(chunks) == 3
    assert all(("usage" in chunk) is asked for chunk in chunks)
    assert done == "[DONE]"


def test_the_first_call_says_whose_turn_it_is():
    assert data(CHAT.writer(envelope()).write(Used(USAGE)))[0]["choices"][0]["delta"]["role"] == "assistant"
    assert data(CHAT.writer(envelope()).ended())[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_whole_answer_as_openai_writes_it():
    events = [
        Reasoning("Hm."),
        Text("a", logprobs=[TOKEN]),
        Text("b"),
        Finished("stop"),
        Refusal("No.", choice=1),
        Finished("content_filter", choice=1),
    ]
    answer = json.loads(CHAT.write_answer([*events, Used(USAGE)], envelope()))
    assert answer == {
        "id": "chatcmpl-dec_1",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": 'au"to',
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": None, "annotations": [], "reasoning_content": "Hm."},
                "logprobs": {"content": [TOKEN], "refusal": None},
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "refusal": "No.", "annotations": []},
                "logprobs": None,
                "finish_reason": "content_filter",
            },
        ],
        "usage": answer["usage"],
        "service_tier": None,
        "system_fingerprint": None,
    }
    assert answer["usage"]["total_tokens"] == 8


def test_errors_are_openais():
    error = Overloaded("too much at once")
    assert json.loads(CHAT.error_body(error))["error"]["code"] == "rate_limit_exceeded"
    assert CHAT.error_event(error) == b"data: " + CHAT.error_body(error) + b"\n\n"
    assert list(CHAT.reader(BODY, own=True).feed(CHAT.keep_alive)) == []


texts = st.text(min_size=1, max_size=5)
logprobs = st.none() | st.just([TOKEN]) | st.just([TOKEN, TOKEN])


@st.composite
def choices(draw, choice):
    """What one choice says, from its beginning to its end."""
    events = draw(
        st.lists(
            st.builds(Text, texts, st.just(choice), logprobs)
            | st.builds(Refusal, texts, st.just(choice))
            | st.builds(Reasoning, texts, st.just(choice)),
            max_size=4,
        )
    )
    calls = draw(st.integers(0, 2))
    for call in range(calls):
        events.append(ToolBegan(call, f"c{call}", draw(texts), choice, custom=draw(st.booleans())))
        events += [ToolArguments(call, text, choice) for text in draw(st.lists(texts, max_size=2))]
    return [*events, Finished(draw(st.sampled_from(["tool_calls", "length"] if calls else ["stop", "length", "content_filter"])), choice)]


usages = st.builds(
    lambda cached, reasoning, more: Usage(cached + more, reasoning + more, cached_input_tokens=cached, reasoning_tokens=reasoning),
    *[st.integers(0, 1_000)] * 3,
)
answers = (
    st.integers(1, 2).flatmap(lambda n: st.tuples(*[choices(at) for at in range(n)])).map(lambda said: list(chain.from_iterable(said)))
)


@given(answers, usages, st.integers(1, 100))
def test_what_is_written_reads_the_same(events, usage, size):
    raw = write([*events, Used(usage)])
    reader = CHAT.reader({**BODY, "n": 1 + max(event.choice for event in events)}, own=False)
    read = [event for at in range(0, len(raw), size) for event in reader.read(raw[at : at + size])]
    assert read == [*events, Used(usage)]
    assert reader.ended() == b"data: [DONE]\n\n"
    whole = CHAT.write_answer(read, envelope())
    assert collect(CHAT.read_events(whole)) == collect(read)


# An unknown type is let through by the client's own reader; only `function` is in its types.
plain = answers.map(
    lambda events: [
        ToolBegan(event.call, event.id, event.name, event.choice) if isinstance(event, ToolBegan) else event for event in events
    ]
)


@given(plain, usages)
def test_what_is_written_is_what_openais_client_expects(events, usage):
    for chunk in data(write([*events, Used(usage)]))[:-1]:
        ChatCompletionChunk.model_validate(chunk)
    answer = ChatCompletion.model_validate_json(CHAT.write_answer([*events, Used(usage)], envelope()))
    assert answer.usage.total_tokens == usage.input_tokens + usage.output_tokens
    completion = CHAT.read_completion(CHAT.write_answer(events, envelope()))
    assert completion.finish_reason == next(event.reason for event in events if isinstance(event, Finished))
    assert completion.empty is not any(isinstance(event, (Text, Refusal, ToolBegan)) for event in events)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("delta", "reason", "spoken"),
    [
        ({"role": "assistant", "content": ""}, None, False),
        ({"role": "assistant", "content": None, "refusal": None, "tool_calls": []}, "stop", False),
        ({}, "length", False),
        ({"content": "x"}, None, True),
        ({"refusal": "no"}, "stop", True),
        ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}, "tool_calls", True),
    ],
)
def test_a_stream_that_is_over_has_begun_whether_or_not_it_has_spoken(own, delta, reason, spoken):
    reader = CHAT.reader({}, own=own)
    raw = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()
    list((reader.feed if own else reader.read)(b"data: " + raw + b"\n\ndata: [DONE]\n\n"))
    assert (reader.begun, reader.spoken, reader.done) == (True, spoken, True)
