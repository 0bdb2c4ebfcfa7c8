"""A conversation that is gone on from keeps its labels, its owner and its size."""

from __future__ import annotations

import json

import pytest

from pointsman.errors import RequestError
from pointsman.gateway.responses import Responses


def answer(id: object = "resp_1", text: str = "hi") -> bytes:
    return json.dumps({"id": id, "output": [{"type": "message", "role": "assistant", "content": text}]}).encode()


def test_what_follows_has_the_turns_and_the_labels_of_before():
    kept = Responses(60)
    kept.keep("key", {"input": "my diagnosis"}, answer(), ("phi",))
    gone_on = kept.complete("key", {"input": "and now?", "previous_response_id": "resp_1"})
    assert (gone_on.labels, gone_on.previous) == (("phi",), "resp_1")
    assert [item.get("content") for item in gone_on.body["input"]] == ["my diagnosis", "hi", "and now?"]


@pytest.mark.parametrize("previous", ["resp_2", "", 5, None])
def test_what_is_not_there_cannot_be_gone_on_from(previous):
    kept = Responses(60)
    kept.keep("key", {"input": "x"}, answer(), ())
    if previous is None:
        assert kept.complete("key", {"input": "y"}).body == {"input": "y"}
        return
    with pytest.raises(RequestError):
        kept.complete("key", {"previous_response_id": previous})


def test_another_key_finds_nothing():
    kept = Responses(60)
    kept.keep("key", {"input": "x"}, answer(), ())
    with pytest.raises(RequestError):
        kept.complete("other", {"previous_response_id": "resp_1"})


@pytest.mark.parametrize("id", [None, 5, "", ["resp_1"]])
def test_an_answer_without_a_name_is_not_kept(id):
    kept = Responses(60)
    kept.keep("key", {"input": "x"}, answer(id), ())
    with pytest.raises(RequestError):
        kept.complete("key", {"previous_response_id": id if isinstance(id, str) else "resp_1"})


def test_the_oldest_go_first_and_all_go_in_time():
    now = [0.0]
    kept = Responses(60, lambda: now[0], most_bytes=1_000)
    for at in range(20):
        kept.keep("key", {"input": "x" * 100}, answer(f"resp_{at}"), ())
    with pytest.raises(RequestError):
        kept.complete("key", {"previous_response_id": "resp_0"})
    assert kept.complete("key", {"previous_response_id": "resp_19"}).previous == "resp_19"
    now[0] = 61.0
    with pytest.raises(RequestError):
        kept.complete("key", {"previous_response_id": "resp_19"})
