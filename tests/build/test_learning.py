"""What was learned comes into decisions, is named by their snapshot, and is not needed to make them again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pointsman.build.learning import learning_of
from pointsman.build.snapshot import snapshot_of
from pointsman.build.world import current_snapshot, offline_world
from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.decision import Decision
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Caller
from pointsman.errors import ConfigError
from pointsman.estimators import bundle, confidence, confidence_file
from pointsman.estimators.blend import Blend
from pointsman.estimators.neighbours import Neighbours
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals.dial import DIALS, dialled
from pointsman.evals.synthetic import World, generate
from pointsman.gateway import Inquiry, decide_request
from pointsman.signals import classifier
from pointsman.signals.embedding import shipped
from pointsman.testing.confidence import sample_answers
from pointsman.wire.explanation import explanation
from tests.estimators.learners import SMALL

MODEL = '{{id: {0}, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {{input: {1}, output: {1}}}, quality: {{general: {2}}}}}'
MODELS = (("small", 0.1, 0.5), ("middle", 1, 0.6), ("large", 5, 0.7), ("other", 50, 0.9))
"""The first three are recorded."""
POOL = "\n".join(f"  - {MODEL.format(*model)}" for model in MODELS)
RECORDED = "{small: model-0, middle: model-1, large: model-2}"
BASE = f"version: 1\nmodels:\n{POOL}\nroutes: {{auto: {{dial: 1.0, models: [small, middle, large]}}}}\nstore: {{path: none.db}}\n"
INTENTS = """
intents:
  refund: [I want my money back, how do I get a refund, please refund my order]
  login: [I cannot sign in, the login page fails, reset my password]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained() -> bytes:
    made = generate(World(queries=300, models=3, specialism=2.0), seed=3)
    fitted = Blend(shipped(), SMALL).fit(made.outcomes, seed=1)
    assert fitted.verdict.routes
    return bundle.dump(fitted)


@pytest.fixture(scope="module")
def not_worth_it() -> bytes:
    """Outcomes that the text says nothing of."""
    made = generate(World(queries=120, models=3, specialism=0, difficulty=0.01, telling=0), seed=3)
    fitted = Blend(shipped(), SMALL).fit(made.outcomes, seed=1)
    return bundle.dump(replace(fitted, mixture=None) if fitted.verdict.routes else fitted)


def decided(config: str, text: str, **headers: str) -> Decision:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decide_request(Inquiry(json.dumps(body).encode(), Caller("k"), named), offline_world(load(config, "test", {})))


def learned(path: str = "quality.bundle", models: str = RECORDED) -> str:
    return f"{BASE}learned: {{bundle: {path}, models: {models}}}\n"


def test_what_was_learned_stands_for_the_priors_and_changes_the_choice(folder: Path, trained: bytes) -> None:
    Path("quality.bundle").write_bytes(trained)
    plain = {decided(BASE, text).chosen for text in ("algebra simple plain", "poetry obscure nested")}
    assert plain == {"large"}
    made = decided(learned(), "algebra simple plain quick usual about this")
    assert made.signals.task == "general"
    assert [one.model for one in made.signals.predicted] == ["small", "middle", "large"]
    for one in made.signals.predicted:
        estimate = made.estimate(one.model)
        assert (estimate.quality, estimate.quality_low, estimate.evidence) == (one.quality, one.low, one.evidence)
        assert 0 <= one.low <= one.quality <= 1
    assert len(made.signals.neighbours) == 3
    chosen = {decided(learned(), f"{topic} nested subtle rigorous").chosen for topic in ("algebra", "poetry", "chemistry", "law")}
    assert chosen != plain


def test_a_model_that_the_bundle_does_not_know_has_its_prior_and_is_told(trained: bytes) -> None:
    Path("quality.bundle").write_bytes(trained)
    config = learned().replace("models: [small, middle, large]", "models: [small, other]")
    made = decided(config, "algebra")
    assert made.estimate("other").quality == 0.9
    assert "does not know `other`" in learning_of(load(config, "test", {})).remarks[0]
    shown = {one["model"]: one for one in explanation(made, offline_world(load(config, "test", {})).snapshot)["candidates"]}
    assert {name: one["quality_source"] for name, one in shown.items()} == {"small": "learned", "other": "stated"}
    assert shown["small"]["prior"]["mean"] == 0.5


def test_models_of_few_outcomes_or_none_are_told() -> None:
    outcomes = generate(World(queries=300, models=3), seed=3).outcomes
    quality = outcomes.quality.copy()
    quality[60:, 1] = quality[:, 2] = np.nan
    Path("quality.bundle").write_bytes(bundle.dump(Blend(shipped(), SMALL).fit(replace(outcomes, quality=quality), seed=1)))
    told = "\n".join(learning_of(load(learned(), "test", {})).remarks)
    assert "has no outcome of `large`: asked last" in told
    assert "has few outcomes of `middle` (60)" in told


def test_the_record_alone_makes_the_decision_again(trained: bytes) -> None:
    Path("quality.bundle").write_bytes(trained)
    made = decided(learned(), "poetry subtle nested", x_pointsman_task="poetry")
    snapshot, body = current_snapshot(load(learned(), "test", {}))
    assert snapshot.learned.bundle == bundle.digest(trained)
    assert snapshot.learned.embedder == shipped().name
    Path("quality.bundle").unlink()
    kept = from_json(DecisionRecord, msgspec.json.encode(record(made)))
    assert kept == record(made)
    assert remake(kept, snapshot_of(body)).candidates == made.candidates


def test_where_choosing_by_query_is_not_worth_it_every_query_gets_the_means(not_worth_it: bytes) -> None:
    Path("quality.bundle").write_bytes(not_worth_it)
    first, second = (decided(learned(), text).signals for text in ("law obscure", "travel plain"))
    qualities = [[(one.model, one.quality, one.low, one.evidence) for one in signals.predicted] for signals in (first, second)]
    assert qualities[0] == qualities[1] != []
    assert first.neighbours == ()
    assert any("every request gets the models' mean qualities" in remark for remark in learning_of(load(learned(), "test", {})).remarks)


def outcomes_of_unlike_lengths() -> Outcomes:
    """Two models at one price; on hard questions the better one writes twenty times as much."""
    chance = np.random.default_rng(4)
    hard = np.arange(300) % 2 == 1
    texts = ["prove the rigorous nested lemma" if one else "say the plain short word" for one in hard]
    right = np.column_stack((np.where(hard, 0.5, 0.9), np.where(hard, 0.8, 0.9)))
    tokens = np.column_stack((np.full(300, 60), np.where(hard, 1_200, 60))) * chance.uniform(0.8, 1.2, (300, 2))
    queries = tuple(Query(f"q{at}", f"{text} number {at}") for at, text in enumerate(texts))
    graded = (chance.random((300, 2)) < right).astype(float)
    return Outcomes(("model-0", "model-1"), queries, graded, tokens * 1e-5, np.full_like(tokens, 10), tokens, tokens / 100)


def test_a_dial_chooses_by_the_lengths_that_were_learned_as_its_calibration_did() -> None:
    fitted = Blend(shipped(), SMALL).fit(outcomes_of_unlike_lengths(), seed=1)
    Path("lengths.bundle").write_bytes(bundle.dump(fitted))
    pool = "".join(
        f'  - {{id: model-{at}, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {{input: 0, output: 10}}}}\n'
        for at in range(2)
    )
    asked = [f"{'prove the rigorous nested lemma' if at % 2 else 'say the plain short word'} number {at}" for at in range(1_000, 1_040)]
    predicted = fitted.predict([Query("", text) for text in asked])
    dear = predicted.output_tokens[:, 1] > 5 * predicted.output_tokens[:, 0]
    assert dear.tolist() == [at % 2 == 1 for at in range(40)]
    for place in (0, 40, 70, 90, 100):
        config = f"version: 1\nmodels:\n{pool}routes: {{auto: {{dial: {DIALS[place]}}}}}\nlearned: {{bundle: lengths.bundle}}\n"
        live = [decided(config, text).chosen for text in asked]
        assert live == [f"model-{at}" for at in dialled(predicted)[:, place]], DIALS[place]


def test_a_client_that_says_what_it_asks_about_is_believed_before_any_classifier() -> None:
    asked = decided(BASE, "a question", x_pointsman_domain="law", x_pointsman_difficulty="hard")
    assert (asked.signals.domain, asked.signals.difficulty) == ("law", "hard")
    rules = "rules: [{when: signals.domain == 'law' && signals.difficulty == 'hard', prefer: [small]}]\n"
    assert decided(BASE + rules, "a question", x_pointsman_domain="law", x_pointsman_difficulty="hard").chosen == "small"
    assert decided(BASE + rules, "a question").chosen == "large"


def test_predictions_are_for_the_task_that_a_rule_sets(trained: bytes) -> None:
    Path("quality.bundle").write_bytes(trained)
    rules = "rules: [{name: verses, when: request.messages > 0, task: poetry}]\n"
    plain, ruled, declared = (
        decided(config, "a question", x_pointsman_task=task).signals
        for config, task in ((learned(), "algebra"), (learned() + rules, "algebra"), (learned(), "poetry"))
    )
    assert plain.predicted != declared.predicted
    assert (ruled.task, ruled.predicted) == ("algebra", declared.predicted)


def damaged(trained: bytes) -> bytes:
    return trained[:-40] + bytes([trained[-40] ^ 1]) + trained[-39:]


@pytest.mark.parametrize(
    ("content", "more", "says"),
    [
        (None, {}, "learned.bundle: quality.bundle: cannot be read"),
        (damaged, {}, "learned.bundle: quality.bundle: the estimator bundle is damaged"),
        (lambda _: b"", {}, "learned.bundle: quality.bundle: this is no estimator bundle"),
        (lambda _: bundle.dump(Neighbours(shipped()).fit(generate(World(queries=9), 1).outcomes, seed=1)), {}, "holds no blend"),
        (lambda trained: trained, {"models": "{small: model-9}"}, "learned.models.small: the bundle knows no `model-9`"),
        (lambda trained: trained, {"models": "{}"}, "none of them a model here"),
    ],
    ids=["missing", "damaged", "empty", "another kind", "unknown name", "no model"],
)
def test_a_bundle_that_cannot_be_used_is_refused(trained: bytes, content, more, says: str) -> None:
    if content is not None:
        Path("quality.bundle").write_bytes(content(trained))
    with pytest.raises(ConfigError) as refused:
        offline_world(load(learned(**more), "test", {}))
    assert says in str(refused.value)


def test_an_intent_is_told_and_rules_can_read_it() -> None:
    config = BASE.replace("auto: {", "auto: {rules: [{when: 'signals.intent == \"refund\"', prefer: [small]}], ") + INTENTS
    made = decided(config, "how can I get my money back")
    assert (made.signals.intent, made.signals.task, made.signals.task_source) == ("refund", "general", "default")
    assert made.chosen == "small"
    other = decided(config, "prove that the square root of two is irrational")
    assert (other.signals.intent, other.chosen) == ("", "large")


@pytest.mark.parametrize(
    ("more", "headers", "task"),
    [
        ("tasks: {refund: {quality_floor: 0.1}}\n", {}, ("refund", "intent")),
        ("tasks: {refund: {quality_floor: 0.1}}\n", {"x_pointsman_task": "code"}, ("code", "declared")),
        ("classifiers: {task: task.classifier}\n", {}, ("money", "classifier")),
        ("classifiers: {task: task.classifier}\ntasks: {refund: {quality_floor: 0.1}}\n", {}, ("refund", "intent")),
        ("classifiers: {task: task.classifier}\n", {"x_pointsman_task": "code"}, ("code", "declared")),
        ("classifiers: {domain: task.classifier, difficulty: task.classifier}\n", {}, ("general", "default")),
    ],
)
def test_who_says_what_the_task_is(more: str, headers: dict[str, str], task: tuple[str, str]) -> None:
    texts = [f"{word} my money back {at}" for at in range(8) for word in ("give", "send")] + [f"prove a theorem {at}" for at in range(16)]
    fitted = classifier.fit(texts, ["money"] * 16 + ["maths"] * 16, shipped())
    Path("task.classifier").write_bytes(fitted.dump())
    config = BASE + INTENTS + more
    signals = decided(config, "I want my money back", **headers).signals
    assert (signals.task, signals.task_source) == task
    if "domain" in more:
        assert (signals.domain, signals.difficulty) == ("money", "money")
    names = offline_world(load(config, "test", {})).snapshot.learned
    assert set(names.classifiers) == ({"domain", "difficulty"} if "domain" in more else {"task"} if "classifiers" in more else set())


def test_another_file_is_another_snapshot(trained: bytes, not_worth_it: bytes) -> None:
    ids = set()
    for content in (trained, not_worth_it):
        Path("quality.bundle").write_bytes(content)
        ids.add(current_snapshot(load(learned(), "test", {}))[0].id)
    ids.add(current_snapshot(load(BASE, "test", {}))[0].id)
    assert len(ids) == 3


def test_a_classifier_that_cannot_be_used_is_refused() -> None:
    Path("task.classifier").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"classifiers\.task: task\.classifier: not a classifier"):
        offline_world(load(BASE + "classifiers: {task: task.classifier}\n", "test", {}))


def test_means_are_those_of_the_outcomes(not_worth_it: bytes) -> None:
    Path("quality.bundle").write_bytes(not_worth_it)
    table = bundle.load(not_worth_it, shipped()).table
    found = [one.quality for one in decided(learned(), "law").signals.predicted]
    assert np.allclose(found, table.quality.overall(), atol=1e-4)


def test_how_likely_answers_are_right_is_learned_too() -> None:
    learned = confidence.fit(sample_answers()).confidence
    Path("answers.confidence").write_bytes(confidence_file.dump(learned))
    config = load(BASE + "learned: {confidence: answers.confidence, models: {large: small}}\n", "test", {})
    world = offline_world(config)
    assert world.confidence is not None
    sure, doubtful = (world.confidence("large", "sums", 0.5, (), "4 + 1?", text) for text in ("4 + 1 = 5.", "I am not sure, perhaps 4"))
    assert sure == learned.predict("small", "sums", 0.5, (), "4 + 1 = 5.", "4 + 1?")
    assert sure > doubtful
    assert world.snapshot.learned.confidence == confidence_file.digest(confidence_file.dump(learned))


@pytest.mark.parametrize("said", ["learned: {}", "learned: {models: {small: a}}"])
def test_what_was_learned_needs_a_file(said: str) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        load(BASE + said, "test", {})


def test_models_that_a_confidence_never_saw_are_remarked_on_and_judged_by_the_looks_of_their_answers() -> None:
    learned = confidence.fit(sample_answers()).confidence
    Path("answers.confidence").write_bytes(confidence_file.dump(learned))
    said = "learned: {confidence: answers.confidence, models: {large: small}}\n"
    learning = learning_of(load(BASE + said, "test", {}))
    unseen = [name for name in ("small", "middle", "large", "other") if name not in (*learned.models, "large")]
    assert unseen
    (remark,) = learning.remarks
    assert remark.startswith("learned.confidence: answers.confidence: never saw answers of " + ", ".join(f"`{name}`" for name in unseen))
    assert learning.confident is not None
    sure, doubtful = (learning.confident("other", "sums", 0.5, (), "4 + 1?", text) for text in ("4 + 1 = 5.", "I am not sure, perhaps 4"))
    assert 0 < doubtful < sure < 1


def test_a_damaged_confidence_is_refused_by_its_place() -> None:
    Path("answers.confidence").write_bytes(b"pointsman confidence 1\nnot one")
    with pytest.raises(ConfigError, match=r"learned.confidence: answers.confidence: "):
        offline_world(load(BASE + "learned: {confidence: answers.confidence}\n", "test", {}))
