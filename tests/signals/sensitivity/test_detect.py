"""What is sensitive is found wherever it stands and however it is written; what is not, is left in peace."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.labels import KNOWN, close
from pointsman.errors import ConfigError
from pointsman.signals.sensitivity.detect import UNSEARCHED, Detected, Detector, Settings
from pointsman.signals.sensitivity.recogniser import Recogniser, compile_one
from pointsman.signals.sensitivity.texts import Piece, pieces

KEY = b"a key for digests."


def kinds(detector: Detector, text: str) -> tuple[str, ...]:
    return detector.detect((Piece(text),), KEY).labels


FOUND = {
    "4111 1111 1111 1111": ("financial",),
    "pay with 378282246310005 please": ("financial",),
    "12 4111-1111-1111-1111 7": ("financial",),
    "GB82 WEST 1234 5698 7654 32 is where it goes": ("financial",),
    "DE89370400440532013000": ("financial",),
    "DE89.3704.0044.0532.0130.00": ("financial",),
    "3782,822463,10005": ("financial",),
    "cvv: 123": ("financial",),
    "my account number is 12345678": ("financial",),
    "routing 021000021": ("financial",),
    "bob.smith+x@mail.example.co.uk": ("pii",),
    "bob [at] example [dot] com": ("pii",),
    "+44 20 7946 0018": ("pii",),
    "(212) 555-0187": ("pii",),
    "call me on 030 1234567": ("pii",),
    "078-05-1120": ("pii",),
    "social security number 078051120": ("pii",),
    "AB123456C": ("pii",),
    "12345678Z": ("pii",),
    "RSSMRA85T10A562S": ("pii",),
    "111.444.777-35": ("pii",),
    "2 55 08 14 168 025 38": ("pii",),
    "passport number: X1234567": ("pii",),
    "driver's license number is A56319335": ("pii",),
    "born on 12 March 1985": ("pii",),
    "My name is Anna Kowalska": ("pii",),
    "reach us at 8.8.4.4": ("pii",),
    "742 Evergreen Terrace": ("pii",),
    "Rua do Arenque 163": ("pii",),
    "943 476 5919": ("phi",),
    "MRN: 00482913": ("phi",),
    "I was recently diagnosed with type 2 diabetes": ("phi",),
    "A 45 year old male presenting with chest pain": ("phi",),
    "1EG4-TE5-MK73": ("phi",),
    "AKIAIOSFODNN7ABCDEFG": ("secret",),
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": ("secret",),
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": ("secret",),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk": ("secret",),
    "postgres://bob:s3cr3t-word@db:5432/x": ("credential",),
    "Authorization: Basic dXNlcjpwYXNzd29yZA==": ("credential",),
    "the password is hunter2!": ("credential",),
    "DB_PASSWORD=gT7!kd02Lq": ("credential",),
}

HARMLESS = (
    "",
    "What are the symptoms of diabetes?",
    "My card was declined, what can be the reason?",
    "order 4111111111111112",
    "2021-03-04 12:30:15",
    "version 1.14.2 on 10.0.0.7 and 127.0.0.1",
    "password = os.environ['DB_PASSWORD']",
    "api_key: ${API_KEY}",
    "postgresql://user:${DB_PASSWORD}@localhost/app",
    "The password is wrong.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "550e8400-e29b-41d4-a716-446655440000",
    "0000 0000 0000 0000",
    "ISBN 9783161484100",
    "1 2 3 4 5 6 7 8 9",
    "My name is on the list",
    "Albert Einstein moved to Princeton in 1933",
    "123-45-67890",
    "000-12-3456",
    "quarters: 4512, 4688, 5010, 5230",
    "1999, 2003, 2011, 2020",
    "a=10, b==20",
)


@pytest.mark.parametrize(("text", "expected"), FOUND.items(), ids=FOUND)
def test_what_is_sensitive_is_found(detector, text, expected):
    assert set(expected) <= set(kinds(detector, text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_not_is_left_in_peace(detector, text):
    assert kinds(detector, text) == ()


def test_a_finding_says_what_and_where_and_not_the_value(detector):
    body = {"messages": [{"role": "user", "content": "hello"}, {"role": "tool", "content": json.dumps({"mail": "bob@example.com"})}]}
    texts = tuple(pieces(body))
    (finding,) = detector.detect(texts, KEY).findings
    assert (finding.kind, finding.recogniser, finding.where, finding.piece) == ("pii", "email", "/messages/1/content", 1)
    assert texts[1].text[finding.start : finding.end] == "bob@example.com"
    assert "bob" not in repr(finding)


def test_equal_values_have_equal_digests_however_they_are_written(detector):
    texts = [Piece("4111111111111111"), Piece("4111 1111 1111 1111"), Piece("４１１１-1111-1111-1111"), Piece("378282246310005")]
    digests = [finding.digest for finding in detector.detect(texts, KEY).findings]
    assert digests[0] == digests[1] == digests[2] != digests[3]
    assert detector.detect(texts, b"another key......").findings[0].digest != digests[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("4111 1111", "1111 1111"),
        ("4111 1111 ", "1111 1111"),
        ("it starts with 4111 1111", "and goes on with 1111 1111"),
        ("ghp_0123456789abcdefghij", "ABCDEFGHIJ012345"),
    ],
)
def test_a_value_is_found_that_is_split_over_turns(detector, first, second):
    turns = [("user", first), ("assistant", "Go on."), ("user", second)]
    body = {"messages": [{"role": role, "content": content} for role, content in turns]}
    findings = detector.detect(tuple(pieces(body)), KEY).findings
    assert findings
    assert not any(finding.whole for finding in findings)


@pytest.mark.parametrize(
    ("second", "whole"), [("J5h2XWm92qwe is the rest", False), ("What is 2+2?", True), ("2026 was good", True), ("Why?", True)]
)
def test_a_token_whose_first_part_would_do_is_split_only_where_the_rest_looks_like_one(detector, second, whole):
    body = {"messages": [{"role": "user", "content": "it is sk-proj-92j6ISzQomCYZAs8Kd02"}, {"role": "user", "content": second}]}
    assert {finding.whole for finding in detector.detect(tuple(pieces(body)), KEY).findings} == {whole}


def test_turns_of_others_are_not_put_together(detector):
    body = {"messages": [{"role": "user", "content": "4111 1111"}, {"role": "assistant", "content": "1111 1111"}]}
    assert detector.detect(tuple(pieces(body)), KEY) == Detected()


def test_a_text_too_long_to_search_counts_as_every_label():
    found = Detector(Settings(recognisers=(), most_chars=10)).detect((Piece("x" * 11),), KEY)
    assert found.labels == (UNSEARCHED,)
    assert set(close(found.labels)) > KNOWN


def test_too_many_candidates_count_as_every_label():
    odd = Recogniser("odd", "pii", "[0-9]{9}", check="luhn")
    found = Detector(Settings(recognisers=(odd,))).detect((Piece("123456789 " * 30_000),), KEY)
    assert not found.complete


def test_findings_are_bounded(detector):
    bounded = Detector(Settings(recognisers=(Recogniser("x", "pii", "[a-z]x"),), most_findings=3))
    assert len(bounded.detect((Piece("ax bx cx dx ex fx"),), KEY).findings) == 3


EMPLOYEE = Recogniser("employee", "hr", r"\bE-([0-9]{6})\b", confidence=0.9)


@pytest.mark.parametrize(
    ("recogniser", "text", "found"),
    [
        (EMPLOYEE, "see E-123456", True),
        (EMPLOYEE, "see Ｅ-１２３４５６", True),
        (dataclasses.replace(EMPLOYEE, confidence=0.4), "see E-123456", False),
        (dataclasses.replace(EMPLOYEE, check="luhn"), "see E-123456", False),
        (dataclasses.replace(EMPLOYEE, check="luhn"), "see E-123455", True),
        (dataclasses.replace(EMPLOYEE, context=("staff",)), "see E-123456", False),
        (dataclasses.replace(EMPLOYEE, context=("staff",)), "Staff: E-123456", True),
        (dataclasses.replace(EMPLOYEE, context=("сотрудник",)), "Сотрудник E-123456", True),
        (dataclasses.replace(EMPLOYEE, context=("staff",), alone=0.6), "see E-123456", True),
        (dataclasses.replace(EMPLOYEE, pattern="паспорт [0-9]{4}"), "Мой паспорт 1234", True),
        (dataclasses.replace(EMPLOYEE, check="stdnum:luhn"), "see E-123455", True),
    ],
)
def test_a_recogniser_of_ones_own(recogniser, text, found):
    labels = kinds(Detector(Settings(recognisers=(recogniser,))), text)
    assert labels == (("hr",) if found else ())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pattern": "(?=x)y"}, "recogniser `employee`: the pattern is not one of RE2"),
        ({"pattern": r"(a)\1"}, "is not one of RE2"),
        ({"pattern": "x*"}, "matches the empty text"),
        ({"check": "magic"}, "unknown check `magic`"),
        ({"check": "stdnum:no.such"}, "unknown check"),
        ({"check": "stdnum:../os"}, "unknown check"),
        ({"confidence": 1.5}, "from 0 to 1"),
    ],
)
def test_a_recogniser_that_cannot_be_used_says_why(wrong, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        compile_one(dataclasses.replace(EMPLOYEE, **wrong))


TWISTS = (
    lambda text: text,
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(f"&#{ord(character)};" for character in text),
    lambda text: "\u200d".join(text),
    lambda text: "".join(chr(ord(character) + 0xFEE0) for character in text),
    json.dumps,
)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(TWISTS), max_size=3), st.text(max_size=30))
def test_disguises_may_be_put_on_each_other(detector, twists, around):
    text = "4111111111111111"
    for twist in twists:
        text = twist(text) if text.isascii() and "\u200d" not in text else text
    assert "financial" in kinds(detector, f"{around} {text} ")


@given(st.text(max_size=400))
def test_any_text_can_be_searched_and_spans_lie_within_it(detector, text):
    found = detector.detect((Piece(text, ("messages",), "user"), Piece(text, ("messages",), "user")), KEY)
    assert found.complete
    assert all(0 <= finding.start <= finding.end <= len(text) for finding in found.findings)


@settings(max_examples=30)
@given(st.text(max_size=60), st.text(max_size=60))
def test_text_around_it_hides_nothing_and_adds_no_other_place(detector, before, after):
    text = f"{before}\n4111 1111 1111 1111\n{after}"
    assert any(
        finding.kind == "financial" and text[finding.start : finding.end] == "4111 1111 1111 1111"
        for finding in detector.detect((Piece(text),), KEY).findings
    )


def test_check_digits_are_asked_for_by_every_known_recogniser_that_has_them():
    for source in Settings().recognisers:
        compile_one(source)
    names = [source.name for source in Settings().recognisers]
    assert len(names) == len(set(names))
    assert {source.kind for source in Settings().recognisers} <= KNOWN
