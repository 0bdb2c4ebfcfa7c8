"""What a model of Google's gets of tool calls that nobody signed."""

from __future__ import annotations

from copy import deepcopy

from pointsman.wire.thought_signatures import UNSIGNED, signed

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
OWN = {**CALL, "extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "seen"}


def body(*calls: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "look"}, {"role": "assistant", "tool_calls": list(calls)}, RESULT]}


def test_calls_without_a_signature_get_what_stands_for_one_and_the_client_is_told():
    asked = body(CALL, OWN)
    before = deepcopy(asked)
    found = signed(asked)
    assert found.body["messages"][1]["tool_calls"] == [{**CALL, "extra_content": UNSIGNED}, OWN]
    assert found.dropped == ("messages.tool_calls.thought_signature",)
    assert asked == before


def test_a_conversation_whose_calls_are_signed_or_that_has_none_is_left_as_it_is():
    for asked in (body(OWN), {"model": "m", "messages": [RESULT]}, {"model": "m"}):
        found = signed(asked)
        assert found.body is asked
        assert found.dropped == ()
