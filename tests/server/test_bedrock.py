"""A gateway in front of Bedrock's Converse: whatever API clients speak, and whatever goes wrong there."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.errors import ClearanceError
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, PRICE, chat, model
from tests.upstream.bedrock_server import BEGIN, NOVA, Answer, answered, bedrock, delta, ending, exception, said, stop, tool

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("botocore"), reason="needs the extra `aws` (botocore)")

REGION = "eu-central-1"
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
CALLS = [
    BEGIN,
    delta(0, text="I look."),
    stop(0),
    *[tool(1, "tooluse_1", "f"), delta(1, toolUse={"input": '{"a"'}), delta(1, toolUse={"input": ":1}"}), stop(1)],
    *[tool(2, "tooluse_2", "f"), stop(2)],
    *ending("tool_use"),
]
CALLED = answered(
    {"text": "I look."},
    {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}},
    {"toolUse": {"toolUseId": "tooluse_2", "name": "f", "input": {}}},
    reason="tool_use",
)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Credentials, and nothing else of AWS."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    return monkeypatch


def nova(url: str, id: str = "nova", **more: object) -> dict[str, object]:
    vision = {"vision": True}
    return {
        "id": id, "provider": "bedrock", "model": NOVA, "base_url": url, "region": REGION, "price": PRICE, "capabilities": vision, **more
    }  # fmt: skip


def once(*models: str) -> dict[str, object]:
    return {"models": list(models), "retry": ONCE}


async def test_an_answer_comes_back_in_the_words_of_chat(serve: Serve):
    async with bedrock(Answer([answered({"text": "forty-two"})])) as there, serve([nova(there.url)]) as gateway:
        answer = await gateway.chat("nova", "what?", max_tokens=50, temperature=0.5, stop=["x"])
        assert (answer.status, answer.json["model"]) == (200, "nova")
        [choice] = answer.json["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("forty-two", "stop")
        usage = answer.json["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (107, 3, 90)
        [call] = there.asked
        assert call.path == "/model/amazon.nova-lite-v1%3A0/converse"
        assert call.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert call.json == {
            "messages": [{"role": "user", "content": [{"text": "what?"}]}],
            "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["x"]},
        }
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.usage_source, outcome.usage.input_tokens) == ("ok", "reported", 107)
        assert outcome.cost_picousd == 107 * 1_000_000 + 3 * 2_000_000


async def test_a_stream_comes_piece_by_piece_and_its_cost_is_known(serve: Serve):
    async with bedrock(Answer(said("one ", "two ☃"))) as there, serve([nova(there.url)]) as gateway:
        answer = await gateway.chat("nova", "what?", stream=True, stream_options={"include_usage": True})
        assert (answer.status, answer.text, answer.events[-1]) == (200, "one two ☃", b"[DONE]")
        assert json.loads(answer.events[-2])["usage"]["prompt_tokens"] == 107
        [call] = there.asked
        assert call.path.endswith("/converse-stream")
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.finish_reason, outcome.usage_source, outcome.usage.output_tokens) == ("ok", "stop", "reported", 3)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_tools_go_there_and_back(serve: Serve, stream):
    replies = [Answer(CALLS if stream else [CALLED]), Answer(said("done") if stream else [answered({"text": "done"})])]
    async with bedrock(*replies) as there, serve([nova(there.url)]) as gateway:
        first = await gateway.chat("nova", tools=[TOOL], tool_choice="required", stream=stream)
        calls = _calls(first.events) if stream else first.json["choices"][0]["message"]["tool_calls"]
        assert [(call["id"], call["function"]) for call in calls] == [
            ("tooluse_1", {"name": "f", "arguments": '{"a":1}'}),
            ("tooluse_2", {"name": "f", "arguments": "{}" if not stream else ""}),
        ]
        turns = [
            {"role": "user", "content": "hello there"},
            {"role": "assistant", "content": "I look.", "tool_calls": calls},
            *({"role": "tool", "tool_call_id": call["id"], "content": "42"} for call in calls),
        ]
        second = await gateway.ask(body={"model": "nova", "messages": turns, "tools": [TOOL], "stream": stream})
        assert (second.text if stream else second.json["choices"][0]["message"]["content"]) == "done"
        offered, answered_ = there.asked
        assert offered.json["toolConfig"]["toolChoice"] == {"any": {}}
        assert [turn["role"] for turn in answered_.json["messages"]] == ["user", "assistant", "user"]
        assert [block["toolResult"]["toolUseId"] for block in answered_.json["messages"][2]["content"]] == ["tooluse_1", "tooluse_2"]


def _calls(events: list[bytes]) -> list[dict[str, Any]]:
    """The calls that a stream's pieces add up to."""
    calls: dict[int, dict[str, Any]] = {}
    for chunk in (json.loads(event) for event in events if event != b"[DONE]"):
        for choice in chunk["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
                call["id"] = piece.get("id", call.get("id"))
                for name, text in piece["function"].items():
                    call["function"][name] += text
    return list(calls.values())


async def test_pictures_and_schemas_arrive(serve: Serve):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    asked = {"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    async with bedrock(Answer([answered({"text": '{"a": 1}'})])) as there, serve([nova(there.url)]) as gateway:
        answer = await gateway.ask(body={"model": "nova", "messages": [asked], "response_format": wanted})
        assert json.loads(answer.json["choices"][0]["message"]["content"]) == {"a": 1}
        sent = there.asked[0].json
        assert sent["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
        assert json.loads(sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == SCHEMA


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_clients_of_other_apis_are_answered_in_theirs(serve: Serve, stream):
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}
    pieces = [BEGIN, delta(0, reasoningContent={"text": "hm"}), delta(0, reasoningContent={"signature": "sig"}), stop(0)]
    pieces += [delta(1, text="forty-two"), stop(1), *ending()]
    reply = Answer(pieces if stream else [answered(thought, {"text": "forty-two"})])
    async with bedrock(reply) as there, serve([nova(there.url)]) as gateway:
        turn = {"role": "user", "content": "what?"}
        messages = await gateway.ask("/v1/messages", {"model": "nova", "max_tokens": 9, "messages": [turn], "stream": stream})
        responses = await gateway.ask("/v1/responses", {"model": "nova", "input": "what?", "stream": stream})
        assert (messages.status, responses.status, len(there.asked)) == (200, 200, 2)
        if stream:
            told = [json.loads(line[6:]) for line in messages.body.decode().splitlines() if line.startswith("data: ")]
            assert [piece["delta"]["text"] for piece in told if piece.get("delta", {}).get("type") == "text_delta"] == ["forty-two"]
            assert told[-2]["usage"]["cache_read_input_tokens"] == 90
            assert b"response.completed" in responses.body
        else:
            assert [block["type"] for block in messages.json["content"]] == ["thinking", "text"]
            assert messages.json["content"][0]["signature"] == "sig"
            assert messages.json["usage"]["cache_read_input_tokens"] == 90
            assert responses.json["output"][-1]["content"][0]["text"] == "forty-two"


async def test_what_is_left_out_is_told(serve: Serve):
    async with bedrock(Answer([answered({"text": "x"})])) as there, serve([nova(there.url)]) as gateway:
        answer = await gateway.chat("nova", seed=4, user="u", tools=[TOOL], parallel_tool_calls=False)
        told = set(answer.headers["x-pointsman-dropped"].split(", "))
        assert told == {"seed", "user", "tool_choice.disable_parallel_tool_use"}
        messages = await gateway.ask(
            "/v1/messages",
            {"model": "nova", "max_tokens": 9, "top_k": 5, "messages": [{"role": "user", "content": "hi"}]},
        )
        assert messages.headers["x-pointsman-dropped"] == "top_k"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"n": 2}, "cannot say n"),  # the gate `api`
        ({"logprobs": True}, "cannot say logprobs"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]},
            "a picture other than base64 data",
        ),
    ],
    ids=["n", "logprobs", "address"],
)
async def test_what_cannot_be_said_asks_another_model(serve: Serve, fields, says):
    async with bedrock(Answer([answered({"text": "x"})])) as there:
        other = model("other", quality={"general": 0.1}, capabilities={"vision": True})
        pool = [nova(there.url, quality={"general": 0.9}), other]
        async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["other"]}}) as gateway:
            alone = await gateway.ask(body={**chat("nova"), **fields})
            assert alone.status == 400
            assert says in alone.body.decode()
            both = await gateway.ask(body={**chat("auto"), **fields})
            assert (both.status, both.headers["x-pointsman-model"]) == (200, "other")
            assert there.asked == []


ERRORS = [
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", 429, "rate_limit"),
    (429, "ModelNotReadyException", "The model is not ready.", 429, "overloaded"),
    (400, "ServiceQuotaExceededException", "Your request exceeds the service quota.", 400, "quota"),
    (400, "ValidationException", "The value at inferenceConfig.topP is wrong.", 400, "malformed"),
    (400, "ValidationException", "Input is too long for requested model.", 400, "context_length"),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", 502, "refused"),
    (404, "ResourceNotFoundException", "No such model.", 502, "refused"),
    (408, "ModelTimeoutException", "It took too long.", 408, "server_error"),
    (424, "ModelErrorException", "The model failed.", 502, "server_error"),
    (500, "InternalServerException", "Something broke.", 500, "server_error"),
    (503, "ServiceUnavailableException", "Not now.", 503, "overloaded"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("status", "kind", "said_", "seen", "fault"), ERRORS, ids=[f"{row[1]}-{row[4]}" for row in ERRORS])
async def test_errors_are_of_their_class_and_nothing_is_asked_twice(serve: Serve, stream, status, kind, said_, seen, fault):
    reply = Answer([json.dumps({"message": said_}).encode()], status, kind)
    async with bedrock(reply) as there, serve([nova(there.url)], routes={"once": once("nova")}) as gateway:
        answer = await gateway.chat("once", stream=stream)
        assert answer.status == seen
        assert there.url.removeprefix("http://") not in answer.body.decode()
        assert len(there.asked) == 1, "no retries but the plan's"
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.fault) == ("error", fault)


async def test_the_plans_retries_are_the_only_ones(serve: Serve):
    replies = [Answer([b'{"message":"no"}'], 500, "InternalServerException")] * 2 + [Answer(said("yes"))]
    async with bedrock(*replies) as there:
        route = {"models": ["nova"], "retry": {"attempts": 3, "base_s": 0.001}}
        async with serve([nova(there.url)], routes={"thrice": route}) as gateway:
            answer = await gateway.chat("thrice", stream=True)
            assert (answer.text, answer.headers["x-pointsman-attempts"], len(there.asked)) == ("yes", "3", 3)


@pytest.mark.parametrize(
    "pieces",
    [[BEGIN], [BEGIN, exception("throttlingException", "slow down")], [b"\x00\x00\x00\x10garbage garbage"], []],
    ids=["role", "exception", "damage", "nothing"],
)
async def test_before_the_first_word_another_model_answers(serve: Serve, pieces):
    async with bedrock(Answer(pieces)) as there:
        pool = [nova(there.url, quality={"general": 0.9}), model("other", quality={"general": 0.1})]
        async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["other"], "retry": ONCE}}) as gateway:
            answer = await gateway.chat("auto", "one two", stream=True)
            assert (answer.status, answer.text, answer.headers["x-pointsman-model"]) == (200, "one two", "other")


@pytest.mark.parametrize(
    ("pieces", "then"),
    [
        ([exception("modelStreamErrorException", "it broke")], "end"),
        ([b"\x00\x00\x00\x10garbage garbage"], "end"),
        ([], "end"),  # a proper end of the connection's answer, and none of the model's
        ([], "cut"),
        ([stop(0), *ending("malformed_tool_use")], "end"),
    ],
    ids=["exception", "damage", "end", "cut", "malformed"],
)
async def test_after_the_first_word_a_failure_ends_as_an_error(serve: Serve, pieces, then):
    async with bedrock(Answer([BEGIN, delta(0, text="one")], then=then, rest=pieces)) as there:
        pool = [nova(there.url, quality={"general": 0.9}), model("other", quality={"general": 0.1})]
        async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["other"]}}) as gateway:
            connection = await gateway.connect()
            await connection.request("/v1/chat/completions", chat("auto", stream=True), key=OPERATOR)
            assert (await connection.head())[0] == 200
            got = await connection.piece()
            there.go_on.set()
            while piece := await connection.piece():
                got += piece
            *told, last = [event.removeprefix(b"data: ") for event in got.split(b"\n\n") if event and event != b"data: [DONE]"]
            assert json.loads(last)["error"]["message"]
            await gateway.quiet()
            assert not any(choice["finish_reason"] for event in told for choice in json.loads(event)["choices"])
            assert gateway.ledger == []
            [outcome] = await gateway.outcomes()
            assert (outcome.status, outcome.usage_source) == ("error", "estimated")
            assert outcome.usage.input_tokens > 0


HANGS = [
    ("whole", False, Answer(headless=True, then="hang")),
    ("whole, begun", False, Answer([b'{"output"'], then="hang")),
    ("stream, before its head", True, Answer(headless=True, then="hang")),
    ("stream, before the first word", True, Answer([BEGIN], then="hang")),
    ("stream, in the middle", True, Answer([BEGIN, delta(0, text="one")], then="hang")),
    ("stream, within a frame", True, Answer([BEGIN, delta(0, text="one")[:20]], then="hang")),
]


@pytest.mark.parametrize(("stream", "reply"), [row[1:] for row in HANGS], ids=[row[0] for row in HANGS])
async def test_a_client_that_leaves_ends_the_call(serve: Serve, stream, reply):
    async with bedrock(reply) as there, serve([nova(there.url)]) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("nova", stream=stream), key=OPERATOR)
        await there.arrived.wait()
        await there.asked[0].sent.wait()
        connection.close()
        await there.asked[0].left.wait()
        await gateway.quiet()
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error, outcome.usage_source) == ("aborted", "client_disconnected", "estimated")
        assert outcome.usage.input_tokens > 0
        assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("clock", "stream", "reply"),
    [
        ({"first_token_timeout_s": 0.1}, True, Answer([BEGIN], then="hang")),
        ({"idle_timeout_s": 0.1}, True, Answer([BEGIN, delta(0, text="one")], then="hang")),
        ({"timeout_s": 0.1}, False, Answer(headless=True, then="hang")),
    ],
    ids=["first token", "idle", "total"],
)
async def test_the_clocks_are_ours_and_end_the_call(serve: Serve, clock, stream, reply):
    async with bedrock(reply) as there, serve([nova(there.url, **clock)], routes={"once": once("nova")}) as gateway:
        answer = await gateway.chat("once", stream=stream)
        assert b"upstream_timeout" in answer.body
        await there.asked[0].left.wait()
        assert len(there.asked) == 1


async def test_a_gate_that_forbids_it_lets_nothing_out(serve: Serve):
    policy = {"name": "stays", "when": "'pii' in labels", "require": {"region": ["eu-west-1"]}}
    async with bedrock(Answer([answered({"text": "x"})])) as there, serve([nova(there.url)], policies=[policy]) as gateway:
        refused = await gateway.ask(body=chat("nova"), x_pointsman_labels="pii")
        assert refused.status >= 400
        assert "region is `eu-central-1`" in refused.body.decode()
        assert (await gateway.chat("nova")).status == 200
        assert len(there.asked) == 1
        egress: Any = gateway.service.gateway.live.egress
        with pytest.raises(ClearanceError):
            await egress.call(None, _Request(), None)
        assert len(there.asked) == 1


class _Request:
    id = "made up"


async def test_a_secret_of_the_address_is_not_told(serve: Serve):
    async with bedrock(Answer([answered({"text": "x"})])) as there:
        url = there.url
    async with serve([nova(url)], routes={"once": once("nova")}) as gateway:
        answer = await gateway.chat("once")
        assert answer.status == 502
        assert url.removeprefix("http://") not in answer.body.decode()


async def test_without_credentials_nothing_goes_out(serve: Serve, aws):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name)
    aws.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    async with bedrock(Answer([answered({"text": "x"})])) as there, serve([nova(there.url)], routes={"once": once("nova")}) as gateway:
        answer = await gateway.chat("once")
        assert (answer.status, there.asked) == (503, [])
        assert answer.error["message"] == "`nova` is unavailable", "what is missing is for the log"
    async with bedrock(Answer([answered({"text": "x"})])) as there, serve([nova(there.url, api_key="a-key")]) as gateway:
        assert (await gateway.chat("nova")).status == 200
        assert there.asked[0].headers["authorization"] == "Bearer a-key"


async def test_a_gateway_without_such_a_model_does_not_load_the_library(serve: Serve):
    script = (
        "import sys, pointsman.build.service, pointsman.upstream.bedrock, pointsman.upstream.vertex; "
        "print([name for name in sys.modules if name.split('.')[0] in {'botocore', 'boto3', 'urllib3', 'google'}])"
    )
    made = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    out, _ = await made.communicate()
    assert (made.returncode, out.strip()) == (0, b"[]")
