"""Signals are found wherever they stand in a request, and nothing else is."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Caller, Content, Message, Request, Text, Tool
from pointsman.core.signals import Needs, Signals
from pointsman.signals.extract import SignalSettings, extract
from pointsman.signals.keywords import plain, word_list
from pointsman.wire.request import parse_request

SETTINGS = SignalSettings(
    tokenizers=("chars", "o200k"),
    output_tokens={"summarisation": 100},
    history={"chat": 40},
    keywords={"marking": word_list(("internal only", "Streng Geheim")), "art": word_list(("art",))},
)


def signals(settings: SignalSettings = SETTINGS, **fields: object) -> Signals:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **fields}
    return extract(parse_request(json.dumps(body).encode(), "r", Caller(), {}), settings)


def said(text: str) -> tuple[str, ...]:
    return signals(messages=[{"role": "user", "content": text}]).keywords


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("this is internal only", ("marking",)),
        ("INTERNAL\t\n  ONLY!", ("marking",)),
        ("in\u00adter\u200bnal only", ("marking",)),
        ("\uff29\uff4e\uff54\uff45\uff52\uff4e\uff41\uff4c \uff4f\uff4e\uff4c\uff59", ("marking",)),
        ("streng\u00a0GEHEIM", ("marking",)),
        ("\U0001d422nternal only", ("marking",)),
        ("(internal only)", ("marking",)),
        ("art, and internal only", ("art", "marking")),
        ("internally only", ()),
        ("party", ()),
        ("artful", ()),
        ("internal", ()),
        ("internal-only", ("marking",)),
        ("", ()),
    ],
)
def test_word_lists_find_whole_words_however_they_are_written(text, found):
    assert said(text) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "internal"}, {"role": "user", "content": "only"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "internal"}, {"type": "text", "text": "only"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "odd", "a": {"b": ["internal only"]}}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "internal only", "content": "x"}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"enum": ["internal", "only"]}}}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"internal only": {}}}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"description": "internal\nonly"}}},
        {"stop": ["internal only"]},
    ],
)
def test_word_lists_look_at_all_that_a_model_may_read(fields):
    assert signals(**fields).keywords == ("marking",)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "art"},
        {"metadata": {"pointsman_task": "art"}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoart"}}]}]},
    ],
)
def test_but_not_at_names_of_ours_or_at_bytes(fields):
    assert signals(**fields).keywords == ()


def test_a_request_without_a_body_is_looked_at_as_well():
    content = Content((Message("user", (Text("internal"), Text("only"))),), (Tool("f", '{"description": "art"}'),))
    assert extract(Request("r", "auto", content=content), SETTINGS).keywords == ("art", "marking")
    assert extract(Request("r", "auto"), SETTINGS).keywords == ()


@pytest.mark.parametrize(
    ("fields", "output", "source"),
    [
        ({}, 256, "default"),
        ({"max_tokens": 10}, 10, "max_tokens"),
        ({"max_completion_tokens": 10, "max_tokens": 20}, 20, "max_tokens"),
        ({"max_tokens": 10_000}, 256, "default"),
        ({"metadata": {"pointsman_task": "summarisation"}}, 100, "task"),
        ({"metadata": {"pointsman_task": "chat"}}, 40, "history"),
        ({"metadata": {"pointsman_task": "chat"}, "max_tokens": 39}, 39, "max_tokens"),
    ],
)
def test_how_long_an_answer_to_expect(fields, output, source):
    tokens = signals(**fields).tokens
    assert (tokens.output, tokens.output_source) == (output, source)


def test_what_a_request_needs():
    tool = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    image = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]}
    assert signals().needs == Needs()
    assert signals(**tool).needs == Needs(tools=True)
    assert signals(**tool, parallel_tool_calls=True).needs == Needs(tools=True, parallel_tools=True)
    assert signals(parallel_tool_calls=True).needs == Needs()
    strict = {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]}
    assert signals(**strict).needs == Needs(tools=True, strict_tools=True)
    assert signals(**image).needs == Needs(vision=True)
    assert signals(response_format={"type": "json_object"}).needs == Needs(json_mode=True)
    assert signals(response_format={"type": "json_schema"}).needs == Needs(json_schema=True)


def test_every_tokenizer_of_the_pool_counts():
    tokens = signals(messages=[{"role": "user", "content": "hello world"}]).tokens
    assert [(count.tokenizer, count.exact) for count in tokens.counts] == [("chars", False), ("o200k", True)]
    assert tokens.input_for("o200k").tokens == 3 + 3 + 1 + 2  # template, priming, role, text
    assert signals(tools=[{"type": "function", "function": {"name": "look_up"}}]).tokens.input > tokens.input


@given(st.text(max_size=60))
def test_plain_text_stays_as_it_is(text):
    once = plain(text)
    assert plain(once) == once or not text.isascii()  # some characters fold into others that fold again
    assert not re.search(r"\s\s|^\s|\s$", once)


@given(st.text(max_size=30), st.text(max_size=30))
def test_surroundings_do_not_hide_a_word(before, after):
    assert "marking" in said(f"{before} internal only {after}")


def test_a_request_that_offers_tools_is_of_their_task_class_where_there_is_one():
    tool = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    known = replace(SETTINGS, tool_task="tools")
    assert (signals(known, **tool).task, signals(known, **tool).task_source) == ("tools", "tools")
    assert (signals(**tool).task, signals(**tool).task_source) == ("general", "default")
    assert signals(known).task == "general"
    assert signals(known, **tool, metadata={"pointsman_task": "chat"}).task == "chat"
