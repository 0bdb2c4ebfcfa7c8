"""What checks get to know of a request."""

from __future__ import annotations

import json

import pytest

from pointsman.core.request import Content, Message, Request, Text, Tool
from pointsman.plans.checks.asked import Asked, Offered, asked_of

SCHEMA = {"type": "object", "required": ["a"]}


def turn(role, *texts):
    return Message(role, tuple(Text(text) for text in texts))


def asked(*messages, tools=(), response_format="text", **body):
    return asked_of(Request("r1", "auto", response_format=response_format, content=Content(messages, tools, body)))


def test_the_last_text_of_the_user_and_all_of_the_system_s():
    found = asked(turn("system", "S"), turn("user", "old"), turn("assistant", "A"), turn("user", "new", "er"), turn("developer", "D"))
    assert (found.question, found.system) == ("new\ner", "S\nD")


def test_long_texts_are_cut():
    assert len(asked(turn("user", "x" * 10**6)).question) < 25_000


def test_without_content_little_is_known():
    assert asked_of(Request("r1", "auto", choices=3)) == Asked(choices=3)


@pytest.mark.parametrize(
    ("definition", "parameters"),
    [
        (json.dumps({"type": "function", "function": {"name": "f", "parameters": SCHEMA}}), SCHEMA),
        (json.dumps({"name": "f", "parameters": SCHEMA}), SCHEMA),
        (json.dumps({"type": "function", "function": {"name": "f"}}), None),
        (json.dumps({"parameters": [1]}), None),
        ("[1]", None),
        ("{", None),
        ("", None),
        ("[" * 10_000, None),
    ],
)
def test_tools_come_with_their_schema(definition, parameters):
    assert asked(tools=(Tool("f", definition),)).tools == (Offered("f", parameters),)


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (None, ("auto", None)),
        ("auto", ("auto", None)),
        ("none", ("none", None)),
        ("required", ("required", None)),
        ({"type": "function", "function": {"name": "f"}}, ("required", ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ("required", ("f",))),
        ({"name": "f"}, ("required", ("f",))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}},
            ("required", ("f",)),
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, 7]}, ("auto", ("f",))),
        ({"type": 7}, ("auto", None)),
        (7, ("auto", None)),
    ],
)
def test_which_tools_may_be_called(choice, found):
    known = asked(tool_choice=choice)
    assert (known.choice, known.allowed) == found


def test_the_schema_counts_where_it_is_the_format():
    wanted = {"json_schema": {"schema": SCHEMA}}
    assert asked(response_format="json_schema").schema is None
    request = Request("r1", "auto", response_format="json_schema", content=Content((), (), {"response_format": wanted}))
    assert asked_of(request).schema == SCHEMA
    assert asked_of(Request("r1", "auto", content=request.content)).schema is None


def test_parallel_calls_and_sources():
    found = asked(
        turn("user", "Use these.\n[1] one\n  [2] two [9]"), turn("assistant", "[3] no"), turn("tool", "[4] yes"), parallel_tool_calls=False
    )
    assert (found.parallel, found.sources) == (False, {1, 2, 4})


def test_wishes_are_looked_for_at_the_ends_of_the_question():
    wishes = asked(turn("system", "ANSWER IN JSON"), turn("user", "First" + "x" * 9_000 + "Last")).wishes
    assert all(word in wishes for word in ("answer in json", "first", "last"))
