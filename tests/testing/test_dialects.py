"""Every dialect has its own shapes, whole and streamed, in good order and at fault."""

from __future__ import annotations

import pytest

from tests.testing.wire import ANTHROPIC, CHAT, COMPLETIONS, GENERATING, MESSAGES, RESPONSES, body, events, playing

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OFFERED = {
    CHAT: [{"type": "function", "function": {"name": "get_weather", "parameters": TOOL}}],
    RESPONSES: [{"type": "function", "name": "get_weather", "parameters": TOOL}],
    MESSAGES: [{"name": "get_weather", "input_schema": TOOL}],
}


def text(path: str, answer: dict) -> str:
    if path == RESPONSES:
        return "".join(part.get("text", "") for item in answer["output"] if item["type"] == "message" for part in item["content"])
    if path == MESSAGES:
        return "".join(block.get("text", "") for block in answer["content"])
    [choice] = answer["choices"]
    return choice["text"] if path == COMPLETIONS else choice["message"]["content"]


def streamed_text(path: str, said: list[dict]) -> str:
    if path == RESPONSES:
        return "".join(event["delta"] for event in said if event["type"] == "response.output_text.delta")
    if path == MESSAGES:
        return "".join(event["delta"].get("text", "") for event in said if event["type"] == "content_block_delta")
    choices = [choice for event in said for choice in event["choices"]]
    return "".join(choice["text"] if path == COMPLETIONS else choice["delta"].get("content") or "" for choice in choices)


def finish(path: str, answer: dict) -> str:
    if path == RESPONSES:
        return (answer["incomplete_details"] or {"reason": answer["status"]})["reason"]
    return answer["stop_reason"] if path == MESSAGES else answer["choices"][0]["finish_reason"]


def used(path: str, answer: dict) -> tuple[int, int] | None:
    if (usage := answer.get("usage")) is None:
        return None
    return (
        usage.get("prompt_tokens", usage.get("input_tokens")),
        usage.get("completion_tokens", usage.get("output_tokens")),
    )


@pytest.mark.parametrize("path", GENERATING)
async def test_a_stream_says_what_a_whole_answer_says(path):
    async with playing() as call:
        for script in ("ok", "able", "length-cut", "empty-content", "ragged-3"):
            whole, said = await call.json(path, script), await call.events(path, script)
            assert text(path, whole) == streamed_text(path, said)
            assert text(path, whole) == {"length-cut": "one two", "empty-content": ""}.get(script, "one two three")


@pytest.mark.parametrize(
    ("path", "finishes"),
    [
        (CHAT, ["stop", "length", "content_filter", "stop"]),
        (COMPLETIONS, ["stop", "length", "content_filter", "stop"]),
        (RESPONSES, ["completed", "max_output_tokens", "content_filter", "completed"]),
        (MESSAGES, ["end_turn", "max_tokens", "refusal", "refusal"]),
    ],
)
async def test_each_dialect_has_its_words_for_why_an_answer_ends(path, finishes):
    async with playing() as call:
        for script, expected in zip(["ok", "length-cut", "content-filter", "refusal"], finishes, strict=True):
            assert finish(path, await call.json(path, script)) == expected
            ending = [event for event in await call.events(path, script) if "ping" not in event.values()][-2 if path == MESSAGES else -1]
            last = ending["response"] if path == RESPONSES else ending["delta"] if path == MESSAGES else ending
            assert finish(path, last) == expected


@pytest.mark.parametrize("path", GENERATING)
async def test_usage_is_reported_wrong_or_not_at_all(path):
    options = {"stream_options": {"include_usage": True}} if path in (CHAT, COMPLETIONS) else {}
    beside = 7 if path == MESSAGES else 0  # what came from the cache is counted apart there
    async with playing() as call:
        for script, expected in [("ok", (3, 3)), ("wrong-usage", (-5 - beside, 10**18)), ("no-usage", None)]:
            assert used(path, await call.json(path, script)) == expected
            said = [event for event in await call.events(path, script, **options) if event.get("type") != "message_stop"]
            last = said[-1]["response"] if path == RESPONSES else said[-1]
            assert used(path, last) == expected


async def test_what_came_from_a_cache_is_reported():
    async with playing() as call:
        assert (await call.json(CHAT, "cached"))["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
        assert (await call.json(RESPONSES, "cached"))["usage"]["input_tokens_details"] == {"cached_tokens": 2}
        told = (await call.json(MESSAGES, "cached"))["usage"]
        assert (told["input_tokens"], told["cache_read_input_tokens"]) == (1, 2)


@pytest.mark.parametrize("path", GENERATING)
@pytest.mark.parametrize(
    ("script", "status", "code", "anthropic"),
    [
        ("error-500", 500, "scripted_500", (500, "api_error", "scripted error 500")),
        ("error-529", 529, "scripted_529", (529, "overloaded_error", "scripted error 529")),
        ("error-418", 418, "scripted_418", (418, "invalid_request_error", "scripted error 418")),
        ("ratelimit-1", 429, "rate_limit_exceeded", (429, "rate_limit_error", "Rate limit reached")),
        ("quota", 429, "insufficient_quota", (400, "invalid_request_error", "Your credit balance is too low")),
        ("context-length", 400, "context_length_exceeded", (400, "invalid_request_error", "prompt is too long")),
        ("filtered", 400, "content_filter", (400, "invalid_request_error", "Output blocked")),
        ("nobody", 404, "model_not_found", (404, "not_found_error", "The model 'nobody' does not exist.")),
    ],
)
async def test_errors_have_the_shape_of_their_dialect(path, script, status, code, anthropic):
    async with playing() as call:
        for stream in (False, True):
            answer = await call(path, body(path, script, stream=stream))
            if path == MESSAGES:
                assert answer.json.keys() == {"type", "error", "request_id"}
                assert answer.headers["request-id"] == answer.json["request_id"]
                assert (answer.status, answer.error["type"]) == anthropic[:2]
                assert answer.error["message"].startswith(anthropic[2])
            else:
                assert (answer.status, answer.error["code"]) == (status, code)
                assert answer.error.keys() == {"message", "type", "param", "code"}
                assert answer.headers["x-request-id"] == "req_scripted"


@pytest.mark.parametrize("path", GENERATING)
@pytest.mark.parametrize("number", range(8))
async def test_a_stream_fails_after_so_many_events_in_the_words_of_its_dialect(path, number):
    async with playing() as call:
        whole = len((await call(path, body(path, "ok", stream=True))).body.split(b"\n\n")) - 1
        number = min(number, whole - 1)

        async def said(script: str) -> list[bytes]:
            return (await call(path, body(path, f"{script}-{number}", stream=True))).body.split(b"\n\n")[:-1]

        *before, last = events(b"".join(block + b"\n\n" for block in await said("error-event-after")))
        assert len(before) == number
        assert last["error"]["message"] == "scripted error 500"
        assert last.get("type") == (None if path in (CHAT, COMPLETIONS) else "error")
        if path == RESPONSES:
            assert (last["sequence_number"], last["code"], last["message"]) == (number, "scripted_500", "scripted error 500")
        assert len(await said("fin-after")) == number
        malformed = await said("malformed-after")
        assert len(malformed) == whole + 1
        assert malformed[number].endswith(b'data: {"id": ')
        assert malformed[number].startswith(b"event: ") is (path in (RESPONSES, MESSAGES) and malformed[number + 1] != b"data: [DONE]")


@pytest.mark.parametrize("path", GENERATING)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_faults_of_the_connection_are_the_same_on_every_path(path, stream):
    async with playing() as call:
        for script in ("hang", "reset", "close", "close-after-headers", "cut-after-1", "reset-after-1"):
            assert await call(path, body(path, script, stream=stream)) is None
        first = await call(path, body(path, "error-first-event", stream=stream))
        assert first.status == 200
        assert (events(first.body)[0] if stream else first.json)["error"]["message"] == "scripted error 500"
        assert (await call(path, body(path, "empty", stream=stream))).body == b""
        for script in ("slow-1", "drip-1", "slow-body-1", "slow-first-token", "stall-after-1", "flaky-2", "remaining-1"):
            assert (await call(path, body(path, script, stream=stream))).status == 200


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/messages/count_tokens"])
async def test_paths_that_do_not_stream_have_the_faults_of_whole_answers(path):
    async with playing() as call:
        for script in ("hang", "reset", "close", "cut-after-1", "reset-after-1"):
            assert await call(path, body(path, script, stream=True)) is None
        for script, status in [("error-503", 503), ("ratelimit-1", 429), ("giant-line", 200), ("wrong-shape", 200)]:
            assert (await call(path, body(path, script))).status == status


async def test_the_order_of_events_on_responses():
    async with playing() as call:
        said = await call.events(RESPONSES, "reasoning", "one two")
        assert [event["sequence_number"] for event in said] == list(range(len(said)))
        kinds = [event["type"].removeprefix("response.") for event in said]
        assert [kind for index, kind in enumerate(kinds) if kind != kinds[index - 1]] == [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        done = said[-1]["response"]
        assert done["output"] == [event["item"] for event in said if event["type"] == "response.output_item.done"]
        assert said[0]["response"]["output"] == []
        assert done.keys() == (await call.json(RESPONSES, "ok")).keys()
        assert "response.refusal.done" in [event["type"] for event in await call.events(RESPONSES, "refusal")]


async def test_the_order_of_events_on_messages():
    async with playing() as call:
        said = await call.events(MESSAGES, "reasoning", "one")
        kinds = [event.get("delta", {}).get("type") or event["type"] for event in said]
        assert [kind for index, kind in enumerate(kinds) if kind != kinds[index - 1]] == [
            "message_start",
            "content_block_start",
            "ping",
            "thinking_delta",
            "signature_delta",
            "content_block_stop",
            "content_block_start",
            "text_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert [event["index"] for event in said if event["type"] == "content_block_start"] == [0, 1]
        assert said[0]["message"]["content"] == []


@pytest.mark.parametrize("path", OFFERED)
@pytest.mark.parametrize(("script", "arguments"), [("tools", '{"city":""}'), ("bad-arguments", '{"city": "Par')])
async def test_tool_calls_come_in_pieces(path, script, arguments):
    async with playing() as call:
        said = await call.events(path, script, tools=OFFERED[path])
        if path == CHAT:
            deltas = [delta for event in said for delta in event["choices"][0]["delta"].get("tool_calls", [])]
            assert deltas[0]["id"]
            assert deltas[0]["function"] == {"name": "get_weather", "arguments": ""}
            pieces = [delta["function"]["arguments"] for delta in deltas]
        elif path == RESPONSES:
            pieces = [event["delta"] for event in said if event["type"] == "response.function_call_arguments.delta"]
        else:
            pieces = [event["delta"]["partial_json"] for event in said if event.get("delta", {}).get("type") == "input_json_delta"]
        assert "".join(pieces) == arguments
        assert len(pieces) > 1


async def test_who_calls_messages_must_show_a_key_and_a_version():
    async with playing() as call:
        for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
            for headers, status in [
                ({"x_api_key": ""}, 200),
                ({"anthropic_version": ""}, 400),
                ({"x_api_key": "", "authorization": ""}, 401),
            ]:
                answer = await call(path, body(path, "ok"), **{**ANTHROPIC, **headers})
                assert answer.status == status
        assert (await call(MESSAGES, {**body(MESSAGES, "ok"), "max_tokens": None})).error["message"] == "max_tokens: Field required"


async def test_tokens_are_counted():
    async with playing() as call:
        assert (await call.json(f"{MESSAGES}/count_tokens", "ok", system="be brief")) == {"input_tokens": 5}
        assert used(MESSAGES, await call.json(MESSAGES, "ok", system=[{"type": "text", "text": "be brief"}])) == (5, 3)


async def test_completions_echo_and_have_logprobs():
    async with playing() as call:
        asked = {"echo": True, "logprobs": 2, "n": 2}
        choices = (await call.json(COMPLETIONS, said="one two", max_tokens=1, **asked))["choices"]
        assert [choice["index"] for choice in choices] == [0, 1]
        assert choices[0]["text"] == "one twoone"
        assert choices[0]["logprobs"]["text_offset"] == [0, 3]
        assert all(len(top) == 2 for top in choices[0]["logprobs"]["top_logprobs"])
        said = await call.events(COMPLETIONS, said="one two", stream_options={"include_usage": True}, **asked)
        first = [event["choices"][0] for event in said[:-1] if event["choices"][0]["index"] == 0]
        assert [choice["text"] for choice in first] == ["one", " twoone", " two", ""]
        assert [choice["logprobs"]["text_offset"] for choice in first[:-1]] == [[0], [3], [10]]
        assert said[-1]["usage"]["completion_tokens"] == 4
        for prompt, status in [([1, 2], 200), (["one"], 200), ([[1, 2]], 200), (["one", "two"], 400), ([], 400), (None, 400)]:
            assert (await call(COMPLETIONS, {"model": "ok", "prompt": prompt})).status == status
