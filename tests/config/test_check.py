"""What `problems` promises of every configuration; what it says of single ones stands in `tests/golden/config/`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.check import problems
from pointsman.config.embedding import EmbeddingConfig
from pointsman.config.load import load, warnings
from pointsman.config.models import ModelConfig, PriceConfig
from pointsman.config.plans import ReviewConfig
from pointsman.config.policies import ForbidConfig, PolicyConfig, RequireConfig
from pointsman.config.problem import Problem, did_you_mean, dotted
from pointsman.config.routes import RouteConfig, RuleConfig, WeightsConfig
from pointsman.config.schema import Config


@pytest.mark.parametrize("name", ["deadline_s", "wait_s"])
def test_nobody_waits_for_a_person_longer_than_ten_years(name):
    for length_s, says in ((315_360_000.0, False), (315_360_001.0, True), (1e12, True), (float("inf"), True)):
        routes = {"auto": RouteConfig(review=ReviewConfig(approval=True, **{name: length_s}))}
        found = problems(Config(version=1, models=(ModelConfig(id="a", provider="local"),), routes=routes))
        assert any(dotted(problem.path) == f"routes.auto.review.{name}" for problem in found) is says


words = st.sampled_from(["small", "large", "smal", "pii", "phy", "on_prem", "on-prem", "openai", "local", "", "local "])
some_words = st.lists(words, max_size=3).map(tuple)
amounts = st.one_of(st.none(), st.floats(0, allow_infinity=False), st.sampled_from([0, 1, 1e-9, 1e300]))
sources = st.sampled_from(["true", '"pii" in labels', "labels[99] == 'x'", "tokens.input >", "1", "", "metadata.x == 'y'"])
weights = st.builds(WeightsConfig, quality=st.floats(0, 1e308), cost=st.sampled_from([0.0, 0.3, 1e308]))
requirements = st.builds(RequireConfig, perimeter=st.none() | some_words, model=st.none() | some_words, tags=st.none() | some_words)
rules = st.builds(RuleConfig, when=sources, labels=some_words, prefer=some_words, exclude=some_words, require=st.none() | requirements)
configs = st.builds(
    Config,
    version=st.just(1),
    models=st.lists(
        st.builds(
            ModelConfig,
            id=words,
            provider=words,
            base_url=words | st.text(max_size=12).map("http://".__add__),
            api_key=words,
            weights=words,
            price=st.builds(PriceConfig, input=amounts, output=amounts, gpu_second=amounts, as_of=words),
        ),
        max_size=3,
    ).map(tuple),
    routes=st.dictionaries(
        words,
        st.builds(RouteConfig, models=some_words, weights=st.none() | weights, rules=st.lists(rules, max_size=2).map(tuple)),
        max_size=2,
    ),
    policies=st.lists(
        st.builds(
            PolicyConfig,
            name=words,
            when=sources,
            require=st.none() | requirements,
            forbid=st.none() | st.builds(ForbidConfig, provider=some_words),
        ),
        max_size=2,
    ).map(tuple),
    keywords=st.dictionaries(words, some_words, max_size=2),
    labels=some_words,
)


@settings(deadline=None)
@given(config=configs)
def test_problems_are_found_in_any_configuration_without_failing(config: Config) -> None:
    found = problems(config)
    assert found == problems(config)
    for problem in found:
        assert problem.severity in ("error", "warning")
        assert str(problem).startswith(dotted(problem.path))


@settings(deadline=None)
@given(config=configs)
def test_every_path_leads_into_the_configuration(config: Config) -> None:
    for problem in problems(config):
        value: object = config
        for step in problem.path:
            value = value[step] if isinstance(value, dict | tuple) else getattr(value, str(step))  # type: ignore[index]


def test_warnings_do_not_stop_a_configuration() -> None:
    config = load("version: 1\nmodels: [{id: a, provider: openai}]\nroutes: {}", "c", {})
    assert warnings(config) == [
        Problem(("models", 0), "has no `api_key`, or an empty one: `openai` wants a key, such as `${OPENAI_API_KEY}`", "warning")
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "0x7f000001", "[::1]", "api.localhost"])
def test_a_key_may_travel_unencrypted_within_this_machine(host: str) -> None:
    text = f"version: 1\nmodels: [{{id: a, provider: x, base_url: 'http://{host}:1/v1', api_key: k}}]\nroutes: {{}}"
    assert warnings(load(text, "c", {})) == []


def test_a_word_that_only_looks_like_text_is_blank() -> None:
    """Invisible characters are dropped before word lists are compared, and what is left of this one occurs everywhere."""
    with pytest.raises(Exception, match="is blank, and would be found in every text"):
        load('version: 1\nmodels: [{id: a, provider: local, weights: w}]\nroutes: {}\nkeywords: {k: ["\\u200B"]}', "c", {})


def test_suggestions_take_no_time_on_absurd_names() -> None:
    assert did_you_mean("x" * 1_000_000, ["x" * 80]) == ""


def test_a_policy_over_what_a_client_may_declare_is_warned_of():
    policy = """
version: 1
models: [{id: a, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1"}]
routes: {auto: {}}
policies: [{name: inside, when: 'signals.domain == "health"', require: {perimeter: [on_prem]}}]
"""
    (found,) = [problem for problem in warnings(load(policy, "c", {})) if "declare" in problem.sentence]
    assert dotted(found.path) == "policies[0].when"
    assert found.sentence.startswith("reads `signals.domain`, which a client may declare to be something else")


@pytest.mark.parametrize(
    ("when", "refused"),
    [
        ("has(signals.domain) && signals.domain == 'health'", "has(signals.domain)"),
        ("'domain' in signals", "in signals"),
        ("has( tokens.input )", "has( tokens.input )"),
        ("signals.domain == 'health'", None),
        ("has(metadata.ward) && 'card' in signals.keywords", None),
        ("has(request.max_output_tokens)", None),
    ],
)
def test_where_a_model_reads_no_condition_asks_whether_what_it_tells_is_there(when, refused):
    reading = ModelConfig(id="embed", provider="openai-compatible", base_url="http://127.0.0.1:9/v1")
    policy = PolicyConfig(name="inside", when=when, require=RequireConfig(perimeter=("on_prem",)))
    config = Config(
        version=1,
        models=(reading,),
        routes={"auto": RouteConfig(rules=(RuleConfig(when=when, labels=("phi",)),))},
        policies=(policy,),
        embedding=EmbeddingConfig(kind="remote", model="embed", dims=8),
    )
    found = [dotted(problem.path) for problem in problems(config) if "would let its words pass" in problem.sentence]
    assert found == ([] if refused is None else ["policies[0].when", "routes.auto.rules[0].when"])
    assert all(f"`{refused}`" in problem.sentence for problem in problems(config) if "would let its words pass" in problem.sentence)
