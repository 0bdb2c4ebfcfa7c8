"""A model that reads requests by a call: it gets what every gate lets it have, and nothing of it fails a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointsman.build.embedding import whole_and_end
from pointsman.build.learning import NOTHING, learning_of
from pointsman.build.premium import tally_of
from pointsman.build.snapshot import snapshot_of
from pointsman.build.world import current_snapshot
from pointsman.cli import main
from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord, remake
from pointsman.core.request import Caller
from pointsman.errors import ClearanceError, ConfigError, ShuttingDown
from pointsman.estimators import bundle
from pointsman.estimators.blend import Blend, Blended
from pointsman.estimators.outcomes import Query
from pointsman.evals.decision_log import read_log
from pointsman.evals.synthetic import World, generate
from pointsman.gateway import Inquiry
from pointsman.signals import classifier
from pointsman.signals.known import Known, under
from pointsman.testing.embeddings import vector
from tests.estimators.learners import SMALL
from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.served import OPERATOR, UNBREAKABLE, Served, chat, model

TOPICS = {"how do I boil an egg": "food", "a recipe for soup": "food", "my train is late": "travel", "a ticket to Rome": "travel"}
QUESTION = "how do I boil an egg"
POLICY = {"name": "phi stays", "when": "'phi' in labels", "require": {"perimeter": ["on_prem"]}}


def pool(script: str = "ok", **more: object) -> list[dict[str, object]]:
    inside = {"perimeter": "on_prem", "region": "eu", "approved": True}
    return [model("inside", **inside), model("reader", script, apis=["embeddings"], **more)]


def remote(**more: object) -> dict[str, object]:
    return {"kind": "remote", "model": "reader", "dims": 256, **more}


def known(texts: Sequence[str], name: str, dims: int = 256) -> Known:
    return Known(name, dims, {under(text): np.asarray(vector(text, dims), np.float32) for text in texts})


@pytest.fixture
def learned(tmp_path: Path) -> dict[str, str]:
    """A classifier of domains that was trained on what the scripted upstream makes of these texts, and knows no words."""
    return {"domain": _trained(tmp_path / "domain.classifier", "ok@reader")}


def _trained(path: Path, name: str) -> str:
    texts, labels = list(TOPICS) * 4, list(TOPICS.values()) * 4
    path.write_bytes(classifier.fit(texts, labels, known(texts, f"remote-256-768-openai-compatible/{name}"), sure=0.0).dump())
    return str(path)


async def records(served: Served) -> dict[str, DecisionRecord]:
    """The latest decisions of the log: that of a request, and that of reading one."""
    kept = [from_json(DecisionRecord, one.body) for one in reversed(await served.service.log.recent(100, kind="decision"))]
    return {"read" if one.request.reads_for else "asked": one for one in kept}


def sent(served: Served) -> list[dict[str, Any]]:
    """The bodies that went to the model that reads."""
    return [json.loads(call.body) for call in served.ledger if call.url_path.endswith("/embeddings")]


def setting(classifiers: dict[str, str], **more: object) -> dict[str, Any]:
    return {"routes": {"auto": {"models": ["inside"]}}, "classifiers": classifiers, "embedding": remote(), "health": UNBREAKABLE, **more}


async def test_what_the_model_makes_of_a_text_is_what_routing_reads(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        answer = await served.chat("auto", QUESTION)
        assert answer.status == 200
        kept = await records(served)
        asked, read = kept["asked"], kept["read"]
        assert (asked.signals.domain, asked.signals.unread) == ("food", "")
        assert sent(served) == [{"model": "ok@reader", "input": [QUESTION]}]
        assert (read.request.id, read.request.reads_for, read.request.api) == (f"{asked.request.id}_e", asked.request.id, "embeddings")
        assert read.plan is not None
        assert (read.route, read.plan.kind, read.plan.models) == ("auto", "single", ("reader",))
        reading, answering = await served.outcomes()
        assert (reading.decision, reading.model, reading.ok) == (read.request.id, "reader", True)
        assert reading.usage is not None
        assert reading.cost_picousd
        assert answering.cost_picousd
        cost = float(answer.headers["x-pointsman-cost-usd"])
        assert cost == pytest.approx((reading.cost_picousd + answering.cost_picousd) / 1e12)
        kinds = [kind for kind in await served.kinds() if kind in ("decision", "outcome")]
        assert kinds == ["decision", "outcome", "decision", "outcome"], "recorded before it is called, and read before it is decided"


async def test_both_decisions_come_out_again(serve: Serve, learned: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    async with serve(pool(), **setting(learned, policies=[POLICY])) as served:
        await served.chat("auto", QUESTION)
        kept, snapshot = await records(served), served.service.gateway.world.snapshot
        for one in kept.values():
            again = remake(one, snapshot_of(await served.service.log.get_snapshot(one.snapshot) or b""))
            assert (again.plan, again.route) == (one.plan, one.route)
            with pytest.raises(ClearanceError):
                again.clear("inside" if one.request.reads_for else "reader")
            shown = await served.ask(f"/v1/decisions/{one.request.id}", method="GET")
            assert (shown.status, shown.json["model"]) == (200, one.plan.models[0] if one.plan else None)
        assert snapshot.reads is not None
        log = served.folder / "log.db"
    asked = kept["asked"].request.id
    assert read_log(log, {(asked, "inside"): 1.0}).models == ("inside",), "what answers nobody is no outcome to learn from"
    assert await asyncio.to_thread(main, ["replay", "--log", str(log)]) == 0
    assert "2 decisions made again: 2 identical, 0 not" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["audit", "verify", "--log", str(log)]) == 0


async def test_each_call_needs_the_clearance_of_its_own_decision(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        gateway = served.service.gateway
        decided = await gateway.decide(Inquiry(json.dumps(chat("auto", QUESTION)).encode(), Caller("k"), {}))
        with pytest.raises(ClearanceError):
            decided.decision.clear("reader")
        await (await gateway.answer(decided)).aclose()


SAYS_DOMAIN = {"name": "food stays", "when": "signals.domain == 'food'", "require": {"perimeter": ["on_prem"]}}
ALWAYS = {"name": "always", "require": {"perimeter": ["on_prem"]}}


@pytest.mark.parametrize(
    ("more", "headers", "why"),
    [
        ({"policies": [POLICY]}, {"x_pointsman_labels": "phi"}, "perimeter is `external`, policy `phi stays` requires `on_prem`"),
        ({"policies": [POLICY], "routes": {"auto": {"models": ["inside"], "labels": ["phi"]}}}, {}, "policy `phi stays`"),
        ({"policies": [{**ALWAYS, "scope": {"routes": ["auto"]}}]}, {}, "policy `always` requires `on_prem`"),
        ({"policies": [{**ALWAYS, "require": {"region": ["eu"]}}]}, {}, "region is not stated"),
        ({"policies": [{**ALWAYS, "require": {"approved": True}}]}, {}, "not approved"),
        ({"policies": [{"name": "none", "forbid": {"model": ["reader"]}}]}, {}, "which policy `none` forbids"),
        ({"policies": [SAYS_DOMAIN]}, {}, "policy `food stays` requires `on_prem`"),
        ({"rules": [{"when": "signals.domain == 'food'", "labels": ["phi"]}], "policies": [POLICY]}, {}, "policy `phi stays`"),
        ({"rules": [{"when": "true", "exclude": ["reader"]}]}, {}, "excluded by rule"),
    ],
    ids=["label", "route's label", "route's policy", "region", "approval", "model", "what is not known yet", "a label it may give", "rule"],
)
async def test_no_word_goes_where_a_gate_refuses_it(
    serve: Serve, learned: dict[str, str], more: dict[str, object], headers: dict[str, str], why: str
) -> None:
    async with serve(pool(), **setting(learned, **more)) as served:
        answer = await served.ask(body=chat("auto", QUESTION), **headers)
        assert answer.status == 200, answer.body
        await refused(served, why)
        read = (await records(served))["read"]
        assert read.plan is None


async def refused(served: Served, why: str) -> None:
    """Nothing was read; the request was answered, and its record says why it was not."""
    assert sent(served) == []
    signals = (await records(served))["asked"].signals
    assert why in signals.unread
    assert signals.domain == ""
    assert [one.model for one in await served.outcomes() if one.ok] == ["inside"]


async def test_what_a_condition_asks_of_the_client_is_known(serve: Serve, learned: dict[str, str]) -> None:
    """Conditions on what stands in the request are judged as for the request itself."""
    rules = [{"when": "tokens.input > 100000 || request.messages > 5 || metadata.team == 'x'", "require": {"perimeter": ["on_prem"]}}]
    policies = [{**SAYS_DOMAIN, "when": "'search' in request.tools || size(labels) > 3"}]
    async with serve(pool(), **setting(learned, rules=rules[:0], policies=policies)) as served:
        await served.chat("auto", QUESTION)
        assert len(sent(served)) == 1
        tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
        assert (await served.chat("auto", QUESTION, tools=[tool])).status == 200
        assert len(sent(served)) == 1
    async with serve(pool(), **setting(learned, rules=rules, store={"path": str(served.folder / "other.db")})) as served:
        await served.chat("auto", QUESTION)
        await refused(served, "requires `on_prem`")


async def test_a_key_that_may_not_use_the_model_has_nothing_read(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        key = await served.key(name="k", models=("inside",))
        assert (await served.ask(body=chat("auto", QUESTION), key=key)).status == 200
        await refused(served, "may not use `reader`")


async def test_a_hard_budget_pays_for_reading_or_nothing_is_read(serve: Serve, learned: dict[str, str]) -> None:
    dear = {"input": 1_000_000, "output": 1_000_000}
    async with serve(pool(price=dear), **setting(learned, budgets=[{"name": "all", "usd": 1, "per": "never"}])) as served:
        assert (await served.chat("auto", QUESTION)).status == 200
        assert sent(served) == []
        assert "reader" in (await records(served))["asked"].signals.unread
    async with serve(
        pool(), **setting(learned, budgets=[{"name": "all", "usd": 1, "per": "never"}], store={"path": str(served.folder / "o.db")})
    ) as served:
        assert (await served.chat("auto", QUESTION)).status == 200
        assert (await records(served))["asked"].signals.domain == "food"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("hang", "timeout"),
        ("error-500", "server_error"),
        ("reset", "unreachable"),
        ("wrong-shape", "broken"),
        ("empty", "broken"),
        ("error-429", "rate_limit"),
    ],
)
async def test_a_call_that_fails_is_not_waited_for_again_and_fails_nothing(serve: Serve, tmp_path: Path, script: str, why: str) -> None:
    learned = {"domain": _trained(tmp_path / "domain.classifier", f"{script}@reader")}
    async with serve(pool(script), **setting(learned, embedding=remote(timeout_ms=80))) as served:
        answer = await served.chat("auto", QUESTION)
        assert answer.status == 200
        assert len(sent(served)) == 1
        signals = (await records(served))["asked"].signals
        assert signals.unread.startswith("`reader`: ")
        assert why in signals.unread
        assert signals.domain == ""
        reading, answering = await served.outcomes()
        assert (reading.model, reading.ok, answering.model, answering.ok) == ("reader", False, "inside", True)


async def test_a_model_out_of_service_is_not_asked_to_read(serve: Serve, tmp_path: Path) -> None:
    learned = {"domain": _trained(tmp_path / "domain.classifier", "hang@reader")}
    health = {"failures": 2, "window": 2}
    async with serve(pool("hang"), **setting(learned, embedding=remote(timeout_ms=40), health=health)) as served:
        for _ in range(2):
            await served.chat("auto", QUESTION)
        await soon(lambda: "reader" in served.service.gateway.world.snapshot.health)
        assert (await served.chat("auto", QUESTION)).status == 200
        assert len(sent(served)) == 2
        assert "out of service" in (await records(served))["asked"].signals.unread


async def test_nor_in_the_moment_before_that_is_known(serve: Serve, tmp_path: Path) -> None:
    """What answers nobody is no last resort."""
    learned = {"domain": _trained(tmp_path / "domain.classifier", "hang@reader")}
    health = {"failures": 2, "window": 2}
    async with serve(pool("hang"), **setting(learned, embedding=remote(timeout_ms=40), health=health)) as served:
        served.service.gateway.live.watch.changed.clear()
        for _ in range(3):
            assert (await served.chat("auto", QUESTION)).status == 200
        assert len(sent(served)) == 2
        assert (await records(served))["asked"].signals.unread == "`reader`: upstream_unavailable"
        assert [one.attempt for one in await served.outcomes() if one.model == "reader"] == [1, 1, 0]


async def test_a_limit_of_its_account_is_kept(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(limits={"requests_per_minute": 1}), **setting(learned)) as served:
        for _ in range(2):
            assert (await served.chat("auto", QUESTION)).status == 200
        assert len(sent(served)) == 1
        assert (await records(served))["asked"].signals.unread == "`reader`: upstream_unavailable"


async def test_a_client_that_leaves_while_it_is_read_takes_that_call_with_it(serve: Serve, tmp_path: Path) -> None:
    learned = {"domain": _trained(tmp_path / "domain.classifier", "hang@reader")}
    async with serve(pool("hang"), **setting(learned, embedding=remote(timeout_ms=60_000))) as served:
        connection = await served.connect()
        await connection.request("/v1/chat/completions", chat("auto", QUESTION), key=OPERATOR)
        await served.upstream.until(lambda: served.ledger)
        connection.close()
        await served.upstream.until(lambda: served.ledger[0].left_at)
        await served.quiet()
        [outcome] = await served.outcomes()
        assert (outcome.model, outcome.status, outcome.error) == ("reader", "aborted", "client_disconnected")
        assert (await records(served)).keys() == {"read"}, "nothing was decided for it"


async def test_a_gateway_that_stops_does_not_go_on_without_what_was_to_be_read(serve: Serve, tmp_path: Path) -> None:
    learned = {"domain": _trained(tmp_path / "domain.classifier", "hang@reader")}
    async with serve(pool("hang"), **setting(learned, embedding=remote(timeout_ms=60_000))) as served:
        asking = asyncio.create_task(served.chat("auto", QUESTION))
        await served.upstream.until(lambda: served.ledger)
        served.service.gateway.cut(ShuttingDown("the gateway stops"))
        assert (await asking).status == 503
        assert len(served.ledger) == 1


@pytest.mark.parametrize("api", ["responses", "messages", "completions", "embeddings"])
async def test_whatever_the_api_it_is_read_the_same(serve: Serve, learned: dict[str, str], api: str) -> None:
    asked = {"messages": {"max_tokens": 9, **chat("auto", QUESTION)}, "completions": {"model": "auto", "prompt": QUESTION}}
    able = [model("inside", apis=["chat", "embeddings"]), *pool()[1:]]
    async with serve(able, **setting(learned)) as served:
        assert (await served.ask(f"/v1/{api}", asked.get(api, {"model": "auto", "input": QUESTION}))).status in (200, 403)
        assert sent(served)[0] == {"model": "ok@reader", "input": [QUESTION]}
        assert (await records(served))["asked"].signals.domain == "food"


async def test_a_stream_is_read_before_it_begins(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        answer = await served.chat("auto", QUESTION, stream=True)
        assert answer.status == 200
        assert b"[DONE]" in answer.body
        assert (await records(served))["asked"].signals.domain == "food"


async def test_vectors_of_another_size_are_none(serve: Serve, learned: dict[str, str], tmp_path: Path) -> None:
    texts, labels = list(TOPICS) * 4, list(TOPICS.values()) * 4
    path = tmp_path / "small.classifier"
    path.write_bytes(classifier.fit(texts, labels, known(texts, "remote-8-768-openai-compatible/ok@reader", 8), sure=0.0).dump())
    async with serve(pool(), **setting({"domain": str(path)}, embedding=remote(dims=8))) as served:
        assert (await served.chat("auto", QUESTION)).status == 200
        signals = (await records(served))["asked"].signals
        assert signals.unread == "`reader`: it holds vectors of 256 numbers, `embedding.dims` says 8: or they are no direction"
        assert signals.domain == ""


async def test_values_are_masked_before_anything_is_cut(serve: Serve, learned: dict[str, str]) -> None:
    """Half a card number would tell nobody that it is one."""
    text = "egg " * 120 + "my card is 4111 1111 1111 1111, write to jane.doe@example.org " + "and so on " * 60
    sensitivity = {"detect": "on", "mask": {"kinds": ["pii", "financial"], "perimeters": ["external"]}}
    async with serve(pool(), **setting(learned, sensitivity=sensitivity)) as served:
        for before in range(0, 60, 3):
            await served.chat("auto", f"{'x' * before} {text}")
        assert len(sent(served)) == 20
        for body in sent(served):
            assert "1111" not in json.dumps(body)
            assert "jane" not in json.dumps(body)
        assert any("PM_" in json.dumps(body) for body in sent(served))


async def test_what_cannot_be_masked_is_not_read(serve: Serve, learned: dict[str, str]) -> None:
    sensitivity = {"detect": "on", "mask": {"kinds": ["pii", "financial"], "perimeters": ["external"]}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    able = pool()
    able[0]["capabilities"] = {"vision": True}
    async with serve(able, **setting(learned, sensitivity=sensitivity)) as served:
        body = {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}, picture]}]}
        assert (await served.ask(body=body)).status == 200
        assert sent(served) == []
        assert "must not see" in (await records(served))["asked"].signals.unread


async def test_dry_runs_call_nothing_and_say_so(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        shown = await served.ask("/v1/explain", chat("auto", QUESTION))
        assert shown.json["signals"]["unread"] == "no model is called here, and it takes one to read it"
        counted = await served.ask("/v1/messages/count_tokens", {"model": "auto", "messages": [{"role": "user", "content": QUESTION}]})
        assert counted.status == 200
        assert served.ledger == []
        assert "decision" not in await served.kinds()


async def test_the_words_of_nobody_are_not_sent(serve: Serve, learned: dict[str, str]) -> None:
    async with serve(pool(), **setting(learned)) as served:
        assert (await served.chat("auto", "  ")).status == 200
        assert sent(served) == []
        assert (await served.chat("nowhere", QUESTION)).status == 404
        assert sent(served) == []


async def test_what_was_learned_of_models_uses_the_same_call(serve: Serve, tmp_path: Path, learned: dict[str, str]) -> None:
    outcomes = generate(World(queries=120, models=2, specialism=2.0), 3).outcomes
    texts = [text for query in outcomes.queries for text in whole_and_end(query.text)]
    embedder = known(texts, "remote-256-768-openai-compatible/ok@reader")
    (tmp_path / "quality.bundle").write_bytes(bundle.dump(Blend(embedder, SMALL).fit(outcomes, seed=1)))
    models = [model("model-0"), model("model-1"), *pool()[1:]]
    told = {"bundle": str(tmp_path / "quality.bundle")}
    text = " ".join(f"word{at}" for at in range(60))
    async with serve(models, **setting(learned, routes={"auto": {"dial": 1.0}}, learned=told)) as served:
        assert (await served.chat("auto", text)).status == 200
        signals = (await records(served))["asked"].signals
        assert [one.model for one in signals.predicted] == ["model-0", "model-1"]
        assert signals.domain
        [body] = sent(served)
        assert tuple(body["input"]) == whole_and_end(text)
        fitted = bundle.load((tmp_path / "quality.bundle").read_bytes(), replace(known(whole_and_end(text), embedder.name), strict=False))
        assert isinstance(fitted, Blended)
        expected = fitted.one(Query("", text)).quality
        assert [one.quality for one in signals.predicted] == pytest.approx(expected, abs=1e-4)
        snapshot = served.service.gateway.world.snapshot
        assert remake((await records(served))["asked"], snapshot).chosen == (await served.outcomes())[-1].model


PROMISE = {"name": "phi stays", "labels": ["phi"], "only": {"perimeter": ["on_prem"]}}


@pytest.mark.parametrize(("policies", "proved"), [([POLICY], True), ([], False), ([{**POLICY, "scope": {"routes": ["auto"]}}], False)])
def test_promises_are_proved_of_what_reads_as_well(
    tmp_path: Path, learned: dict[str, str], capsys: pytest.CaptureFixture[str], policies: list[object], proved: bool
) -> None:
    upstream = {"base_url": "http://127.0.0.1:9/v1"}
    models = [{**one, **upstream} for one in (model("inside", perimeter="on_prem"), model("reader", apis=["embeddings"]))]
    routes = {name: {"models": ["inside"]} for name in ("auto", "other")}
    said = {"version": 1, "models": models, "routes": routes, "classifiers": learned, "embedding": remote(), "promises": [PROMISE]}
    file = tmp_path / "pointsman.yaml"
    file.write_text(json.dumps({**said, "policies": policies, "store": {"path": str(tmp_path / "none.db")}}))
    assert main(["check", "--config", str(file), "--json"]) == (0 if proved else 1)
    found = json.loads(capsys.readouterr().out)
    assert [one["ok"] for one in found["promises"]] == [proved]
    cells = {(cell["route"], cell["label"]): cell["models"] for cell in found["reach"]}
    assert cells["other", "(none)"] == ["inside", "reader"]
    assert cells["other", "phi"] == (["inside"] if proved else ["inside", "reader"])


async def test_people_see_what_was_read_and_what_was_not(serve: Serve, learned: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    async with serve(pool(), **setting(learned, policies=[POLICY])) as served:
        await served.ask(body=chat("auto", QUESTION), x_pointsman_labels="phi")
        await served.chat("auto", QUESTION)
        models = [{"base_url": served.upstream.base_url, **one} for one in pool()]
        store = {"path": str(served.folder / "log.db")}
        file = served.folder / "pointsman.yaml"
        file.write_text(json.dumps({"version": 1, "models": models, **setting(learned, policies=[POLICY]), "store": store}))
        kept = [from_json(DecisionRecord, one.body).request.id for one in reversed(await served.service.log.recent(9, kind="decision"))]
        calls = len(served.ledger)
        for arguments, status, seen in (
            ([QUESTION], 0, "unread    no model is called here"),
            (["--decision", kept[1]], 0, "unread    `reader`: perimeter is `external`, policy `phi stays` requires `on_prem`"),
            (["--decision", kept[0]], 1, "every candidate was refused"),
            (["--decision", kept[3]], 0, "domain food"),
            (["--decision", kept[3][:-1]], 0, "domain food"),
            (["--decision", kept[2]], 0, f"reads     what {kept[3]} asks"),
        ):
            assert await asyncio.to_thread(main, ["explain", *arguments, "--config", str(file)]) == status
            assert seen in capsys.readouterr().out
        assert len(served.ledger) == calls


def wrong(**said: object) -> str:
    models = [{**one, "base_url": "http://127.0.0.1:9/v1"} for one in pool()]
    whole = {"version": 1, "models": models, "routes": {"auto": {"models": ["inside"]}}, "embedding": remote(), **said}
    with pytest.raises(ConfigError) as error:
        learning_of(load(json.dumps(whole), "test.yaml", {}))
    return str(error.value)


def test_what_cannot_be_is_refused_with_its_cure(learned: dict[str, str], tmp_path: Path) -> None:
    assert "needs `model`" in wrong(embedding={"kind": "remote"})
    assert "unknown model `raeder`; did you mean `reader`?" in wrong(embedding=remote(model="raeder"))
    assert "give it `apis: [embeddings]`" in wrong(embedding=remote(model="inside"))
    assert "train a classifier" in wrong(intents={"food": ["egg", "soup"], "travel": ["train", "ticket"]})
    assert "of `kind: remote`" in wrong(embedding={"kind": "shipped", "dims": 3})
    assert "write `kind: dense`" in wrong(embedding=remote(path="folder"))
    assert "train it again" in wrong(embedding=remote(dims=255), classifiers=learned)


def test_no_share_of_premium_models_counts_what_reads_every_request() -> None:
    cap = {"name": "few", "dearer_than_usd": 1, "at_most": 0.1}
    models = [{**one, "base_url": "http://127.0.0.1:9/v1"} for one in pool()]
    whole = {"version": 1, "models": models, "routes": {"auto": {}}, "embedding": remote(), "premium_shares": [cap]}
    config = load(json.dumps(whole), "test.yaml", {})
    with pytest.raises(ConfigError, match="`reader` is premium and reads every request"):
        tally_of(config, current_snapshot(config, NOTHING)[0])
