"""The short way for bodies that are nothing but text finds what the long way finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals.keywords import _text_turns
from pointsman.signals.sensitivity.texts import pieces
from pointsman.wire.destinations import refuse_destinations
from pointsman.wire.openai_chat.request import is_plain, read, refuse_other_spellings
from pointsman.wire.references import refuse_references

NAMES = st.sampled_from(
    ["model", "messages", "stream", "stop", "user", "seed", "temperature", "metadata", "tools", "file_id", "api_base", "Model"]
)
SCALARS = st.none() | st.booleans() | st.integers(0, 1) | st.text(max_size=8)
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant"]), "content": st.text(max_size=8) | st.just([{"type": "text", "text": "x"}])},
    optional={"name": st.text(max_size=3), "file_id": st.just("f")},
)
BODIES = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=5).flatmap(
    lambda more: st.fixed_dictionaries({"model": st.just("m"), "messages": st.lists(TURNS, min_size=1, max_size=3)}).map(
        lambda body: {**more, **body}
    )
)


@given(BODIES)
def test_what_is_plain_is_refused_by_none_of_the_walks_that_it_is_spared(body: dict[str, Any]) -> None:
    if is_plain(body):
        refuse_destinations(body)
        refuse_references(body)
        refuse_other_spellings(body)


@given(st.lists(TURNS, max_size=3))
def test_turns_of_text_read_the_same_either_way(turns: list[dict[str, Any]]) -> None:
    short = _text_turns(turns)
    assert short is None or short == [piece.text for piece in pieces({"messages": turns})]
    assert (short is not None) == all(turn.keys() == {"role", "content"} and isinstance(turn["content"], str) for turn in turns)


def test_most_bodies_are_plain() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.2, "max_tokens": 9, "stream": True, "stop": "."}
    assert is_plain(body)
    assert read(body).model == "m"
