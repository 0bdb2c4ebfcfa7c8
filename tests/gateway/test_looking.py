"""Plans that look at answers, over real HTTP: cascades, votes, judges; what the client gets, and what the record says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.server.raw import Answered
from tests.server.served import ONCE, OPERATOR, Served, chat, model

PRICES = {"small": 1, "middle": 5, "large": 20}
QUALITY = {"small": 0.5, "middle": 0.7, "large": 0.9}
LENIENT = {"accept": {"confidence": 0.4}}
STRICT = {"accept": {"confidence": 0.65}}
DOUBTED = "2 + 2 = 5 and 1 + 1 = 2"  # half of its sums are true
RIGHT, WRONG = "says@verdict: right", "says@verdict: wrong"


def pool(**scripts: str) -> list[dict[str, object]]:
    """Models whose price rises, and their expected quality with it."""
    return [
        model(name, script, price={"input": PRICES[name], "output": PRICES[name]}, quality={"general": QUALITY[name]})
        for name, script in scripts.items()
    ]


def auto(plan: str, **more: object) -> dict[str, object]:
    return {"auto": {"plan": plan, "retry": ONCE, **more}}


def called(served: Served) -> list[str]:
    return [call.model.rsplit("@", 1)[1] for call in served.ledger]


async def course(served: Served, answered: Answered) -> dict[str, Any]:
    kept = (await served.ask(f"/v1/decisions/{answered.headers['x-pointsman-decision-id']}")).json
    (only,) = kept["courses"]
    return dict(only)


def fates(kept: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["model"], step["fate"]) for step in kept["steps"]]


def text(answered: Answered) -> str:
    assert answered.status == 200, answered.body
    return str(answered.json["choices"][0]["message"]["content"])


async def test_the_first_answer_that_does_is_given(serve: Serve):
    async with serve(pool(small="says@42", large="says@43"), routes=auto("cascade", cascade=LENIENT)) as served:
        answered = await served.chat("auto")
        assert text(answered) == "42"
        assert called(served) == ["small"]
        assert fates(await course(served, answered)) == [("small", "accepted")]


@pytest.mark.parametrize(
    ("script", "accept"),
    [
        ("refusal", {"confidence": 0.0, "checks": ["refusal"]}),
        ("empty-content", {"confidence": 0.0, "checks": ["empty"]}),
        ("says@I do not know", {"confidence": 0.0, "checks": ["polite"]}),
        (f"says@{DOUBTED}", {"confidence": 0.65}),
        ("error-500", {"confidence": 0.0}),
    ],
)
@pytest.mark.parametrize("plan", ["escalate", "cascade"])
async def test_what_does_not_do_goes_on_to_the_next(serve: Serve, script: str, accept: dict[str, object], plan: str):
    routes = auto(plan, cascade={"accept": accept})
    own = {"polite": {"pattern": "please"}}
    async with serve(pool(small=script, large="says@43 please"), routes=routes, checks=own) as served:
        answered = await served.chat("auto")
        assert text(answered) == "43 please"
        assert called(served) == ["small", "large"]
        assert answered.headers["x-pointsman-model"] == "large"


TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("checks", [["tool_calls"], []], ids=["the route's check", "the cascade's"])
@pytest.mark.parametrize("plan", ["escalate", "cascade"])
async def test_a_tool_call_that_is_none_goes_on_to_the_next(serve: Serve, plan: str, checks: list[str], stream: bool):
    """A failed call where the route checks it, an answer that does not do where the cascade alone does; never the client's."""
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.0, "checks": ["tool_calls"]}}
    routes = auto(plan, cascade=cascade, checks=checks, fallback=["human"])
    async with serve(pool(small="bad-arguments", large="tools"), routes=routes) as served:
        answered = await served.chat("auto", tools=TOOLS, stream=stream)
        assert (answered.status, answered.headers["x-pointsman-model"]) == (200, "large")
        assert called(served) == ["small", "large"]
        if stream:
            deltas = [choice["delta"] for event in answered.events if event != b"[DONE]" for choice in json.loads(event)["choices"]]
            told = [call for delta in deltas for call in delta.get("tool_calls") or ()]
        else:
            told = answered.json["choices"][0]["message"]["tool_calls"]
        assert told[0]["function"]["name"] == "weather"
        assert isinstance(json.loads("".join(call["function"].get("arguments", "") for call in told)), dict)
        kept = await course(served, answered)
        assert fates(kept) == [*([] if checks else [("small", "escalated")]), ("large", "accepted")]
        assert [(outcome.model, outcome.error, outcome.check) for outcome in await served.outcomes()] == [
            ("small", "invalid_output" if checks else None, "tool_calls" if checks else None),
            ("large", None, None),
        ]


async def test_every_call_is_on_the_bill(serve: Serve):
    async with serve(pool(small=f"says@{DOUBTED}", large="says@43"), routes=auto("cascade", cascade=STRICT)) as served:
        answered = await served.chat("auto", "one two three")
        # Three words in, eleven and one out, at 1 and at 20 USD a million.
        assert answered.headers["x-pointsman-cost-usd"] == "0.000094"
        assert (answered.headers["x-pointsman-attempts"], answered.headers["x-pointsman-calls"]) == ("2", "2")
        outcomes = await served.outcomes()
        assert [(outcome.model, outcome.status) for outcome in outcomes] == [("small", "ok"), ("large", "ok")]
        assert (await course(served, answered))["delivered"] == 2


@pytest.mark.parametrize(("verdict", "asked", "said"), [(RIGHT, ["small"], DOUBTED), (WRONG, ["small", "large"], "43")])
async def test_a_verifier_is_asked_in_both_orders_where_it_is_hard_to_say(serve: Serve, verdict: str, asked: list[str], said: str):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    models = pool(small=f"says@{DOUBTED}", middle=verdict, large="says@43")
    async with serve(models, routes=auto("cascade", models=["small", "large"], cascade=cascade)) as served:
        answered = await served.chat("auto", "How much is it?")
        assert text(answered) == said
        assert [name for name in called(served) if name != "middle"] == asked
        first, second = (call for call in served.ledger if call.model.endswith("@middle"))
        assert first.json != second.json
        assert all(
            "How much is it?" in call.json["messages"][0]["content"] and DOUBTED in call.json["messages"][0]["content"]
            for call in (first, second)
        )
        grades = {grade["check"]: grade["value"] for grade in (await course(served, answered))["steps"][0]["grades"]}
        assert grades["verifier"] == (1.0 if verdict == RIGHT else 0.0)


@pytest.mark.parametrize(
    ("ensemble", "scripts", "said"),
    [
        ({}, ("says@The answer is 42.", "says@42", "says@43"), "42"),  # in the words of the better model
        ({"vote": "weighted"}, ("says@41", "says@41.0", "says@43"), "41.0"),
        ({"vote": "judge", "judge": "middle", "members": ["small", "large"]}, ("says@41", "says@better: tie", "says@43"), "43"),
    ],
)
async def test_answers_vote(serve: Serve, ensemble: dict[str, object], scripts: tuple[str, str, str], said: str):
    models = pool(**dict(zip(PRICES, scripts, strict=True)))
    async with serve(models, routes=auto("ensemble", ensemble=ensemble)) as served:
        answered = await served.chat("auto")
        kept = await course(served, answered)
        assert text(answered) == said, kept
        assert sum(fate == "accepted" for _, fate in fates(kept)) >= 1


@pytest.mark.parametrize(("script", "status", "said"), [("says@41", 200, "41"), ("error-500", 403, ""), (f"says@{DOUBTED}", 403, "")])
async def test_too_little_agreement_leads_to_the_chains_stronger_model_and_then_to_a_person(
    serve: Serve, script: str, status: int, said: str
):
    routes = auto(
        "ensemble",
        models=["small", "middle"],
        fallback=["large", "human"],
        cascade=STRICT,
        ensemble={"members": ["small", "middle"], "agree": 0.9},
    )
    async with serve(pool(small="says@40", middle="says@42", large=script), routes=routes) as served:
        answered = await served.chat("auto")
        assert answered.status == status
        assert sorted(called(served)) == ["large", "middle", "small"]
        kept = await course(served, answered)
        if status == 200:
            assert text(answered) == said
            assert fates(kept)[-1] == ("large", "accepted")
        else:
            assert answered.json["error"]["code"] == "review_required"
            assert "to_review" in dict(fates(kept)).values()


async def test_a_stronger_model_that_no_policy_allows_is_not_asked_for_an_agreement(serve: Serve):
    ensemble = {"members": ["small", "middle"], "agree": 0.9}
    routes = auto("ensemble", models=["small", "middle"], fallback=["large", "human"], ensemble=ensemble)
    policies = [{"name": "not that one", "forbid": {"model": ["large"]}}]
    async with serve(pool(small="says@40", middle="says@42", large="says@41"), routes=routes, policies=policies) as served:
        assert (await served.chat("auto")).status == 403
        assert sorted(called(served)) == ["middle", "small"]


async def test_a_vote_that_is_decided_asks_no_more(serve: Serve):
    async with serve(pool(small="says@1", middle="says@7", large="says@7"), routes=auto("ensemble", dial=1)) as served:
        assert text(await served.chat("auto")) == "7"
        assert sorted(called(served)) == ["large", "middle"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_client_hears_how_many_calls_it_took_and_how_sure_the_answer_is(serve: Serve, stream: bool):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    models = pool(small=f"says@{DOUBTED}", middle=RIGHT, large="says@43")
    async with serve(models, routes=auto("cascade", models=["small", "large"], cascade=cascade)) as served:
        answered = await served.chat("auto", stream=stream)
        told = answered.headers
        assert "x-pointsman-cost-usd" in told, "it was whole before headers were sent"
        assert (b'"model":"auto"' in answered.body) is stream, "what the gateway writes anew names the route"
        # Its own call, and the verifier in both orders.
        assert (told["x-pointsman-attempts"], told["x-pointsman-calls"], told["x-pointsman-confidence"]) == ("1", "3", "0.500")


async def test_of_an_answer_that_nobody_looked_at_no_confidence_is_told(serve: Serve):
    async with serve(pool(small="says@42")) as served:
        told = (await served.chat("small")).headers
        assert (told["x-pointsman-calls"], told.get("x-pointsman-confidence")) == ("1", None)


async def test_other_forms_of_the_question_are_asked_of_one_model(serve: Serve):
    ensemble = {"members": ["small"], "samples": 3, "forms": ["Think step by step.", "Answer briefly."]}
    async with serve(pool(small="ok"), routes=auto("ensemble", ensemble=ensemble)) as served:
        answered = await served.chat("auto", "How much?")
        assert text(answered) == "How much?"
        asked = sorted(call.json["messages"][-1]["content"] for call in served.ledger)
        assert asked == ["Answer briefly.", "How much?", "Think step by step."]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_who_asks_for_a_stream_gets_one_answer_as_a_stream(serve: Serve, path: str):
    body: dict[str, object] = {"model": "auto", "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "How much?"}]}
    if path.endswith("responses"):
        body = {"model": "auto", "stream": True, "input": "How much?"}
    cascade = {"tiers": ["small", "large"], **STRICT}
    async with serve(
        pool(small=f"says@{DOUBTED}", large="says@two"), routes=auto("cascade", cascade=cascade, fallback=["human"])
    ) as served:
        answered = await served.ask(path, body)
        assert answered.status == 200
        assert answered.headers["content-type"].startswith("text/event-stream")
        assert b"two" in answered.body
        assert b"2 + 2" not in answered.body
        assert not any(call.json.get("stream") for call in served.ledger)
        assert {"/v1/chat/completions": b"[DONE]", "/v1/responses": b"response.completed", "/v1/messages": b"message_stop"}[
            path
        ] in answered.body


async def test_the_last_tier_streams_as_it_comes(serve: Serve):
    cascade = {"tiers": ["small", "large"], "stream_first": True, **STRICT}
    async with serve(pool(small=f"says@{DOUBTED}", large="says@two"), routes=auto("cascade", cascade=cascade)) as served:
        answered = await served.chat("auto", stream=True)
        assert answered.text == "two"
        assert "x-pointsman-cost-usd" not in answered.headers
        assert [bool(call.json.get("stream")) for call in served.ledger] == [False, True]
        assert fates(await course(served, answered)) == [("small", "escalated"), ("large", "accepted")]


async def test_a_helper_that_no_policy_allows_is_never_called(serve: Serve):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    policies = [{"name": "not that one", "forbid": {"model": ["middle"]}}]
    models = pool(small=f"says@{DOUBTED}", middle=WRONG, large="says@43")
    async with serve(models, routes=auto("cascade", cascade=cascade), policies=policies) as served:
        assert text(await served.chat("auto")) == DOUBTED
        assert called(served) == ["small"]


async def test_a_question_to_a_helper_is_masked_like_any_other(serve: Serve):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    models = pool(small="ok", middle=RIGHT, large="says@43")
    secret = "378282246310005"
    for each in models:
        each["perimeter"] = "external" if each["id"] == "middle" else "on_prem"
    mask = {"mask": {"kinds": ["financial"]}}
    async with serve(models, routes=auto("cascade", cascade=cascade), sensitivity=mask) as served:
        asked = f"{DOUBTED}, and my card is {secret}"
        answered = await served.chat("auto", asked)
        assert text(answered) == asked
        assert called(served) == ["small", "middle", "middle"]
        assert all(secret not in json.dumps(call.json) for call in served.ledger if call.model.endswith("@middle"))


async def test_what_stands_across_the_border_of_what_is_read_is_found_as_well(serve: Serve):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    words = ["".join(chr(97 + at // 26**place % 26) for place in range(4)) for at in range(9_000)]
    told = f"{f'{DOUBTED}, ' + ' '.join(words[:3_300])}"[:15_992] + f" 378282246310005 {' '.join(words[3_300:])}"
    models = pool(small=f"says@{told}", middle=WRONG, large="says@43")
    async with serve(models, routes=auto("cascade", cascade=cascade), sensitivity={"detect": "on"}) as served:
        answered = await served.chat("auto", "what is your card?")
        assert text(answered) in (told, "43")
        assert "middle" not in called(served)
        grades = {grade["check"]: grade["reason"] for grade in (await course(served, answered))["steps"][0]["grades"]}
        assert grades["verifier"].startswith("the call of `middle` failed")


async def test_nobody_else_is_asked_about_what_only_the_answer_holds(serve: Serve):
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    told = f"{DOUBTED}, and my card is 378282246310005"
    models = pool(small=f"says@{told}", middle=WRONG, large="says@43")
    async with serve(models, routes=auto("cascade", cascade=cascade), sensitivity={"detect": "on"}) as served:
        answered = await served.chat("auto", "what is your card?")
        assert text(answered) == told
        assert called(served) == ["small"]
        reasons = {grade["check"]: grade["reason"] for grade in (await course(served, answered))["steps"][0]["grades"]}
        assert reasons["verifier"] == "the call of `middle` failed: refused"


async def test_a_helper_that_must_not_see_values_does_not_see_those_of_an_answer(serve: Serve):
    """The request holds none, but carries the label."""
    cascade = {"tiers": ["small", "large"], "accept": {"confidence": 0.45, "verifier": "middle"}}
    told = f"{DOUBTED}, and my card is 378282246310005"
    models = pool(small=f"says@{told}", middle=RIGHT, large="says@43")
    for each in models:
        each["perimeter"] = "external" if each["id"] == "middle" else "on_prem"
    mask = {"mask": {"kinds": ["financial"]}}
    async with serve(models, routes=auto("cascade", cascade=cascade), sensitivity=mask) as served:
        answered = await served.ask(body=chat("auto", "what is your card?"), x_pointsman_labels="financial")
        assert text(answered) == told
        assert called(served) == ["small", "middle", "middle"]
        assert all("378282246310005" not in json.dumps(call.json) for call in served.ledger if call.model.endswith("@middle"))


async def test_a_condition_over_half_a_character_fails_the_check_and_nothing_else(serve: Serve):
    own = {"short": {"when": "size(answer.text) < 1000 && answer.json != {}"}}
    routes = auto("cascade", cascade={"accept": {"confidence": 0.0, "checks": ["short"]}})
    models = pool(small='says@{"x": "\\ud800"}', large='says@{"x": 1}')
    async with serve(models, routes=routes, checks=own) as served:
        assert text(await served.chat("auto")) == '{"x": 1}'


async def test_what_another_route_checks_says_nothing_here(serve: Serve):
    routes = {**auto("cascade", cascade=LENIENT), "other": {"checks": ["polite"]}}
    async with serve(pool(small="says@42", large="says@43"), routes=routes, checks={"polite": {"pattern": "please"}}) as served:
        assert text(await served.chat("auto")) == "42"
        assert called(served) == ["small"]


async def test_a_budget_pays_for_every_call(serve: Serve):
    budgets = [{"name": "b", "usd": 0.0005, "per": "never"}]
    async with serve(
        pool(small=f"says@{DOUBTED}", large="says@43"), routes=auto("cascade", cascade=STRICT, max_output_tokens=1), budgets=budgets
    ) as served:
        answered = await served.chat("auto", "hi")
        assert called(served) == ["small"]  # the second would have gone beyond it
        assert text(answered) == DOUBTED


async def test_nobody_is_sure_so_a_person_is_asked(serve: Serve):
    routes = auto("cascade", cascade={"accept": {"confidence": 0.99}}, fallback=["human"])
    async with serve(pool(small=f"says@{DOUBTED}", large=f"says@{DOUBTED}"), routes=routes) as served:
        answered = await served.chat("auto")
        assert answered.status == 403
        assert answered.error["code"] == "review_required"
        kept = await course(served, answered)
        assert kept["delivered"] is None
        assert fates(kept) == [("small", "escalated"), ("large", "to_review")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_every_call_of_the_vote(serve: Serve, stream: bool):
    async with serve(pool(small="hang", middle="hang", large="hang"), routes=auto("ensemble")) as served:
        connection = await served.connect()
        await connection.request("/v1/chat/completions", chat("auto", stream=stream), key=OPERATOR)
        await served.upstream.until(lambda: len(served.ledger) >= 2)
        connection.close()
        await served.upstream.until(lambda: all(call.left_at for call in served.ledger))
        await served.quiet()
        assert {outcome.status for outcome in await served.outcomes()} == {"aborted"}
