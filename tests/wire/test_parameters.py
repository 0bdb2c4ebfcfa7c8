"""Fields that a model refuses: what becomes of them, and which models are known to."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.refusals import HINTS, Refusals
from pointsman.errors import RequestError
from pointsman.wire.known_refusals import KNOWN, known_refusals
from pointsman.wire.parameters import accepted

CLAUDE, GPT = known_refusals("claude-opus-5-5"), known_refusals("gpt-5-mini")


@pytest.mark.parametrize(
    ("api", "refusals", "said", "sent", "dropped"),
    [
        ("messages", CLAUDE, {"temperature": 0.2, "top_p": 0.9, "top_k": 3}, {}, ("temperature", "top_p", "top_k")),
        ("messages", CLAUDE, {"temperature": 1, "max_tokens": 9}, {"max_tokens": 9}, ()),
        ("messages", CLAUDE, {"temperature": 1.0, "top_p": None}, {"top_p": None}, ()),
        ("messages", CLAUDE, {"stop_sequences": ["x"]}, {"stop_sequences": ["x"]}, ()),
        (
            "messages",
            CLAUDE,
            {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
            {"thinking": {"type": "adaptive"}},
            ("thinking.budget_tokens",),
        ),
        ("messages", CLAUDE, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}, ()),
        ("chat", GPT, {"max_tokens": 9}, {"max_completion_tokens": 9}, ()),
        ("chat", GPT, {"max_tokens": 9, "max_completion_tokens": 8}, {"max_completion_tokens": 8}, ()),
        ("chat", GPT, {"logit_bias": {"1": 5}, "presence_penalty": 0, "n": 2}, {"n": 2}, ("logit_bias",)),
        ("chat", GPT, {"logprobs": False, "stop": []}, {"logprobs": False, "stop": []}, ()),
        ("responses", GPT, {"temperature": 0.5, "max_output_tokens": 9}, {"max_output_tokens": 9}, ("temperature",)),
        ("chat", Refusals(("seed",)), {"seed": 1, "temperature": 0}, {"temperature": 0}, ("seed",)),
    ],
)
def test_what_a_model_refuses_is_left_out_and_told(api, refusals, said, sent, dropped):
    body = {"model": "m", **said}
    before = copy.deepcopy(body)
    assert accepted(api, body, refusals) == ({"model": "m", **sent}, dropped)
    assert body == before


@pytest.mark.parametrize(
    ("api", "said", "param"),
    [
        ("chat", {"logprobs": True}, "logprobs"),
        ("chat", {"top_logprobs": 2}, "logprobs"),
        ("responses", {"top_logprobs": 2}, "logprobs"),
        ("chat", {"stop": "x", "temperature": 0}, "stop"),
    ],
)
def test_what_must_not_be_lost_is_for_another_model(api, said, param):
    with pytest.raises(RequestError, match=f"`{param}` cannot be asked of this model") as raised:
        accepted(api, {"model": "m", **said}, GPT)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("name", "effort", "kept"),
    [
        ("gpt-5.2", None, True),
        ("gpt-5.2", "none", True),
        ("gpt-5.2", "low", False),
        ("gpt-5.6-sol", None, False),
        ("gpt-5.6-sol", "none", True),
        ("gpt-5", "none", False),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_some_refuse_sampling_only_while_they_reason(api, name, effort, kept):
    reasoning = {} if effort is None else {"reasoning_effort": effort} if api == "chat" else {"reasoning": {"effort": effort}}
    body = {"model": name, "temperature": 0, **reasoning}
    assert ("temperature" in accepted(api, body, known_refusals(name)).body) == kept


ALWAYS = (
    "o1 o3-mini o4-mini-2025-04-16 gpt-5 gpt-5-2025-08-07 openai/gpt-5-mini gpt-5-nano gpt-5-pro gpt-5.4-pro gpt-5.1-codex-max gpt-6-astra"
)
NEVER = "gpt-4o gpt-4.1-mini gpt-5-chat-latest gpt-oss-120b openai/gpt-oss-20b o200k llama-o3 mistral-small claude-opus-4-6 gemini-4-argon"
CLAUDES = (
    "claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-5 claude-haiku-5-5 claude-fable-5-2 claude-mythos-5-2 "
    "anthropic/claude-opus-5.5 us.anthropic.claude-opus-4-7-v1:0 claude-4.7-opus claude-5-sonnet claude-5.5-haiku Claude-Opus-4.8"
)
OLDER = (
    "claude-opus-4-20250514 claude-opus-4-1 claude-opus-4-6 claude-sonnet-4-6 claude-sonnet-4-5-20250929 claude-haiku-4-5 "
    "claude-3-7-sonnet-20250219 claude-3-5-haiku-latest claude-4-6-opus claude-4-5-haiku claude-opus-4.1"
)


@pytest.mark.parametrize(
    ("names", "refuses"), [(ALWAYS, True), (NEVER, False), (CLAUDES, True), (OLDER, False)], ids=["openai", "others", "claude", "older"]
)
def test_models_that_are_known_to_refuse(names, refuses):
    assert {name for name in names.split() if ("temperature" in known_refusals(name).always) != refuses} == set()


def test_facts_have_a_source_and_a_date():
    assert all(known.source and re.fullmatch(r"\d{4}-\d{2}-\d{2}", known.as_of) for known in KNOWN)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 1, None]),
        "top_k": st.just(3),
        "max_tokens": st.just(9),
        "stop": st.just("x"),
        "seed": st.just(1),
        "thinking": st.sampled_from([{"type": "enabled"}, {"type": "disabled"}, "x"]),
        "reasoning_effort": st.sampled_from(["none", "low", 3]),
    },
)


@given(
    st.sampled_from(["chat", "responses", "messages"]),
    FIELDS,
    st.lists(st.sampled_from(sorted({*HINTS, "stop", "max_tokens"})), unique=True),
    st.booleans(),
)
def test_whatever_is_said_a_model_that_accepted_it_accepts_it_again(api, said, refused, by_default):
    refusals = Refusals(tuple(refused[::2]), tuple(refused[1::2]), by_default=by_default)
    try:
        body, dropped = accepted(api, said, refusals)
    except RequestError:
        return
    assert accepted(api, body, refusals) == (body, ())
    assert all(name.rpartition(".")[2] in refused for name in dropped)
