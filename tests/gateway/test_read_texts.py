"""Texts to learn from are read through the gateway: gated, recorded, and kept, so that nothing is read twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pointsman.build.learning import learning_of
from pointsman.build.world import offline_world
from pointsman.cli import main
from pointsman.config.load import load_file
from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.synthetic import World, generate
from pointsman.stores.logfile import LogFile
from pointsman.testing import ScriptedUpstream
from tests.server.served import model

TOPICS = {"how do I boil an egg": "food", "a recipe for soup": "food", "my train is late": "travel", "a ticket to Rome": "travel"}
CARDS = {"my card is 4111 1111 1111 1111": "travel"}
POLICY = {"name": "cards stay", "when": "'financial' in labels", "require": {"perimeter": ["on_prem"]}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(upstream: ScriptedUpstream, script: str = "ok", **more: object) -> Path:
    """A configuration that names a classifier that is not there yet."""
    models = [
        {"base_url": upstream.base_url, **one}
        for one in (model("model-0"), model("reader", script, apis=["embeddings"], limits={"concurrent": 1}))
    ]
    said: dict[str, Any] = {
        "version": 1,
        "models": models,
        "routes": {"auto": {"models": ["model-0"]}},
        "embedding": {"kind": "remote", "model": "reader", "dims": 256},
        "classifiers": {"domain": "domain.classifier"},
        "store": {"path": "log.db"},
    }
    Path("pointsman.yaml").write_text(json.dumps({**said, **more}))
    return Path("pointsman.yaml")


def labelled(texts: dict[str, str]) -> str:
    Path("labels.jsonl").write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in texts.items()))
    return "labels.jsonl"


def content(name: str) -> bytes:
    return Path(name).read_bytes() if Path(name).exists() else b""


def written() -> Outcomes:
    """Outcomes, and a file of them."""
    outcomes = generate(World(queries=80, models=2, specialism=2.0), 3).outcomes
    rows = [
        {"query_id": query.id, "prompt": query.text, "model": name, "quality": float(outcomes.quality[at, column]), "cost_usd": 0.1}
        for at, query in enumerate(outcomes.queries)
        for column, name in enumerate(outcomes.models)
    ]
    Path("outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return outcomes


async def train(file: Path, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["train", *arguments, "--config", str(file)])


async def test_each_text_is_asked_for_once_recorded_and_kept() -> None:
    async with ScriptedUpstream() as upstream:
        file, texts = write(upstream), labelled(TOPICS)
        assert await train(file, "classifier", texts, "-o", "domain.classifier") == 0
        assert sorted(json.loads(call.body)["input"][0] for call in upstream.ledger) == sorted(TOPICS)
        first = content("domain.classifier")
        assert await train(file, "classifier", texts, "-o", "domain.classifier") == 0
        assert (len(upstream.ledger), content("domain.classifier")) == (len(TOPICS), first)
        config = load_file(file, {})
        assert learning_of(config).reader is not None
        assert offline_world(config).signals.unread
        assert len(upstream.ledger) == len(TOPICS), "loading calls nothing"
    log = LogFile(Path("log.db"))
    kept = [from_json(DecisionRecord, one.body) for one in log.recent(100, kind="decision")]
    log.close()
    assert {(one.route, one.request.caller.key, bool(one.request.reads_for)) for one in kept} == {("reader", "train", True)}
    assert not [text for text in TOPICS if text.encode() in content("domain.classifier.vectors")]


async def test_a_text_that_may_not_leave_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedUpstream() as upstream:
        file = write(upstream, policies=[POLICY])
        assert await train(file, "classifier", labelled(TOPICS | CARDS), "-o", "domain.classifier") == 0
        assert not [call for call in upstream.ledger if b"4111" in call.body]
        assert "1 texts were not read, the first since `reader`: perimeter is `external`, policy `cards stay`" in capsys.readouterr().err


async def test_what_was_read_before_a_failure_is_not_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    many = {f"{text} {at}": label for at in range(4) for text, label in TOPICS.items()}
    async with ScriptedUpstream() as upstream:
        file = write(upstream, "flaky-12", health={"failures": 1_000_000})
        assert await train(file, "classifier", labelled(many), "-o", "domain.classifier") != 0
        assert (
            "a text could not be read: `reader`: server_error: what was read until then is in domain.classifier.vectors"
            in capsys.readouterr().err
        )
        assert content("domain.classifier") == b""
        asked = len(upstream.ledger)
        file = write(upstream)
        assert await train(file, "classifier", labelled(many), "-o", "domain.classifier") == 2
        assert "remove it" in capsys.readouterr().err, "another model's vectors are others"
        assert len(upstream.ledger) == asked
        file = write(upstream, "flaky-12", health={"failures": 1_000_000})
        assert await train(file, "classifier", labelled(many), "-o", "domain.classifier") == 0
        assert len(upstream.ledger) == len(many) + 1


async def test_a_bundle_is_trained_on_texts_and_their_ends() -> None:
    async with ScriptedUpstream() as upstream:
        file = write(upstream)
        outcomes = written()
        assert await train(file, "quality", "outcomes.jsonl", "-o", "quality.bundle") == 0
        assert len(upstream.ledger) == len({query.text for query in outcomes.queries})
        file = write(upstream, classifiers={}, learned={"bundle": "quality.bundle", "models": {"model-0": "model-0"}})
        assert learning_of(load_file(file, {})).reader is not None


async def test_only_one_thing_says_how_texts_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedUpstream() as upstream:
        file = write(upstream)
        assert await train(file, "classifier", labelled(TOPICS), "-o", "x", "--embedding", "folder") != 0
        assert "leave one of them out" in capsys.readouterr().err
