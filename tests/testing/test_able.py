"""The capable model obeys what it is asked, on every path."""

from __future__ import annotations

import json

import pytest

from pointsman.testing.said import pieces
from tests.testing.wire import CHAT, MESSAGES, RESPONSES, body, playing

PLAIN = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}
PATHS = [CHAT, RESPONSES, MESSAGES]
WORDS = "the weather and the time"


def tools(path: str, *names: str) -> list[dict]:
    if path == CHAT:
        return [{"type": "function", "function": {"name": name, "parameters": PLAIN}} for name in names]
    if path == RESPONSES:
        return [{"type": "function", "name": name, "parameters": PLAIN} for name in names]
    return [{"name": name, "input_schema": PLAIN} for name in names]


def choice(path: str, told: str) -> object:
    """`tool_choice` in the path's words."""
    named = told not in ("auto", "none", "required")
    if path == MESSAGES:
        return {"type": "tool", "name": told} if named else {"type": told.replace("required", "any")}
    if not named:
        return told
    return {"type": "function", "function": {"name": told}} if path == CHAT else {"type": "function", "name": told}


def calls(path: str, answer: dict) -> list[tuple[str, str, object]]:
    """Id, name and arguments."""
    if path == CHAT:
        found = answer["choices"][0]["message"].get("tool_calls", [])
        return [(one["id"], one["function"]["name"], json.loads(one["function"]["arguments"])) for one in found]
    if path == RESPONSES:
        return [(i["call_id"], i["name"], json.loads(i["arguments"])) for i in answer["output"] if i["type"] == "function_call"]
    return [(block["id"], block["name"], block["input"]) for block in answer["content"] if block["type"] == "tool_use"]


def text(path: str, answer: dict) -> str | None:
    if path == CHAT:
        return answer["choices"][0]["message"]["content"]
    if path == RESPONSES:
        return next((item["content"][0]["text"] for item in answer["output"] if item["type"] == "message"), None)
    return next((block["text"] for block in answer["content"] if block["type"] == "text"), None)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("told", "said", "expected"),
    [
        ("auto", WORDS, ["get_weather", "get_time"]),
        ("auto", "hello", []),
        ("none", WORDS, []),
        ("required", WORDS, ["get_weather", "get_time"]),
        ("required", "hello", ["get_weather"]),
        ("get_time", "hello", ["get_time"]),
    ],
)
async def test_tools_are_called_as_told(path, told, said, expected):
    async with playing() as call:
        asked = {"tools": tools(path, "get_weather", "get_time"), "tool_choice": choice(path, told)}
        answer = await call.json(path, said=said, **asked)
        found = calls(path, answer)
        assert [name for _, name, _ in found] == expected
        assert len({call_id for call_id, _, _ in found}) == len(found)
        assert all(arguments == {"city": ""} for _, _, arguments in found)
        assert text(path, answer) == (None if expected else said)
        if path == MESSAGES:
            asked["tool_choice"] = {**asked["tool_choice"], "disable_parallel_tool_use": True}
        else:
            asked["parallel_tool_calls"] = False
        assert [name for _, name, _ in calls(path, await call.json(path, said=said, **asked))] == expected[:1]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("offered", [["get_time"], []])
async def test_a_tool_that_is_not_offered_cannot_be_chosen(path, offered):
    async with playing() as call:
        answer = await call(path, body(path, "able", tools=tools(path, *offered), tool_choice=choice(path, "get_weather")))
        assert answer.status == 400


async def test_what_tools_told_is_answered_with():
    async with playing() as call:
        offered = tools(CHAT, "get_weather")
        results = [{"role": "tool", "tool_call_id": f"c{n}", "content": said} for n, said in enumerate(["rain", "noon"])]
        messages = [{"role": "user", "content": WORDS}, {"role": "assistant", "content": None}, *results]
        assert text(CHAT, await call.json(CHAT, messages=messages, tools=offered)) == "The tool said: rain and noon"
        items = [{"role": "user", "content": WORDS}, {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"}]
        items += [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "rain"}]}]
        assert text(RESPONSES, await call.json(RESPONSES, input=items, tools=tools(RESPONSES, "get_weather"))) == "The tool said: rain"
        used = [{"type": "tool_use", "id": "c", "name": "get_weather", "input": {}}]
        given = [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "rain"}]}]
        messages = [{"role": "user", "content": WORDS}, {"role": "assistant", "content": used}, {"role": "user", "content": given}]
        assert text(MESSAGES, await call.json(MESSAGES, messages=messages, tools=tools(MESSAGES, "get_weather"))) == "The tool said: rain"


async def test_tools_that_take_plain_text_are_called_with_plain_text():
    async with playing() as call:
        asked = {"tool_choice": "required", "stream": False}
        [item] = (await call.json(RESPONSES, tools=[{"type": "custom", "name": "patch"}], **asked))["output"]
        assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", "plain text")
        answer = await call.json(CHAT, tools=[{"type": "custom", "custom": {"name": "patch"}}], **asked)
        [made] = answer["choices"][0]["message"]["tool_calls"]
        assert (made["type"], made["custom"]) == ("custom", {"name": "patch", "input": "plain text"})


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}}),
        (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "person", "schema": PERSON}}}),
        (MESSAGES, {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}}),
    ],
)
async def test_schemas_are_kept(path, fields):
    async with playing() as call:
        assert text(path, await call.json(path, **fields)) == '{"age":18}'
        assert not text(path, await call.json(path, "not-json", **fields)).startswith("{")


@pytest.mark.parametrize(
    ("path", "fields"), [(CHAT, {"response_format": {"type": "json_object"}}), (RESPONSES, {"text": {"format": {"type": "json_object"}}})]
)
async def test_any_object_will_do_where_no_schema_is_given(path, fields):
    async with playing() as call:
        assert json.loads(text(path, await call.json(path, **fields))) == {"answer": "one two three"}


@pytest.mark.parametrize(
    ("path", "fields", "said", "finish"),
    [
        (CHAT, {"max_tokens": 2}, "one two", "length"),
        (CHAT, {"max_completion_tokens": 3}, "one two three", "stop"),
        (CHAT, {"stop": "two"}, "one ", "stop"),
        (CHAT, {"stop": ["three", " two"]}, "one", "stop"),
        (CHAT, {"stop": "three", "max_tokens": 1}, "one", "length"),
        (MESSAGES, {"max_tokens": 2}, "one two", "max_tokens"),
        (MESSAGES, {"stop_sequences": ["three"]}, "one two ", "stop_sequence"),
        (RESPONSES, {"max_output_tokens": 1}, "one", "incomplete"),
    ],
)
async def test_answers_end_where_they_are_told_to(path, fields, said, finish):
    async with playing() as call:
        answer = await call.json(path, **fields)
        assert text(path, answer) == said
        assert finish == (answer.get("stop_reason") or answer.get("status") or answer["choices"][0]["finish_reason"])
        used = answer["usage"]
        assert used.get("completion_tokens", used.get("output_tokens")) == len(pieces(said))
        if path == MESSAGES:
            assert answer["stop_sequence"] == (fields.get("stop_sequences") or [None])[0]


@pytest.mark.parametrize("path", PATHS)
async def test_thoughts_come_first_and_count(path):
    fields = {CHAT: {"reasoning_effort": "low"}, RESPONSES: {"reasoning": {"effort": "low"}}, MESSAGES: {"thinking": {"type": "enabled"}}}
    limits = {CHAT: "max_completion_tokens", RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}
    async with playing() as call:
        answer = await call.json(path, **fields[path])
        if path == CHAT:
            message = answer["choices"][0]["message"]
            assert (message["reasoning_content"].split()[0], message["content"]) == ("They", "one two three")
            assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 9}
        else:
            kinds = [part["type"] for part in answer["output" if path == RESPONSES else "content"]]
            assert kinds == (["reasoning", "message"] if path == RESPONSES else ["thinking", "text"])
        assert answer["usage"].get("output_tokens", answer["usage"].get("completion_tokens")) == 12
        cut = await call.json(path, **fields[path], **{limits[path]: 4})
        assert cut["usage"].get("output_tokens", cut["usage"].get("completion_tokens")) == 4
        assert not text(path, cut)


async def test_a_thought_can_be_sealed_and_has_a_signature():
    async with playing() as call:
        fields = {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}
        assert (await call.json(RESPONSES, **fields))["output"][0]["encrypted_content"]
        assert (await call.json(MESSAGES, thinking={"type": "adaptive"}))["content"][0]["signature"]


async def test_logprobs_are_the_same_whole_and_streamed():
    async with playing() as call:
        fields = {"logprobs": True, "top_logprobs": 3, "n": 2}
        answer = await call.json(CHAT, **fields)
        assert [choice["index"] for choice in answer["choices"]] == [0, 1]
        assert answer["usage"]["completion_tokens"] == 6
        entries = answer["choices"][1]["logprobs"]["content"]
        assert "".join(entry["token"] for entry in entries) == "one two three"
        assert all(max(top["logprob"] for top in entry["top_logprobs"]) == entry["logprob"] <= 0 for entry in entries)
        assert all(len(entry["top_logprobs"]) == 3 for entry in entries)
        choices = [choice for event in await call.events(CHAT, **fields) for choice in event["choices"]]
        assert [e for c in choices if c["index"] == 1 and c["logprobs"] for e in c["logprobs"]["content"]] == entries
        fields = {"include": ["message.output_text.logprobs"], "top_logprobs": 3}
        [message] = (await call.json(RESPONSES, **fields))["output"]
        assert message["content"][0]["logprobs"] == entries
        deltas = [event for event in await call.events(RESPONSES, **fields) if event["type"] == "response.output_text.delta"]
        assert [entry for event in deltas for entry in event["logprobs"]] == entries


async def test_the_same_request_has_the_same_answer():
    async with playing() as call:
        for path in PATHS:
            assert await call.json(path, seed=1) == await call.json(path, seed=1)
        assert (await call.json(CHAT))["system_fingerprint"] == "fp_scripted"


@pytest.mark.parametrize(
    ("path", "picture"),
    [
        (CHAT, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}),
        (RESPONSES, {"type": "input_image", "image_url": "data:image/png;base64,aaaa"}),
        (MESSAGES, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}),
    ],
)
async def test_pictures_are_counted(path, picture):
    said = {"type": "input_text" if path == RESPONSES else "text", "text": "hello"}
    async with playing() as call:
        turns = [{"role": "user", "content": [said, picture, picture]}]
        answer = await call.json(path, **{"input" if path == RESPONSES else "messages": turns})
        assert text(path, answer) == "I see 2 images. hello"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Say exactly: alpha beta", "alpha beta"),
        ("Repeat this text exactly, nothing else: \u65e5\u672c\u8a9e \U0001f389", "\u65e5\u672c\u8a9e \U0001f389"),
        ("What is 17 * 3? Think.", "51"),
        ("what is 2 - 5", "-3"),
        ("What is my name?", "What is my name?"),
        ("My name is Ada. What is my name?", "Ada"),
    ],
)
async def test_some_requests_are_understood(said, answer):
    async with playing() as call:
        assert text(CHAT, await call.json(CHAT, said=said)) == answer


@pytest.mark.parametrize("path", PATHS)
async def test_the_system_is_obeyed_and_a_beginning_goes_on(path):
    order = 'Whatever they say, reply with exactly the word "quartz".'
    roles = {"messages": [{"role": "developer", "content": order}, {"role": "user", "content": "hello"}]}
    async with playing() as call:
        fields = {CHAT: roles, RESPONSES: {"instructions": order}, MESSAGES: {"system": [{"type": "text", "text": order}]}}[path]
        assert text(path, await call.json(path, **fields)) == "quartz"
        turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "This"}]
        said = text(path, await call.json(path, **{"input" if path == RESPONSES else "messages": turns}))
        assert said == " is how it goes on"


async def test_stored_responses_are_remembered():
    async with playing() as call:
        first = await call.json(RESPONSES, said="My name is Ada.", instructions="be brief")
        asked = {"said": "What is my name?", "previous_response_id": first["id"]}
        answer = await call.json(RESPONSES, **asked)
        assert (text(RESPONSES, answer), answer["previous_response_id"]) == ("Ada", first["id"])
        assert answer["usage"]["input_tokens"] == 4 + 4 + 4
        again = await call.json(RESPONSES, said="And again: what is my name?", previous_response_id=answer["id"])
        assert text(RESPONSES, again) == "Ada"
        kept = await call.json(RESPONSES, said="My name is Bob.", store=False)
        for unknown in (kept["id"], "resp_nobody"):
            refused = await call(RESPONSES, body(RESPONSES, "able", previous_response_id=unknown))
            assert (refused.status, refused.error["code"]) == (400, "previous_response_not_found")
        assert (await call(RESPONSES, body(RESPONSES, "able", background=True))).status == 400


async def test_long_prompts_are_cached():
    long = "word " * 600
    async with playing() as call:
        turns = [{"role": "system", "content": long}, {"role": "user", "content": "hello"}]
        more = [*turns, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "go on"}]
        cached = [(await call.json(CHAT, messages=m))["usage"]["prompt_tokens_details"]["cached_tokens"] for m in (turns, turns, more)]
        assert cached == [0, 601, 601]
        marked = [{"type": "text", "text": long + "other", "cache_control": {"type": "ephemeral"}}]
        used = [(await call.json(MESSAGES, system=marked))["usage"] for _ in range(2)]
        assert [u["cache_creation_input_tokens"] for u in used] == [601, 0]
        assert [u["cache_read_input_tokens"] for u in used] == [0, 601]
        assert [u["input_tokens"] for u in used] == [3, 3]
        assert "cache_read_input_tokens" not in (await call.json(MESSAGES, system=long))["usage"]
