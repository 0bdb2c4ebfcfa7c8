"""The older Completions: asked by clients, answered by models of any API, or passed on to those that have it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from pointsman.core.prices import Usage
from pointsman.core.request import Caller
from pointsman.errors import RequestError, UpstreamError, UpstreamStreamBroken
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import Finished, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_completions.dialect import COMPLETIONS
from pointsman.wire.openai_completions.request import to_chat
from pointsman.wire.request import parse_request

USER = {"role": "user", "content": "Once"}
BODY = {"model": "auto", "prompt": "Once"}
CHAT = {"model": "auto", "messages": [USER], "max_tokens": 16}
TOKEN = {"token": "ab", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}]}
OLD = {"tokens": ["ab"], "token_logprobs": [-0.5], "top_logprobs": [{"b": -1.5}], "text_offset": [0]}
USAGE = Usage(5, 3)


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        ({}, {}),
        ({"prompt": ["Once"]}, {}),
        ({"prompt": ""}, {"messages": [{"role": "user", "content": ""}]}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": None, "suffix": None, "echo": False, "best_of": 1, "logprobs": None}, {}),
        ({"suffix": ""}, {}),
        ({"logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
        ({"logprobs": 5}, {"logprobs": True, "top_logprobs": 5}),
        ({"n": 2}, {"n": 2}),
        (
            {"n": None, "stop": ["a"], "temperature": 0, "top_p": 1, "seed": 3},
            {"n": None, "stop": ["a"], "temperature": 0, "top_p": 1, "seed": 3},
        ),
        (
            {"presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {"5": -100}},
            {"presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {"5": -100}},
        ),
        (
            {"user": "u", "stream": True, "stream_options": {"include_usage": True}},
            {"user": "u", "stream": True, "stream_options": {"include_usage": True}},
        ),
        ({"metadata": {"pointsman_task": "x"}, "top_k": 5}, {"metadata": {"pointsman_task": "x"}, "top_k": 5}),
    ],
)
def test_a_prompt_is_a_users_turn_and_the_rest_keeps_its_meaning(fields, chat):
    body = {**BODY, **fields}
    before = json.dumps(body)
    translation = to_chat(body)
    assert translation.body == {**CHAT, **chat}
    assert (translation.dropped, translation.untranslatable) == ((), ())
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("fields", "names", "texts", "answers"),
    [
        ({"prompt": ["a", "b"]}, ("several_prompts",), ["a", "b"], 2),
        ({"prompt": ["a", "b"], "n": 3}, ("several_prompts",), ["a", "b"], 6),
        ({"prompt": [1, 2]}, ("token_prompt",), ["[1,2]"], None),
        ({"prompt": [[1, 2]]}, ("token_prompt",), ["[1,2]"], None),
        ({"prompt": [[1], [2]]}, ("several_prompts", "token_prompt"), ["[1]", "[2]"], 2),
        ({"suffix": "end"}, ("suffix",), ["Once", "end"], None),
        ({"echo": True}, ("echo",), ["Once"], None),
        ({"best_of": 3}, ("best_of",), ["Once"], 3),
        ({"max_tokens": 0, "echo": True, "logprobs": 1}, ("echo", "max_tokens"), ["Once"], None),
    ],
)
def test_what_only_this_api_can_say_is_named_and_all_its_text_is_shown(fields, names, texts, answers):
    translation = to_chat({**BODY, **fields})
    assert translation.untranslatable == names
    assert [message["content"] for message in translation.body["messages"]] == texts
    assert translation.body.get("n") == answers
    assert translation.body["max_tokens"] >= 1


def test_fields_of_chat_that_could_not_be_answered_here_are_dropped_and_told():
    translation = to_chat({**BODY, "tools": [], "tool_choice": "auto", "functions": None})
    assert translation.body == CHAT
    assert translation.dropped == ("tools", "tool_choice")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [[1], []]}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": ["a", [1]]}, "prompt"),
        ({"prompt": [1, [1]]}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": [[2**31]]}, "prompt[0][0]"),
        ({"prompt": [None]}, "prompt[0]"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "prompt"),
        ({"suffix": 5}, "suffix"),
        ({"echo": "yes"}, "echo"),
        ({"best_of": 21}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 21}, "logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": 5}, "stop"),
        ({"logit_bias": {"5": "x"}}, "logit_bias[...]"),
        ({"stream": "yes"}, "stream"),
        ({"messages": [USER]}, "messages"),
        ({"max_completion_tokens": 5}, "max_completion_tokens"),
        ({"prompt_embeds": "x"}, "prompt_embeds"),
        ({"Prompt": "hidden"}, "Prompt"),
        ({"MESSAGES": [USER]}, "MESSAGES"),
        ({"Tools": []}, "Tools"),
        ({"\u017fuffix": "hidden"}, "\u017fuffix"),
    ],
)
def test_a_malformed_field_is_named(fields, param):
    with pytest.raises(RequestError) as raised:
        to_chat({**BODY, **fields})
    assert (raised.value.status, raised.value.param) == (400, param)


def test_a_prompt_is_needed():
    with pytest.raises(RequestError, match="prompt"):
        to_chat({"model": "auto"})


names = st.sampled_from(
    [
        "model",
        "prompt",
        "suffix",
        "echo",
        "best_of",
        "max_tokens",
        "n",
        "logprobs",
        "stream",
        "stop",
        "messages",
        "tools",
        "metadata",
        "stream_options",
        "Prompt",
    ]
)
hostile = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(names | st.text(max_size=5), hostile, max_size=5), st.booleans())
def test_whatever_comes_is_a_request_or_a_request_error(fields, whole):
    body = {**BODY, **fields} if whole else fields
    try:
        translation = to_chat(body)
        request = parse_request(json.dumps(body).encode(), "dec_1", Caller(), {}, api="completions")
    except RequestError as error:
        assert error.status == 400
        json.dumps([error.message, error.param])
    else:
        assert request.messages == len(translation.body["messages"])
        assert request.choices == (translation.body.get("n") or 1)


def test_it_is_passed_on_and_never_translated_into():
    body = {**BODY, "stream": True, "echo": True, "metadata": {"pointsman_task": "x"}}
    assert COMPLETIONS.own(body) == {**BODY, "stream": True, "echo": True, "stream_options": {"include_usage": True}}
    with pytest.raises(RequestError):
        COMPLETIONS.from_chat(CHAT)
    assert (COMPLETIONS.api, COMPLETIONS.path) == ("completions", "/completions")


def envelope(*, usage: bool = True) -> Envelope:
    return Envelope("dec_1", "auto", 1_750_000_000, {**BODY, "stream_options": {"include_usage": usage}})


def write(events: list[object], *, usage: bool = True) -> bytes:
    writer = COMPLETIONS.writer(envelope(usage=usage))
    return b"".join([*map(writer.write, events), writer.ended()])


def data(raw: bytes) -> list[dict[str, object]]:
    *events, done, empty = raw.decode().split("\n\n")
    assert (done, empty) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


SAID = [
    Reasoning("Hm."),
    Text("ab", logprobs=[TOKEN]),
    ToolBegan(0, "c", "f"),
    ToolArguments(0, "{}"),
    Text("x", choice=1),
    Text("ab", logprobs=[TOKEN]),
    Refusal("No."),
    Finished("tool_calls"),
    Finished("length", choice=1),
    Used(USAGE),
]


def test_a_stream_as_openai_wrote_it():
    *said, last = data(write(SAID))
    head = {"id": "cmpl-dec_1", "object": "text_completion", "created": 1_750_000_000, "model": "auto", "usage": None}
    assert all({**chunk, **head} == chunk for chunk in said)
    later = {**OLD, "text_offset": [2]}
    assert [choice for chunk in said for choice in chunk["choices"]] == [
        {"index": 0, "text": "ab", "logprobs": OLD, "finish_reason": None},
        {"index": 1, "text": "x", "logprobs": None, "finish_reason": None},
        {"index": 0, "text": "ab", "logprobs": later, "finish_reason": None},
        {"index": 0, "text": "No.", "logprobs": None, "finish_reason": None},
        {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"},
        {"index": 1, "text": "", "logprobs": None, "finish_reason": "length"},
    ]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 8)
    assert all("usage" not in chunk for chunk in data(write(SAID, usage=False)))


def test_a_whole_answer_as_openai_wrote_it():
    answer = json.loads(COMPLETIONS.write_answer(SAID, envelope()))
    assert answer["choices"] == [
        {
            "index": 0,
            "text": "ababNo.",
            "logprobs": {name: values * 2 if name != "text_offset" else [0, 2] for name, values in OLD.items()},
            "finish_reason": "stop",
        },
        {"index": 1, "text": "x", "logprobs": None, "finish_reason": "length"},
    ]
    assert (answer["id"], answer["object"], answer["model"], answer["usage"]["prompt_tokens"]) == (
        "cmpl-dec_1",
        "text_completion",
        "auto",
        5,
    )


texts = st.text(min_size=1, max_size=5)


@st.composite
def choices(draw, choice):
    events = draw(st.lists(st.builds(Text, texts, st.just(choice), st.none() | st.just([TOKEN])), max_size=4))
    return [*events, Finished(draw(st.sampled_from(["stop", "length", "content_filter"])), choice)]


answers = (
    st.integers(1, 2)
    .flatmap(lambda n: st.tuples(*[choices(at) for at in range(n)]))
    .map(lambda said: [event for one in said for event in one])
)


@given(answers, st.integers(1, 60))
def test_what_is_written_reads_the_same_and_is_what_openais_client_expects(events, size):
    events = [*events, Used(USAGE)]
    raw = write(events)
    reader = COMPLETIONS.reader({**CHAT, "n": len({event.choice for event in events[:-1]})}, own=False)
    assert [event for at in range(0, len(raw), size) for event in reader.read(raw[at : at + size])] == events
    reader.ended()
    whole = COMPLETIONS.write_answer(events, envelope())
    assert COMPLETIONS.write_answer(COMPLETIONS.read_events(whole), envelope()) == whole
    Completion.model_validate_json(whole)
    for chunk in data(raw):
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"  # OpenAI's own type has no place for a stream's null
        Completion.model_validate(chunk)


RAW = write([Text("One"), Text(" two"), Text(" three"), Finished("stop"), Used(USAGE)])


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_passes_through_as_it_came(size, usage):
    stream = COMPLETIONS.reader({**CHAT, "stream_options": {"include_usage": usage}}, own=True)
    out = b"".join(event for at in range(0, len(RAW), size) for event in stream.feed(RAW[at : at + size])) + stream.ended()
    assert out == (RAW if usage else write([Text("One"), Text(" two"), Text(" three"), Finished("stop")], usage=False))
    assert (stream.usage, stream.finish_reason, stream.pieces, stream.begun, stream.done) == (USAGE, "stop", 3, True, True)


def test_cut_anywhere_a_stream_ends_as_an_error_or_was_whole():
    for cut in range(len(RAW)):
        for way in ("feed", "read"):
            stream = COMPLETIONS.reader(CHAT, own=True)
            list(getattr(stream, way)(RAW[:cut]))
            if stream.finish_reason is None:
                with pytest.raises(UpstreamStreamBroken):
                    stream.ended()


@pytest.mark.parametrize(
    ("choices", "empty", "content", "reason"),
    [
        ([{"text": "a", "finish_reason": "stop"}], False, "a", "stop"),
        ([{"text": "", "finish_reason": "eos_token"}, {"text": "b"}], False, "", "stop"),
        ([{"text": "", "finish_reason": None}], True, "", None),
    ],
)
def test_a_whole_answer_is_accounted(choices, empty, content, reason):
    completion = COMPLETIONS.read_completion(json.dumps({"choices": choices}).encode())
    assert (completion.empty, completion.content, completion.finish_reason) == (empty, content, reason)
    assert completion.text == "\n".join(choice["text"] for choice in choices)
    counted = COMPLETIONS.read_completion(json.dumps({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 3}}).encode())
    assert (counted.usage, counted.text) == (USAGE, "")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":[{"text":5}]}', b'{"choices":[{"message":{"content":"x"}}]}', b'{"choices":[{"text":"\xff"}]}', b'{"choices":' + b"[" * 5_000])  # fmt: skip
def test_what_is_no_completion_is_an_error(body):
    for read in (COMPLETIONS.read_completion, COMPLETIONS.read_events):
        with pytest.raises(UpstreamError):
            read(body)


def test_older_logprobs_with_gaps_are_read():
    old = {"tokens": ["a", "b", "c"], "token_logprobs": [None, -0.5], "top_logprobs": [None]}
    [text, _] = COMPLETIONS.read_events(json.dumps({"choices": [{"text": "abc", "logprobs": old, "finish_reason": "stop"}]}).encode())
    assert [(token["token"], token["logprob"], token["top_logprobs"]) for token in text.logprobs] == [
        ("a", -9999.0, []),
        ("b", -0.5, []),
        ("c", -9999.0, []),
    ]
