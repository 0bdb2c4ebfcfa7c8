"""A chat request from its bytes to its recorded answer, over real HTTP on both sides."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from pointsman.server.app import Limits
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, PRICE, chat, model

FOUR_KEYS = {"message", "type", "param", "code"}

INSIDE = model("inside", perimeter="on_prem", quality={"general": 0.5})
OUTSIDE = model("outside", perimeter="external", quality={"general": 0.9})
RESTRICTED = {"name": "restricted data stays inside", "when": "'restricted' in labels", "require": {"perimeter": ["on_prem"]}}
GOVERNED = {
    "models": [INSIDE, OUTSIDE],
    "routes": {"auto": {"dial": 1, "fallback": ["outside", "inside"]}, "marked": {"models": ["outside"], "labels": ["restricted"]}},
    "policies": [RESTRICTED],
    "keywords": {"marking": ["internal only"]},
    "rules": [{"name": "marked texts", "when": "'marking' in signals.keywords", "labels": ["restricted"]}],
}


async def test_an_answer_is_passed_on_as_it_came_with_headers_that_say_what_was_decided(serve: Serve):
    async with serve([INSIDE]) as gateway:
        answer = await gateway.chat("inside", "hello you there")
        assert answer.status == 200
        assert answer.json["choices"][0]["message"]["content"] == "hello you there"
        [outcome] = await gateway.outcomes()
        told = answer.headers
        assert told["x-request-id"] == told["x-pointsman-decision-id"] == outcome.decision
        assert (told["x-pointsman-model"], told["x-pointsman-attempts"]) == ("inside", "1")
        assert float(told["x-pointsman-cost-usd"]) == (3 * 1 + 3 * 2) / 1e6 == outcome.cost_picousd / 1e12
        assert float(told["x-pointsman-expected-cost-usd"]) > 0
        assert float(told["x-pointsman-overhead-ms"]) >= 0
        assert str(gateway.upstream.base_url) not in str(told)
        assert (outcome.status, outcome.http_status, outcome.finish_reason, outcome.usage_source) == ("ok", 200, "stop", "reported")


async def test_restricted_data_reaches_models_inside_only_by_whatever_name_they_are_asked_for(serve: Serve):
    async with serve(**GOVERNED) as gateway:
        assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "outside"
        labelled = {"x-pointsman-labels": "restricted"}
        for ask in (
            gateway.ask(body=chat("auto"), **labelled),
            gateway.ask(body=chat("auto", metadata={"pointsman_labels": "restricted"})),
            gateway.ask(body=chat("auto", "this is INTERNAL\u200b  Only")),
            gateway.ask(body=chat("auto"), x_pointsman_labels="never-heard-of"),
        ):
            assert (await ask).headers["x-pointsman-model"] == "inside"
        assert [exchange.model for exchange in gateway.ledger] == ["ok@outside"] + ["ok@inside"] * 4
        gateway.ledger.clear()
        for ask in (
            gateway.ask(body=chat("outside"), **labelled),
            gateway.chat("marked"),
            gateway.ask(body=chat("marked", stream=True)),
            gateway.chat("outside", "internal only"),
        ):
            refused = await ask
            assert (refused.status, refused.error["code"], refused.error["type"]) == (403, "policy_denied", "permission_error")
            assert (
                "`outside`: perimeter is `external`, policy `restricted data stays inside` requires `on_prem`" in refused.error["message"]
            )
            assert refused.headers["x-pointsman-decision-id"].startswith("dec_")
        assert not gateway.ledger
        assert (await gateway.kinds()).count("decision") == 9


HIDING_PLACES = [
    {"role": "user", "content": [{"type": "text", "text": "internal"}, {"type": "text", "text": "only"}]},
    {"role": "user", "content": [{"type": "input_text", "text": "internal only"}]},
    {"role": "user", "content": [{"type": "made_up", "deep": [{"er": "internal only"}]}]},
    {"role": "user", "content": "hello", "name": "internal only"},
    {"role": "assistant", "content": "hello", "reasoning_content": "internal only"},
    {"role": "assistant", "content": "hello", "refusal": "internal only"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": "internal only"}'}}],
    },
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "internal only"}}]},
    {"role": "assistant", "function_call": {"name": "f", "arguments": "internal only"}},
    {"role": "user", "content": "x", "unheard_of": {"of": "internal only"}},
]
FIELDS = [
    {"tools": [{"type": "function", "function": {"name": "f", "description": "internal only"}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"internal only": {}}}}}]},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "description": "internal\nonly"}}},
    {"prediction": {"type": "content", "content": "internal only"}},
    {"prompt": "internal only"},
    {"user": "internal only"},
    {"metadata": {"note": "internal only"}},
]


async def test_text_cannot_hide_from_word_lists_in_an_unusual_field(serve: Serve):
    async with serve(**GOVERNED) as gateway:
        for body in [{"model": "outside", "messages": [message]} for message in HIDING_PLACES] + [
            chat("outside", **fields) for fields in FIELDS
        ]:
            assert (await gateway.ask(body=body)).status == 403, body
        assert gateway.ledger == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_pointsman_labels": "public"},
        {"X-POINTSMAN-LABELS": "public"},
        {"x_pointsman_labels": "public,internal"},
        {"x_labels": "public"},
    ],
)
async def test_labels_can_be_raised_but_never_lowered(serve: Serve, headers):
    async with serve(**GOVERNED) as gateway:
        key = await gateway.key(labels=("restricted",))
        for body in (chat("outside"), chat("outside", metadata={"pointsman_labels": "public"})):
            assert (await gateway.ask(body=body, key=key, **headers)).error["code"] == "policy_denied"
        assert (await gateway.ask(body=chat("marked"), **headers)).error["code"] == "policy_denied"
        assert not gateway.ledger


async def test_of_a_header_sent_twice_both_count(serve: Serve):
    async with serve(**GOVERNED) as gateway:
        for order in (("restricted", "public"), ("public", "restricted")):
            connection = await gateway.connect()
            raw = json.dumps(chat("outside")).encode()
            twice = "".join(f"x-pointsman-labels: {label}\r\n" for label in order)
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\n{twice}content-length: {len(raw)}\r\n\r\n"
            await connection.send(head.encode() + raw)
            assert (await connection.answered()).error["code"] == "policy_denied"
        assert not gateway.ledger


CHOICES = [
    {"api_base": "{url}"},
    {"base_url": "{url}", "api_key": "x"},
    {"apiBase": "{url}"},
    {"BASE-URL": "{url}"},
    {"models": ["outside"]},
    {"fallbacks": ["outside"]},
    {"route": "fallback"},
    {"provider": {"order": ["x"]}},
    {"extra_body": {"model": "outside"}},
    {"extra_headers": {"x": "y"}},
    {"headers": {"authorization": "x"}},
    {"organization": "x"},
    {"custom_llm_provider": "openai"},
    {"litellm_params": {"api_base": "{url}"}},
    {"user_config": {"model_list": [{"litellm_params": {"api_base": "{url}"}}]}},
    {"metadata": {"api_base": "{url}"}},
    {"options": {"base_url": "{url}"}},
    {"tools": [{"type": "mcp", "server_url": "{url}"}]},
    {"Model": "outside"},
    {"MODEL": "outside"},
    {"mode\u017f": 1, "\u017feed": 1},
]


async def test_clients_never_choose_destinations(serve: Serve):
    async with serve(**GOVERNED) as gateway, serve_elsewhere() as elsewhere:
        for fields in CHOICES:
            text = json.dumps(chat("inside", **fields)).replace("{url}", elsewhere.url)
            refused = await gateway.ask(body=text.encode())
            assert (refused.status, refused.error["type"], set(refused.error)) == (400, "invalid_request_error", FOUR_KEYS), fields
        asked = await gateway.ask(f"/v1/chat/completions?api_base={elsewhere.url}&model=outside", chat("inside"), x_api_base=elsewhere.url)
        assert asked.headers["x-pointsman-model"] == "inside"
        assert [exchange.url_path for exchange in gateway.ledger] == ["/v1/chat/completions"]
        assert elsewhere.connections == 0


class serve_elsewhere:  # noqa: N801
    """A server that nobody should call."""

    connections = 0

    async def __aenter__(self) -> serve_elsewhere:
        self._server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def _count(self, _: object, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


async def test_no_header_of_a_client_reaches_an_upstream(serve: Serve):
    async with serve([INSIDE]) as gateway:
        sent = {
            "cookie": "session=1",
            "openai_organization": "org-1",
            "openai_project": "proj",
            "openai_beta": "x=1",
            "x_anything": "at all",
            "x_forwarded_for": "10.0.0.1",
            "x_forwarded_host": "evil",
            "forwarded": "host=evil",
            "traceparent": "00-1-1-01",
            "user_agent": "a client",
            "accept_encoding": "gzip",
            "referer": "http://x",
            "x_request_id": "mine",
            "proxy_authorization": "Basic x",
            "te": "trailers",
        }
        for fields in ({}, {"stream": True}):
            assert (await gateway.ask(body=chat("inside", **fields), **sent)).status == 200
        for exchange in gateway.ledger:
            assert dict(exchange.headers) == {
                "host": gateway.upstream.base_url.split("/")[2],
                "user-agent": "pointsman/0.1.0",
                "accept-encoding": "identity",
                "content-length": str(len(exchange.body)),
                "content-type": "application/json",
                "accept": "application/json, text/event-stream",
                "authorization": "Bearer sk-inside",
            }


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"inside","model":"outside","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"inside","mod\\u0065l":"outside","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"inside","model":"outside","messages":[{"role":"user","content":"\\u003a"}]}',
        b'{"model":"inside","messages":[{"role":"user","content":"x","content":"y"}]}',
        b'{"model":"inside","messages":[{"role":"user","content":"x"}],"stream":false,"stream":true}',
    ],
)
async def test_what_was_judged_is_what_is_sent(serve: Serve, raw):
    async with serve(**GOVERNED) as gateway:
        refused = await gateway.ask(body=raw)
        assert (refused.status, "twice" in refused.error["message"]) == (400, True)
        assert not gateway.ledger


async def test_an_upstream_gets_the_clients_body_and_its_own_name_for_the_model(serve: Serve):
    async with serve([INSIDE]) as gateway:
        body = chat(
            "inside", "gr\u00fc\u00df \U0001f600", temperature=0.5, seed=2**53 + 1, metadata={"team": "a"}, unheard_of={"a": [1.5, None]}
        )
        await gateway.ask(body=body)
        assert gateway.ledger[0].json == {**body, "model": "ok@inside"}


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_failing_first_choice_gives_way_and_all_calls_are_recorded(serve: Serve, attempts):
    pool = [model("first", "error-503", quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    route = {"dial": 1, "fallback": ["second"], "retry": {"attempts": attempts, "base_s": 0.001}}
    async with serve(pool, routes={"auto": route}) as gateway:
        for fields in ({}, {"stream": True}):
            answer = await gateway.chat("auto", **fields)
            assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "second")
            assert answer.headers["x-pointsman-attempts"] == str(attempts + 1)
        assert [(o.attempt, o.model, o.status, o.http_status, o.error, o.fault, o.usage_source) for o in await gateway.outcomes()] == [
            *((number, "first", "error", 503, "scripted_503", "overloaded", "none") for number in range(1, attempts + 1)),
            (attempts + 1, "second", "ok", 200, None, None, "reported"),
        ] * 2


FAILURES = ["error-500", "error-429", "error-html-502", "error-401", "error-302", "empty", "wrong-shape", "cut-after-0", "cut-after-1", "fin-after-1",
            "error-event-after-0", "error-event-after-1", "malformed-after-0", "malformed-after-1", "giant-line"]  # fmt: skip


@pytest.mark.parametrize("script", FAILURES)
async def test_a_stream_that_fails_before_its_first_word_leaves_no_trace_in_the_next_models_answer(serve: Serve, script):
    pool = [model("first", script, quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["second"], "retry": ONCE}}) as gateway:
        answer = await gateway.chat("auto", "one two", stream=True)
        assert (answer.status, answer.headers["x-pointsman-attempts"], answer.text) == (200, "2", "one two")
        assert answer.events[-1] == b"[DONE]"
        assert {json.loads(event)["model"] for event in answer.events[:-1]} == {"ok@second"}
        assert [(outcome.model, outcome.status) for outcome in await gateway.outcomes()] == [("first", "error"), ("second", "ok")]


@pytest.mark.parametrize("fields", [{}, {"stream": True}], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("scripts", "status", "code", "calls"),
    [
        (["error-503", "error-500"], 503, "scripted_503", 2),
        (["error-429", "cut-after-0"], 429, "scripted_429", 2),
        (["error-400", "ok"], 400, "scripted_400", 1),  # another model would say the same
        (["error-413", "ok"], 413, "scripted_413", 1),
        (["error-401", "error-400"], 502, "upstream_refused", 2),
        (["wrong-shape", "empty"], 502, None, 2),
    ],
)
async def test_when_all_fail_the_error_is_that_of_the_first_choice(serve: Serve, scripts, status, code, calls, fields):
    pool = [model(f"m{at}", script, quality={"general": 0.9 - at / 10}) for at, script in enumerate(scripts)]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["m1"], "retry": ONCE}}) as gateway:
        failed = await gateway.chat("auto", **fields)
        assert failed.status == status
        assert set(failed.error) == FOUR_KEYS | {"attempts"}
        assert failed.error["code"] == (code or ("upstream_error" if not fields else "upstream_stream_broken"))
        assert failed.headers.get("retry-after") == ("7" if status == 429 else None)
        assert failed.headers["x-pointsman-decision-id"].startswith("dec_")
        assert (failed.headers["x-pointsman-attempts"], failed.headers["x-should-retry"]) == (str(calls), "false")
        assert len(gateway.ledger) == len(await gateway.outcomes()) == calls
        assert all(outcome.status == "error" for outcome in await gateway.outcomes())


@pytest.mark.parametrize("script", ["cut-after-2", "fin-after-2", "error-event-after-2", "malformed-after-2"])
async def test_after_the_first_byte_no_other_model_is_asked(serve: Serve, script):
    pool = [model("first", script, quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["second"]}}) as gateway:
        gateway.upstream.hold_faults = True
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("auto", "one two three", stream=True), key=OPERATOR)
        status, headers = await connection.head()
        assert (status, headers["x-pointsman-attempts"]) == (200, "1")
        assert b'"one"' in await connection.piece() + await connection.piece()
        gateway.upstream.release.set()
        last = await connection.piece()
        assert set(json.loads(last.removeprefix(b"data: "))["error"]) == FOUR_KEYS
        assert await connection.piece() == b""
        assert [exchange.model for exchange in gateway.ledger] == [f"{script}@first"]


async def test_an_upstream_that_cannot_be_reached_is_told_without_its_address(serve: Serve):
    async with serve([{**INSIDE, "base_url": "http://127.0.0.1:1/v1"}], routes={"once": {"retry": ONCE}}) as gateway:
        failed = await gateway.chat("once")
        assert (failed.status, failed.error["code"]) == (502, "upstream_error")
        assert "127.0.0.1" not in failed.body.decode()
        [outcome] = await gateway.outcomes()
        assert (outcome.fault, outcome.http_status, outcome.usage, outcome.cost_picousd) == ("unreachable", None, None, None)


@pytest.mark.parametrize("script", ["hang", "slow-first-token", "stall-after-1"])
@pytest.mark.parametrize("fields", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_a_model_that_takes_too_long_is_given_up(serve: Serve, script, fields):
    async with serve([{**model("slow", script), "timeout_s": 0.1}]) as gateway:
        failed = await gateway.chat("slow", **fields)
        assert (failed.status, failed.error["code"]) == (504, "upstream_timeout")
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error, outcome.fault, outcome.usage_source) == ("error", "upstream_timeout", "timeout", "estimated")


async def test_a_stream_that_takes_too_long_ends_in_an_error(serve: Serve):
    async with serve([{**model("slow", "stall-after-3"), "timeout_s": 0.1}]) as gateway:
        answer = await gateway.chat("slow", "one two three", stream=True)
        assert answer.text == "one two"
        assert json.loads(answer.events[-1])["error"]["code"] == "upstream_timeout"
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        [outcome] = await gateway.outcomes()
        assert (outcome.error, outcome.usage_source, outcome.usage.output_tokens) == ("upstream_timeout", "estimated", 2)


async def test_an_answer_without_usage_is_counted(serve: Serve):
    async with serve([model("inside", "no-usage")]) as gateway:
        for fields in ({}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}):
            assert (await gateway.chat("inside", "one two three four five six seven eight nine ten", **fields)).status == 200
        for outcome in await gateway.outcomes():
            assert (outcome.status, outcome.usage_source) == ("ok", "estimated")
            assert 10 <= outcome.usage.output_tokens <= 14
            assert outcome.cost_picousd > 0


async def test_a_very_large_answer_arrives_whole(serve: Serve):
    async with serve([model("inside", context_tokens=10_000_000)]) as gateway:
        text = "word " * 400_000
        assert (await gateway.chat("inside", text)).json["choices"][0]["message"]["content"] == text


async def test_many_requests_at_once_never_mix_up_their_answers(serve: Serve):
    async with serve(limits=Limits(max_concurrent=500)) as gateway:
        connections = [await gateway.connect() for _ in range(8)]

        async def conversation(at: int) -> None:
            """Twenty questions on one connection, streams and whole answers in turn, of all lengths."""
            for turn in range(20):
                nonce = f"nonce-{at}-{turn} " * (1 + (at * 7 + turn) % 50)
                await connections[at].request("/v1/chat/completions", chat("inside", nonce, stream=bool(turn % 2)), key=OPERATOR)
                answer = await connections[at].answered()
                assert (answer.text if turn % 2 else answer.json["choices"][0]["message"]["content"]) == nonce

        async def alone(n: int) -> None:
            answer = await gateway.chat("inside", f"alone-{n} " * (n % 9 + 1), stream=True)
            assert answer.text == f"alone-{n} " * (n % 9 + 1)

        await asyncio.gather(*map(conversation, range(8)), *map(alone, range(120)))
        outcomes = await gateway.outcomes()
        assert len(outcomes) == len({outcome.decision for outcome in outcomes}) == 280
        assert {outcome.status for outcome in outcomes} == {"ok"}
        assert len({exchange.connection for exchange in gateway.ledger}) < 140  # connections to the upstream were used again


@pytest.mark.parametrize("kept", [False, True])
async def test_prompts_can_be_read_in_no_file_and_are_kept_sealed_only_where_the_configuration_says_so(serve: Serve, kept):
    secret, told = "plover-xyzzy-8317", "answer-side"
    pool = [model("inside"), model("denied", "error-400"), model("broken", "error-event-after-2")]
    async with serve(pool, store={"content": kept}, keywords={"list": [secret]}) as gateway:
        body = {"messages": [{"role": "user", "content": f"{told} {secret}"}], "user": "u", "response_format": {"type": "text"}}
        for name in ("inside", "denied", "broken"):
            for stream in (False, True):
                await gateway.ask(body={**body, "model": name, "stream": stream})
        await gateway.ask("/v1/explain", {**body, "model": "inside"})
        await gateway.ask(body={**body, "model": secret})
        await gateway.ask(body={**body, "model": "inside", "temperature": secret})
        await gateway.quiet()
        await gateway.service.log.flush()
        raw = b"".join(path.read_bytes() for path in gateway.folder.iterdir())
        assert b"dec_" in raw
        assert secret.encode() not in raw
        assert told.encode() not in raw
        assert (b'"sealed":' in raw) is kept


async def test_texts_that_an_upstream_calls_codes_are_not_kept(serve: Serve):
    async with serve() as gateway:
        gateway.upstream._play = _echo_as_code(gateway.upstream._play)
        failed = await gateway.chat("inside", "the client's own words")
        assert failed.error["code"] == "the client's own words"
        [outcome] = await gateway.outcomes()
        assert outcome.error == "upstream_error"


def _echo_as_code(play):
    async def misbehave(exchange, say):
        error = {"error": {"message": "no", "code": exchange.json["messages"][0]["content"]}}
        body = json.dumps(error).encode()
        await say(b"HTTP/1.1 400 Bad\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        return True

    return misbehave


async def test_names_of_models_cannot_break_out_of_a_header(serve: Serve):
    names = ["caf\u00e9 \u2603", "line\r\nx-evil: 1", "tab\there", "del\x7f", 'plain: fine, too; "yes"']
    async with serve([{**model("m"), "id": name, "model": "ok"} for name in names]) as gateway:
        for name in names:
            for stream in (False, True):
                answer = await gateway.chat(name, stream=stream)
                assert answer.status == 200
                assert "x-evil" not in answer.headers
                assert re.fullmatch(r"[\x20-\x7e]+", answer.headers["x-pointsman-model"])
        assert answer.headers["x-pointsman-model"] == names[-1]


async def test_a_decision_can_be_looked_up_with_everything_it_rests_on(serve: Serve):
    free = {**model("free", "error-503"), "price": {}, "quality": {"general": 0.95}}
    routes = {"auto": {"dial": 1, "fallback": ["outside"], "retry": ONCE}}
    async with serve([INSIDE, OUTSIDE, free], routes=routes, policies=[RESTRICTED]) as gateway:
        answer = await gateway.ask(body=chat("auto"), x_pointsman_labels="confidential")
        shown = (await gateway.ask(f"/v1/decisions/{answer.headers['x-pointsman-decision-id']}")).json
        assert (shown["route"], shown["model"], shown["labels"]) == ("auto", "free", ["confidential", "internal", "public"])
        assert [candidate["model"] for candidate in shown["candidates"]] == ["free", "outside", "inside"]
        free, outside, _ = shown["candidates"]
        assert free["price"] is None
        assert (outside["price"]["source"], outside["price"]["as_of"]) == (PRICE["source"], PRICE["as_of"])
        assert [(call["model"], call["status"], call["http_status"]) for call in shown["calls"]] == [
            ("free", "error", 503),
            ("outside", "ok", 200),
        ]
        assert float(shown["calls"][1]["cost_usd"]) > 0
        denied = await gateway.ask(body=chat("outside"), x_pointsman_labels="restricted")
        shown = (await gateway.ask(f"/v1/decisions/{denied.headers['x-pointsman-decision-id']}")).json
        assert shown["model"] is None
        assert [verdict["gate"] for verdict in shown["candidates"][0]["verdicts"]] == ["perimeter"]
        assert shown["calls"] == []


async def test_a_dry_run_decides_as_a_live_request_does_and_leaves_nothing(serve: Serve):
    async with serve(**GOVERNED) as gateway:
        bodies = [
            chat("auto"),
            chat("auto", "internal only"),
            chat("auto", tools=[{"type": "function", "function": {"name": "f"}}]),
            chat("outside"),
        ]
        dry = [(await gateway.ask("/v1/explain", body)).json for body in bodies]
        assert (await gateway.kinds(), gateway.ledger) == (["snapshot"], [])
        for body, explained in zip(bodies, dry, strict=True):
            live = await gateway.ask(body=body)
            shown = (await gateway.ask(f"/v1/decisions/{live.headers['x-pointsman-decision-id']}")).json
            for name in ("model", "plan", "candidates", "labels", "rules", "policies", "signals", "snapshot", "reason", "weights"):
                assert explained[name] == shown[name], name
            assert explained["request"] | {"id": ""} == shown["request"] | {"id": ""}
        refused = await gateway.ask("/v1/explain", {"model": "auto", "messages": [], "api_base": "x"})
        assert refused.status == 400


async def test_a_conversation_that_is_gone_on_from_stays_where_its_labels_keep_it(serve: Serve):
    models = [
        model("ward", perimeter="on_prem", apis=["chat"], quality={"general": 0.1}),
        model("frontier", apis=["responses"], quality={"general": 0.9}),
    ]
    policy = {"name": "inside", "when": '"phi" in labels', "require": {"perimeter": ["on_prem"]}}
    async with serve(models, policies=[policy], routes={"auto": {"dial": 1}}) as gateway:
        first = await gateway.ask("/v1/responses", {"model": "auto", "input": "the patient has X"}, x_pointsman_labels="phi")
        assert first.headers["x-pointsman-model"] == "ward"
        previous = json.loads(first.body)["id"]
        for _ in range(2):
            following = await gateway.ask("/v1/responses", {"model": "auto", "input": "and now?", "previous_response_id": previous})
            assert following.headers["x-pointsman-model"] == "ward"
            said = json.loads(following.body)
            assert said["previous_response_id"] == previous
            previous = said["id"]
        fresh = await gateway.ask("/v1/responses", {"model": "auto", "input": "and now?"})
        assert fresh.headers["x-pointsman-model"] == "frontier"


async def test_the_log_says_how_a_provider_turned_us_away_and_never_in_its_words(serve: Serve, caplog):
    async with serve([model("typo", "error-404")]) as gateway:
        assert (await gateway.chat("typo")).status == 502
    assert "a call of `typo` failed: upstream_refused with status 404" in caplog.text
    assert "scripted error" not in caplog.text
