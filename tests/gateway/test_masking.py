"""Placeholders on the way out, the values on the way back, wherever an answer is cut."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.apis import Api
from pointsman.core.model import Model
from pointsman.core.request import Caller, Request
from pointsman.core.signals import Finding, Signals
from pointsman.errors import RequestError, UpstreamError
from pointsman.gateway.masking import Mask, Unmasking, masked
from pointsman.signals.extract import Search
from pointsman.signals.sensitivity.detect import Detector, Settings
from pointsman.wire.events import Citation, Event, Finished, Lost, Reasoning, Refusal, Served, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.request import parse_request

EMAIL, CARD, SSN = "jane.doe@example.org", "4111 1111 1111 1111", "536-22-1234"
SEARCH = Search(Detector(), b"a key of the tests, secret enough")
MASK = Mask(frozenset({"pii", "financial"}), frozenset({"external"}), SEARCH)
VALUES = {"PM_PII_1_ABCDEFGH": 'Jane "J" Doe', "PM_FINANCIAL_12_ABCDEFGH": CARD}


def asked(body: dict[str, object], api: Api = "chat") -> Request:
    return parse_request(json.dumps({"model": "auto", **body}).encode(), "r", Caller(), {}, api=api)


def user(text: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize(
    ("perimeter", "signals", "concerned"),
    [
        ("external", Signals(findings=(Finding("pii", "email", 0.9, "/prompt", "0"),)), True),
        ("external", Signals(labels=("unsearched",)), True),
        ("external", Signals(findings=(Finding("secret", "key", 0.9, "/prompt", "0"),)), False),
        ("external", Signals(), False),
        ("on_prem", Signals(findings=(Finding("pii", "email", 0.9, "/prompt", "0"),)), False),
    ],
)
def test_only_such_requests_to_such_models_are_masked(perimeter, signals, concerned):
    assert MASK.concerns(signals, Model("m", perimeter=perimeter)) is concerned


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", user(f"write to {EMAIL}")),
        ("chat", user([{"type": "text", "text": EMAIL}, {"type": "text", "text": CARD}])),
        ("chat", {**user("x"), "tools": [{"type": "function", "function": {"name": "f", "parameters": {"const": EMAIL}}}]}),
        ("responses", {"instructions": EMAIL, "input": [{"role": "user", "content": CARD}]}),
        ("responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": EMAIL}]}),
        ("messages", {"max_tokens": 9, "system": EMAIL, **user([{"type": "text", "text": CARD}])}),
        ("completions", {"prompt": EMAIL}),
        ("embeddings", {"input": ["x", EMAIL]}),
        ("chat", {**user("x"), "user": EMAIL, "metadata": {"note": CARD}}),
        ("embeddings", {"input": ["x"], "user": EMAIL}),
    ],
)
def test_neither_the_body_nor_its_translation_holds_a_value(api, body):
    request = asked(body, api)
    made = masked(request, MASK)
    sent = json.dumps([made.request.content.body, made.request.content.translated])
    assert EMAIL not in sent
    assert CARD not in sent
    assert set(made.values.values()) <= {EMAIL, CARD}
    assert all(name in sent for name in made.values)
    assert EMAIL not in repr(made)
    assert request == asked(body, api)
    assert request.content.body == {"model": "auto", **body}, "what was asked stays as it is"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({**user("x"), "tools": [{"type": "function", "function": {"name": "f", "parameters": {EMAIL: {}}}}]}, "the name of a field"),
        (user([{"type": "file", "file": {"file_data": "data:text/plain,jane.doe%40example.org"}}]), "a file"),
        ({"messages": [{"role": "user", "content": "4111 1111 "}, {"role": "user", "content": "1111 1111"}]}, "split over turns"),
    ],
)
def test_what_cannot_be_replaced_is_not_sent(body, why):
    with pytest.raises(RequestError, match=why) as raised:
        masked(asked(body), MASK)
    assert raised.value.code == "cannot_mask"
    assert EMAIL not in str(raised.value)


@pytest.mark.parametrize(("settings", "why"), [(Settings(most_chars=10), "too long"), (Settings(most_findings=3), "more of one kind")])
def test_what_was_not_found_to_the_end_is_not_sent(settings, why):
    mask = Mask(MASK.kinds, MASK.perimeters, Search(Detector(settings), SEARCH.key))
    with pytest.raises(RequestError, match=why):
        masked(asked(user(" ".join(f"user{at}@example.org" for at in range(9)))), mask)


PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}


@pytest.mark.parametrize(
    ("api", "body", "why"),
    [
        ("embeddings", {"input": [[5338, 318]]}, "at /input cannot be read: it is token numbers"),
        ("completions", {"prompt": [5338, 318]}, "at /prompt cannot be read: it is token numbers"),
        ("chat", user([PICTURE]), "at /messages/0/content/0/image_url/url cannot be read: it is no text"),
    ],
)
def test_what_cannot_be_read_is_not_sent(api, body, why):
    with pytest.raises(RequestError, match=why) as raised:
        masked(asked(body, api), MASK)
    assert raised.value.code == "cannot_mask"


def test_pictures_are_sent_where_that_is_set():
    mask = Mask(MASK.kinds, MASK.perimeters, Search(SEARCH.detector, SEARCH.key, "ignore"))
    assert EMAIL in masked(asked(user([PICTURE, {"type": "text", "text": EMAIL}])), mask).values.values()


def cut(text: str, sizes: Iterable[int]) -> list[str]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


texts = st.lists(st.sampled_from([*VALUES, "PM_", "PM_PII_1_ABCDEFG", "_", " and ", "H", ""]), max_size=8).map("".join)
cuts = st.lists(st.integers(0, 9), max_size=20)


def restored(text: str, *, in_json: bool = False) -> str:
    for name, value in VALUES.items():
        text = text.replace(name, json.dumps(value)[1:-1] if in_json else value)
    return text


def said(events: Iterable[Event], kind: type, choice: int = 0, call: int = 0) -> str:
    return "".join(e.text for e in events if type(e) is kind and e.choice == choice and getattr(e, "call", call) == call)


@given(text=texts, other=texts, arguments=texts, sizes=cuts)
def test_values_come_back_wherever_a_stream_is_cut(text, other, arguments, sizes):
    events: list[Event] = []
    for one, two in zip(cut(text, sizes), cut(other, sizes), strict=True):  # two choices whose pieces mix
        events += [Text(one), Text(two, 1)]
    events += [ToolBegan(0, "c", "PM_PII_1_ABCDEFGH"), *(ToolArguments(0, piece) for piece in cut(arguments, sizes))]
    events += [ToolBegan(1, "d", "x", custom=True), *(ToolArguments(1, piece) for piece in cut(arguments, sizes))]
    events += [Finished("stop", 0, "PM_PII_1_ABCDEFGH"), Finished("stop", 1)]
    got = list(Unmasking(VALUES, json_text=False).whole(events))
    assert said(got, Text) == restored(text)
    assert said(got, Text, 1) == restored(other)
    assert said(got, ToolArguments) == restored(arguments, in_json=True)
    assert said(got, ToolArguments, call=1) == restored(arguments)
    assert [event.stop_sequence for event in got if isinstance(event, Finished)] == ['Jane "J" Doe', None]
    assert [event.name for event in got if isinstance(event, ToolBegan)] == ['Jane "J" Doe', "x"]
    began = [at for at, event in enumerate(got) if isinstance(event, ToolBegan)]
    assert all(at < began[0] for at, event in enumerate(got) if isinstance(event, Text) and event.choice == 0), (
        "text ends before a call begins"
    )


def test_values_in_an_answer_that_is_json_are_written_as_json():
    text = '{"name": "PM_PII_1_ABCDEFGH"}'
    got = Unmasking(VALUES, json_text=True)
    assert json.loads(said(got.whole([Text(text), Finished("stop")]), Text)) == {"name": 'Jane "J" Doe'}
    assert json.loads(got.text(text)) == {"name": 'Jane "J" Doe'}


def test_refusals_and_errors_are_for_the_clients_eyes_and_signed_thinking_stays_as_it_is():
    got = Unmasking(VALUES, json_text=False)
    name = "PM_PII_1_ABCDEFGH"
    events = [Reasoning(name, signature="s"), Refusal(name[:5]), Refusal(name[5:]), Finished("stop")]
    assert next(iter(got.whole(events))) == events[0]
    assert said(Unmasking(VALUES, json_text=False).whole(events), Refusal) == 'Jane "J" Doe'
    error = UpstreamError(f"`{name}` is not a city")
    got.mend(error)
    assert (error.message, str(error)) == ('`Jane "J" Doe` is not a city',) * 2


def test_a_value_is_replaced_wherever_it_stands():
    request = asked({"messages": [{"role": "user", "content": f"my SSN is {SSN}"}, {"role": "user", "content": f"{SSN}, x{SSN}1"}]})
    made = masked(request, MASK)
    [name] = made.values
    assert [turn["content"] for turn in made.request.content.body["messages"]] == [f"my SSN is {name}", f"{name}, x{SSN}1"]


def test_other_events_pass():
    event = Used(usage=None)  # type: ignore[arg-type]
    assert list(Unmasking(VALUES, json_text=False).whole([event])) == [event]


def test_citations_are_told_as_lost_since_the_text_before_them_grows():
    events = [Served("flex"), Text("PM_PII_1_ABC"), Lost("audio"), Text("DEFGH"), Citation("https://a.example", 0, 17), Finished("stop")]
    got = list(Unmasking(VALUES, json_text=False).whole(events))
    assert "".join(event.text for event in got if isinstance(event, Text)) == 'Jane "J" Doe'
    assert [event for event in got if not isinstance(event, Text)] == [Served("flex"), Lost("audio"), Lost("citations"), Finished("stop")]


@pytest.mark.parametrize("ends", ["\n", "\\n", "\r\n"])
def test_of_a_key_that_is_cut_no_line_is_left(ends):
    lines = [base64.b64encode(bytes([at] * 48)).decode() for at in range(60)]
    text = ends.join(["here it is: -----BEGIN PRIVATE KEY-----", *lines, "", "and nothing else, thank you."])
    made = masked(asked(user(text)), Mask(frozenset({"secret"}), MASK.perimeters, SEARCH))
    sent = json.dumps(made.request.content.body)
    assert not [line for line in lines if line in sent]
    assert "and nothing else, thank you." in sent
