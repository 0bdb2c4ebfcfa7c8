"""Masked values come back whole and to their own places only, however the answer is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals.sensitivity.mask import Masked, Unmasker, mask, unmask
from pointsman.signals.sensitivity.texts import pieces

KEY = b"a key for digests."
SECRET = b"a secret of this request"


def masked(detector, body: dict[str, object], secret: bytes = SECRET) -> Masked:
    texts = tuple(pieces(body))
    return mask(body, texts, detector.detect(texts, KEY).findings, secret)


def said(text: str) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


TEXTS = [
    "mail bob@example.com",
    "bob@example.com and eve@example.com and bob@example.com",
    "card 4111 1111 1111 1111, again ４１１１ １１１１ １１１１ １１１１",
    "encoded NDExMTExMTExMTExMTExMQ== here",
    "postgres://bob:s3cr3t-word@db.example.com:5432/x",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_value_goes_out_and_all_come_back(detector, text):
    body = said(text)
    result = masked(detector, body)
    sent = result.body["messages"][0]["content"]
    assert result.values
    assert not result.left
    assert not any(value in sent for value in result.values.values())
    assert unmask(sent, result.values) == text
    assert body == said(text)


def test_equal_values_have_one_placeholder_and_others_have_others(detector):
    result = masked(detector, said(TEXTS[1]))
    first, second, third = (word for word in result.body["messages"][0]["content"].split() if word.startswith("PM_"))
    assert first == third != second


def test_placeholders_are_of_one_request(detector):
    one, other = (masked(detector, said(TEXTS[0]), secret) for secret in (SECRET, SECRET[::-1]))
    assert not set(one.values) & set(other.values)


def test_what_is_not_changed_is_shared_and_the_rest_is_copied(detector):
    body = {"messages": [{"role": "user", "content": "bob@example.com"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    result = masked(detector, body)
    assert result.body["messages"][1] is body["messages"][1]
    assert result.body["messages"][0] is not body["messages"][0]


def test_numbers_are_masked_and_names_of_fields_are_left(detector):
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"card": 4111111111111111, "bob@example.com": 1}}
    result = masked(detector, {"messages": [{"role": "assistant", "content": [use]}]})
    assert "4111111111111111" not in json.dumps(result.body)
    assert [finding.recogniser for finding in result.left] == ["email"]
    assert result.labels == ("pii",)


def test_a_value_that_is_split_over_turns_is_left(detector):
    body = {
        "messages": [
            {"role": "user", "content": "4111 1111"},
            {"role": "assistant", "content": "?"},
            {"role": "user", "content": "1111 1111"},
        ]
    }
    assert masked(detector, body).labels == ("financial",)


def test_values_within_json_come_back_as_json(detector):
    key = TEXTS[-1]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"key": key})}}
    result = masked(detector, {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
    sent = result.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert "MIIEow" not in sent
    assert json.loads(unmask(sent, result.values, in_json=True)) == {"key": key}


def test_only_placeholders_of_this_request_are_turned_back(detector):
    result = masked(detector, said(TEXTS[0]))
    (name,) = result.values
    tampered = name[:-1] + ("A" if name[-1] != "A" else "B")
    for invented in (tampered, name[:-1], name.lower(), "PM_PII_2_AAAAAAAA", name.replace("_1_", "_2_")):
        assert unmask(f"see {invented}.", result.values) == f"see {invented}."


def test_hostile_text_that_looks_like_a_placeholder_stays_as_it_is(detector):
    first = masked(detector, said(TEXTS[0]))
    (known,) = first.values
    text = f"{TEXTS[0]} PM_PII_1_ABCDEFGH {known}"
    second = masked(detector, said(text))
    assert known not in second.values
    assert unmask(second.body["messages"][0]["content"], second.values) == text


VALUES = {"PM_PII_1_ABCDEFGH": "bob@example.com", "PM_PII_2_IJKLMNOP": "PM_PII_1_ABCDEFGH", "PM_SECRET_10_ABCDEFGH": 'a "b"\n\\'}
PARTS = st.sampled_from([*VALUES, "PM_", "PM_PII_1_ABCDEFG", "PPM_PII", "_1_", "PM_PII_1_ABCDEFGHI", "é", " ", "", "P", "M"])


@given(st.lists(PARTS).map("".join), st.lists(st.integers(1, 9)), st.booleans())
def test_it_does_not_matter_how_an_answer_is_cut(text, cuts, in_json):
    machine = Unmasker(VALUES, in_json=in_json)
    parts, rest = [], text
    for cut in cuts:
        parts.append(machine.feed(rest[:cut]))
        rest = rest[cut:]
    whole = "".join([*parts, machine.feed(rest), machine.finish()])
    assert whole == unmask(text, VALUES, in_json=in_json)


def test_values_are_not_looked_into():
    assert unmask("PM_PII_2_IJKLMNOP", VALUES) == "PM_PII_1_ABCDEFGH"


def test_no_more_is_held_back_than_may_become_a_placeholder():
    machine = Unmasker(VALUES)
    assert machine.feed("hello PM_PIX") == "hello PM_PIX"
    assert machine.feed("hello P") == "hello "
    assert machine.feed("ardon") == "Pardon"
    assert Unmasker({}).feed("PM_") == "PM_"


@given(st.lists(st.sampled_from([*TEXTS, "hello", "ok, ", "{}", "é"]), max_size=5))
def test_masking_is_reversible(detector, texts):
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    result = masked(detector, body)
    assert [unmask(turn["content"], result.values) for turn in result.body["messages"]] == texts
    assert "Masked" in repr(result)
    assert "bob@" not in repr(result)
