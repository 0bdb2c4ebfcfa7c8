"""The quick reading of plain conditions says what CEL says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Caller, Request
from pointsman.core.ruling import facts
from pointsman.core.signals import Signals, TokenCount, Tokens
from pointsman.errors import ConditionError
from pointsman.policy.cel import CelCondition, compile_condition
from pointsman.policy.comparison import comparison

words = st.sampled_from(["pii", "chat", "a b", "", "code", "général"])
numbers = st.integers(0, 10_000)
plain = st.one_of(
    st.builds(
        lambda field, sign, number: f"{field} {sign} {number}",
        st.sampled_from(["tokens.input", "tokens.output", "request.messages", "request.images", "request.choices"]),
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        numbers,
    ),
    st.builds(
        lambda quote, word, record: f"{quote}{word}{quote} in {record}",
        st.sampled_from(["'", '"']),
        words,
        st.sampled_from(["labels", "signals.keywords", "request.tools"]),
    ),
    st.builds(lambda word: f'task == "{word}"', words),
)
lists = st.lists(words, max_size=3).map(tuple)


@given(plain, numbers, lists, lists, lists, words)
def test_what_is_recognised_means_what_it_means_in_cel(source, number, labels, keywords, tools, task):
    request = Request("r", "auto", caller=Caller(), messages=number, images=number // 2, choices=number // 3 + 1, tools=tools)
    tokens = Tokens((TokenCount("chars", number, exact=False),), output=number)
    known = facts(request, Signals(tokens=tokens, keywords=keywords), labels, task)
    quick = comparison(source)
    assert quick is not None
    assert quick(known) is CelCondition(source, False, compile_condition(source)._program, ())._program.eval(data=known).value()


@pytest.mark.parametrize(
    "source",
    [
        "tokens.input > 1 && true",
        "!(tokens.input > 1)",
        "tokens.input > 1.5",
        "tokens.input > -1",
        'task != "chat"',
        r'"a\"b" in labels',
        '"a" in metadata',
        "request.model == 'x'",
    ],
)
def test_whatever_is_less_plain_is_left_to_cel(source):
    assert comparison(source) is None


def test_facts_that_are_missing_are_cels_to_judge():
    assert comparison("tokens.input > 1")({}) is None
    with pytest.raises(ConditionError):
        compile_condition("tokens.input > 1")({"tokens": {}})
