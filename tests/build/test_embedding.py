"""The encoder that a configuration names reads for intents, classifiers and what was learned, and for nothing learned with another."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.build.embedding import embedder
from pointsman.build.learning import learned_files, learning_of
from pointsman.build.service import open_service
from pointsman.build.world import current_snapshot, offline_world
from pointsman.cli import main
from pointsman.config.load import load
from pointsman.core.request import Caller
from pointsman.core.signals import Prediction
from pointsman.errors import ConfigError
from pointsman.estimators import bundle
from pointsman.estimators.blend import Blend
from pointsman.evals.synthetic import World, generate
from pointsman.gateway import Gateway, Inquiry, decide_request
from pointsman.signals import classifier
from pointsman.signals.embedding import shipped
from tests.estimators.learners import SMALL
from tests.signals.encoders import folder as encoder

pytest.importorskip("onnxruntime", reason="the extra `dense` is not installed")

MODEL = '{{id: {0}, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {{input: 1, output: 1}}}}'
BASE = f"""version: 1
models: [{MODEL.format("model-0")}, {MODEL.format("model-1")}, {MODEL.format("model-2")}]
routes: {{auto: {{}}}}
store: {{path: none.db}}
"""
DENSE = "embedding: {kind: dense, path: encoder}\n"
INTENTS = "intents: {food: [boil egg, boil a egg, egg], delay: [train late, a train is late, late]}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    encoder(tmp_path / "encoder")
    return tmp_path


def asked(text: str) -> Inquiry:
    return Inquiry(json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode(), Caller("k"), {})


def test_everything_that_reads_texts_uses_it() -> None:
    known = embedder(Path("encoder"), "")
    texts, labels = ["boil egg", "a egg", "late train", "train is late"] * 4, ["food", "food", "travel", "travel"] * 4
    Path("domain.classifier").write_bytes(classifier.fit(texts, labels, known).dump())
    Path("quality.bundle").write_bytes(bundle.dump(Blend(known, SMALL).fit(generate(World(queries=60, models=3), seed=3).outcomes, seed=1)))
    config = load(f"{BASE}{DENSE}{INTENTS}classifiers: {{domain: domain.classifier}}\nlearned: {{bundle: quality.bundle}}\n", "test", {})
    snapshot, _ = current_snapshot(config)
    assert snapshot.learned.embedder == known.name
    made = decide_request(asked("boil a egg"), offline_world(config))
    assert (made.signals.intent, made.signals.domain) == ("food", "food")
    assert len(made.signals.predicted) == 3


def test_what_was_learned_with_another_embedder_is_refused() -> None:
    Path("quality.bundle").write_bytes(bundle.dump(Blend(shipped(), SMALL).fit(generate(World(queries=60), seed=3).outcomes, seed=1)))
    with pytest.raises(ConfigError, match=r"learned\.bundle: .* fitted with the embedder `minilm-static"):
        learning_of(load(f"{BASE}{DENSE}learned: {{bundle: quality.bundle}}\n", "test", {}))


@pytest.mark.parametrize(
    ("content", "says"), [(b"no model", "is no model that onnxruntime can read"), (None, "cannot be read: No such file")]
)
def test_an_encoder_that_cannot_be_used_is_refused_with_its_setting(content: bytes | None, says: str) -> None:
    Path("encoder/model.onnx").unlink()
    if content is not None:
        Path("encoder/model.onnx").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^embedding\.path: encoder/model.onnx: {says}"):
        learning_of(load(BASE + DENSE + INTENTS, "test", {}))


def test_an_encoder_that_is_written_anew_is_read_again_with_the_configuration() -> None:
    read = learned_files(load(BASE + DENSE + INTENTS, "test", {}))
    assert read == (Path("encoder/model.onnx"), Path("encoder/tokenizer.json"))


def test_commands_train_judge_and_set_the_dial_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    made = generate(World(queries=60, models=2, specialism=2.0), 3).outcomes
    rows = [
        {"query_id": query.id, "model": model, "prompt": query.text, "quality": made.quality[i, m], "cost_usd": made.cost_usd[i, m]}
        for i, query in enumerate(made.queries)
        for m, model in enumerate(made.models)
    ]
    Path("outcomes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Path("labels.jsonl").write_text(
        "\n".join(json.dumps({"text": text, "label": text[:3]}) for text in ("egg", "egg boil", "late", "late train"))
    )
    use = ["--embedding", "encoder"]
    assert main(["train", "quality", "outcomes.jsonl", "-o", "b", *use]) == 0
    assert main(["train", "classifier", "labels.jsonl", "-o", "c", *use]) == 0
    known = embedder(Path("encoder"), "")
    assert bundle.load(Path("b").read_bytes(), known).models == made.models
    assert classifier.load(Path("c").read_bytes(), known).labels == ("egg", "lat")
    assert main(["calibrate", "outcomes.jsonl", "--bundle", "b", "--save-cost", "0.01", *use]) in (0, 1)
    assert main(["calibrate", "outcomes.jsonl", "--bundle", "b"]) == 2
    assert "fitted with the embedder `dense-4-" in capsys.readouterr().err
    judge = ["eval", "outcomes.jsonl", "--learner", "blend", "--baselines", "none", "--seeds", "1", "--folds", "2", "--draws", "20"]
    assert main([*judge, "--json", "judged.json", *use]) == 0
    assert known.name in Path("judged.json").read_text()
    assert main([*judge, "--embedding", "nowhere"]) == 2
    assert "--embedding: nowhere/model.onnx: cannot be read" in capsys.readouterr().err


@asynccontextmanager
async def opened() -> AsyncIterator[Gateway]:
    service = await open_service(load(BASE + DENSE + INTENTS, "test", {}))
    try:
        yield service.gateway
    finally:
        await service.aclose()


def test_the_gateway_reads_with_it() -> None:
    async def intent() -> str:
        async with opened() as gateway:
            return (await gateway.decide(asked("a train is late"))).decision.signals.intent

    assert asyncio.run(intent()) == "delay"


def test_other_requests_go_on_while_a_text_is_read() -> None:
    read = threading.Event()

    def predictor(text: str, task: str, tools: str) -> tuple[tuple[Prediction, ...], tuple[str, ...]]:
        assert read.wait(10), "nothing else was done meanwhile"
        return (), ("read",)

    async def both() -> tuple[str, ...]:
        async with opened() as gateway:
            world = gateway.world
            gateway.live = replace(gateway.live, world=replace(world, signals=replace(world.signals, predictor=predictor)))
            asyncio.get_running_loop().call_soon(read.set)
            return (await gateway.decide(asked("a train is late"))).decision.signals.neighbours

    assert asyncio.run(both()) == ("read",)
