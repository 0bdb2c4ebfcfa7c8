"""Routing reads what the user asks: no boilerplate, no walls of data, the last turns, and the same features however it is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Content, Image, Message, Text, ToolCall
from pointsman.signals.canonical import EARLIER_CHARS, MOST_TURNS, NEWEST_CHARS, Asked, asked, ends, folded, said

MOST = NEWEST_CHARS + (MOST_TURNS - 1) * (EARLIER_CHARS + 1)


def chat(*turns: tuple[str, str]) -> Content:
    return Content(tuple(Message(role, (Text(text),)) for role, text in turns))


@pytest.mark.parametrize(
    ("turn", "read"),
    [
        ("Why?", "Why?"),
        ("<system-reminder>\nUse tools.\n</system-reminder>\nWhy?", "Why?"),
        ("Why?<System-Reminder a='b'>x</System-Reminder>", "Why?"),
        ("<environment_details># cwd\n/home</environment_details><task>Fix it</task>", "Fix it"),
        ("<context><context>a</context>b</context>Why?", "Why?"),
        ("<user_query>First</user_query> and <user_query>Second</user_query>", "Second"),
        ("<system-reminder>never closed. Why?", "<system-reminder>never closed. Why?"),
        ("<system-reminder>only this</system-reminder>", "<system-reminder>only this</system-reminder>"),
        ("<question></question>Why?", "<question></question>Why?"),
        ("Is 2 < 3 and 4 > 1?", "Is 2 < 3 and 4 > 1?"),
        ("What is <b>bold</b>?", "What is <b>bold</b>?"),
        ("</system-reminder>Why?", "</system-reminder>Why?"),
        ("key " + "x1" * 90, "key " + "x1" * 12 + " ..."),
    ],
)
def test_a_harness_boilerplate_is_not_what_the_user_asks(turn: str, read: str) -> None:
    assert said(turn) == read


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(f'  {{"id": {n}, "ok": true, "at": "2026-01-01T00:00:{n % 60:02}"}},' for n in range(400)),
        "```\n" + "\n".join(f"line of a log number {n}" for n in range(400)) + "\n```",
        "\n".join(f"{n};{n * 7};{n % 3}" for n in range(400)),
        '{"a":' + "[1,2,3]," * 3_000 + "}",
    ],
    ids=["json", "fenced", "csv", "one line"],
)
def test_pasted_data_is_cut_short_and_the_question_beside_it_stays(data: str) -> None:
    read = said(f"What is wrong here?\n{data}\nTell me in one sentence.")
    assert read.startswith("What is wrong here?")
    assert read.endswith("Tell me in one sentence.")
    assert len(read) < 1_000


def test_the_last_user_turns_are_read_in_their_order_and_nobody_elses() -> None:
    content = chat(("system", "S"), ("user", "one"), ("user", "two"), ("assistant", "A"), ("user", "three"), ("tool", "T"), ("user", "yes"))
    assert asked(content) == Asked("two\nthree\nyes", 3, 0)


def test_turns_that_say_nothing_do_not_count_as_turns() -> None:
    content = Content((Message("user", (Text("Why?"),)), Message("user", (Image("data:,"),)), Message("user", (Text("  "),))))
    assert asked(content).text == "Why?"


def test_without_a_user_the_last_turn_is_read() -> None:
    assert asked(chat(("system", "Summarise the news."))).text == "Summarise the news."
    assert asked(Content(())).text == ""
    assert asked(Content((Message("assistant", (), (ToolCall("1", "f", "{}"),)),))).text == ""


def test_a_long_beginning_does_not_push_out_the_end() -> None:
    read = asked(chat(("user", "prefix " * 50_000 + "Why is the sky blue?")))
    assert read.text.endswith("Why is the sky blue?")
    assert len(read.text) <= MOST
    assert read.left_out > 300_000


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=300)), max_size=8))
def test_whatever_is_said_what_is_read_is_bounded_and_says_where_it_comes_from(turns: list[tuple[str, str]]) -> None:
    read = asked(chat(*turns))
    assert len(read.text) <= MOST
    assert 0 <= read.turns <= MOST_TURNS
    assert read.left_out >= 0


@pytest.mark.parametrize(
    "hostile",
    [
        "<a " * 200_000,
        "<system-reminder>" * 60_000,
        "<context>" * 40_000 + "</context>" * 40_000,
        "x" * 2_000_000,
        "\u0301" * 500_000,
        "<task>" * 99_999,
    ],
    ids=["tags", "open", "nested", "unbroken", "marks", "questions"],
)
def test_hostile_text_is_read_within_bounds(hostile: str) -> None:
    assert len(asked(chat(("user", hostile), ("user", hostile))).text) <= MOST


@pytest.mark.parametrize(
    "written",
    ["Why is the sky blue?", "WHY IS THE SKY BLUE???", " why\u00a0is\tthe\n\nsky  blue? ", "ｗｈｙ is th\u00e9 s\u200bky blu\u0065\u0301?"],
)
def test_features_do_not_depend_on_how_it_is_written(written: str) -> None:
    assert folded(written) == "why is the sky blue?"


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    once = folded(text)
    assert folded(once) == once


@given(st.text(st.sampled_from("ab1_ .!?\\]^-*\n\u2026\u3002\u00e9")))
def test_of_marks_in_a_row_three_or_more_are_one(text: str) -> None:
    spaced = " ".join(text.replace("_", " ").replace("\u00e9", "e").replace("\u2026", "...").split())
    assert folded(text) == re.sub(r"([^\w\s])\1{2,}", r"\1", spaced)


@given(st.text(), st.integers(min_value=10, max_value=40))
def test_ends_hold_the_beginning_and_the_end(text: str, most: int) -> None:
    short = ends(text, most)
    assert len(short) <= most
    assert text.startswith(short[:2])
    assert text.endswith(short[-1:])
