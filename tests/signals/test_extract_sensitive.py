"""What is found in a request raises its labels and is told without its value."""

from __future__ import annotations

import json

import pytest

from pointsman.core.codec import from_json, to_json
from pointsman.core.labels import KNOWN, close
from pointsman.core.request import Caller
from pointsman.core.signals import Signals
from pointsman.signals.extract import Search, SignalSettings, extract
from pointsman.signals.sensitivity.detect import Detector, Settings
from pointsman.wire.request import parse_request

KEY = b"a key of the tests, secret enough"
DETECTOR = Detector()
EMAIL = "jane.doe@example.org"


def signals(body: dict[str, object], *, detector: Detector = DETECTOR, key: bytes = KEY, api: str = "chat") -> Signals:
    request = parse_request(json.dumps(body).encode(), "r", Caller(), {}, api=api)
    return extract(request, SignalSettings(search=Search(detector, key)))


def chat(*texts: str, **more: object) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text} for text in texts], **more}


def test_labels_and_findings_say_what_and_where_but_never_which():
    found = signals(chat("hello", f"write to {EMAIL}, card 4111 1111 1111 1111"))
    assert found.labels == ("financial", "pii")
    assert [(one.kind, one.where) for one in found.findings] == [("pii", "/messages/1/content"), ("financial", "/messages/1/content")]
    assert EMAIL not in to_json(found)
    assert "4111" not in to_json(found)
    assert from_json(Signals, to_json(found)) == found


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", chat(EMAIL)),
        ("chat", chat("x", tools=[{"type": "function", "function": {"name": "f", "description": EMAIL}}])),
        ("responses", {"model": "auto", "instructions": EMAIL, "input": "x"}),
        ("responses", {"model": "auto", "input": [{"type": "function_call_output", "call_id": "c", "output": EMAIL}]}),
        ("messages", {"model": "auto", "max_tokens": 9, "system": EMAIL, "messages": [{"role": "user", "content": "x"}]}),
        ("completions", {"model": "auto", "prompt": EMAIL}),
        ("embeddings", {"model": "auto", "input": ["x", EMAIL]}),
    ],
)
def test_every_api_is_read(api, body):
    assert signals(body, api=api).labels == ("pii",)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("embeddings", {"model": "auto", "input": [5338, 318, 29644]}),
        ("embeddings", {"model": "auto", "input": [[5338, 318], [29644]]}),
        ("completions", {"model": "auto", "prompt": [5338, 318]}),
        ("completions", {"model": "auto", "prompt": [[5338], [318]]}),
    ],
)
def test_what_comes_as_token_numbers_counts_as_everything(api, body):
    request = parse_request(json.dumps(body).encode(), "r", Caller(), {}, api=api)
    for unreadable in ("ignore", "unsearched"):
        assert extract(request, SignalSettings(search=Search(DETECTOR, KEY, unreadable))).labels == ("unsearched",)


@pytest.mark.parametrize(("unreadable", "labels"), [("ignore", ("pii",)), ("unsearched", ("pii", "unsearched"))])
def test_a_picture_counts_as_it_is_set(unreadable, labels):
    picture = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="}}
    body = {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text", "text": EMAIL}, picture]}]}
    request = parse_request(json.dumps(body).encode(), "r", Caller(), {})
    assert extract(request, SignalSettings(search=Search(DETECTOR, KEY, unreadable))).labels == labels


@pytest.mark.parametrize("more", [{"user": EMAIL}, {"metadata": {"note": EMAIL}}, {"seed": 4111111111111111}, {EMAIL: True}])
def test_what_a_provider_gets_beside_what_its_model_reads_is_read(more):
    assert signals(chat("hello", **more)).labels in (("pii",), ("financial",))


def test_our_own_metadata_is_not_read():
    assert signals(chat("hello", metadata={"pointsman_task": "4111111111111111"})).labels == ()


def test_without_a_search_nothing_is_found():
    request = parse_request(json.dumps(chat(EMAIL)).encode(), "r", Caller(), {})
    assert extract(request, SignalSettings()) == extract(request, SignalSettings(search=None))
    assert extract(request, SignalSettings()).labels == ()


def test_a_digest_is_equal_for_equal_values_under_one_key():
    (one,), (two,) = (signals(chat(text)).findings for text in (f"to {EMAIL}", f"again: {EMAIL.upper()}"))
    assert one.digest == two.digest
    assert signals(chat(EMAIL), key=b"another key of some length").findings[0].digest != one.digest


def test_what_was_not_wholly_searched_counts_as_everything():
    found = signals(chat(f"{EMAIL} " * 20), detector=Detector(Settings(most_chars=100)))
    assert found.labels == ("unsearched",)
    assert set(close(found.labels)) > KNOWN


def test_of_each_recogniser_a_few_are_kept_and_each_once():
    many = signals(chat(" ".join(f"user{at}@example.org" for at in range(60))))
    assert len(many.findings) == 10
    assert len(signals(chat(f"{EMAIL} {EMAIL} {EMAIL}")).findings) == 1
