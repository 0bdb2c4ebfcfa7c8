"""`pointsman check` names whom no call is left for, and a confidence that lacks what it was learned with. It warns, and passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.cli.check_plans import plan_remarks
from pointsman.config.schema import Config, LearnedConfig
from pointsman.core.plan import Accept, Cascade, Ensemble, Execution, Retry
from pointsman.core.rule import Effects, Rule
from pointsman.core.snapshot import Route
from pointsman.policy.cel import compile_condition
from tests.worlds import Model, snapshot

NAMES = ("a", "b", "c", "d")
ABC = Cascade(("a", "b", "c"))
VERIFIED = Cascade(("a", "b", "c"), Accept(verifier="v"))
JUDGED = Ensemble(("a", "b", "c"), vote="judge", judge="v")
FEW = "routes.auto.most_calls: is {}: where no answer does none is left for {}: give {} or more, and more for retries"
RETRIES = "routes.auto.retry.attempts: is {}: where the first model keeps failing none of {} calls is left for `{}`: give fewer, or more `most_calls`"


def remarks(route: Route) -> tuple[str, ...]:
    return plan_remarks(Config(version=1, models=(), routes={}), snapshot([Model(name) for name in (*NAMES, "v")], route))


def auto(plan: str | None = None, most_calls: int = 8, *, fallback: tuple[str, ...] = (), **more: object) -> Route:
    return Route("auto", NAMES[:3], plan=plan, fallback=fallback, execution=Execution(most_calls=most_calls, **more))


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (auto(fallback=("d",)), ()),
        (auto(fallback=("b", "c", "d")), ()),
        (auto(most_calls=3, fallback=("b", "c", "d")), (FEW.format(3, "`d`", 4),)),
        (auto("fallback", 2), (FEW.format(2, "`c`", 3),)),
        (auto("single", 2), ()),
        (auto("cascade", 3, cascade=ABC), ()),
        (auto("cascade", 2, cascade=ABC), (FEW.format(2, "`c`", 3),)),
        (auto("cascade", 3, cascade=ABC, fallback=("d",)), (FEW.format(3, "`d`", 4),)),
        (auto("cascade", 3, cascade=ABC, fallback=("c",)), ()),
        (auto("cascade", 1, cascade=ABC), ()),  # `load` says it
        (auto("cascade", 7, cascade=VERIFIED), ()),
        (auto("cascade", 5, cascade=VERIFIED), ()),  # the verifier leaves a call for the next tier
        (auto("cascade", 5, cascade=VERIFIED, fallback=("d",)), (FEW.format(5, "`d`", 10),)),
        (auto("cascade", 8, cascade=VERIFIED, fallback=("d",)), ()),
        (auto("escalate", 2, cascade=ABC), (RETRIES.format(2, 2, "b"),)),
        (auto("escalate", 2, cascade=ABC, retry=Retry(attempts=1)), ()),
        (auto("escalate", 2, cascade=ABC, fallback=("c", "d")), (FEW.format(2, "`c`, `d`", 4),)),
        (auto("ensemble", 3, ensemble=Ensemble(("a", "b", "c"))), ()),
        (auto("ensemble", 3, ensemble=Ensemble(("a", "b", "c")), fallback=("d",)), (FEW.format(3, "`d`", 4),)),
        (auto("ensemble", 7, ensemble=JUDGED, fallback=("d",)), (FEW.format(7, "`d`", 8),)),
        (auto("ensemble", 8, ensemble=JUDGED, fallback=("d",)), ()),
        (auto("ensemble", 5, ensemble=Ensemble(("a",), samples=5), fallback=("d",)), (FEW.format(5, "`d`", 6),)),
        (auto("cascade", 4, cascade=ABC, retry=Retry(attempts=4)), (RETRIES.format(4, 4, "b"),)),
        (auto(most_calls=2, fallback=("d",)), (RETRIES.format(2, 2, "d"),)),
    ],
)
def test_whom_no_call_is_left_for_is_named(route: Route, said: tuple[str, ...]):
    assert remarks(route) == said


def test_a_rules_plan_counts_too():
    rules = (Rule("r", compile_condition("true"), Effects(plan="cascade")),)
    route = Route("auto", NAMES[:3], rules=rules, execution=Execution(most_calls=2, cascade=ABC, retry=Retry(attempts=1)))
    assert remarks(route) == (FEW.format(2, "`c`", 3),)


@pytest.mark.parametrize(
    ("learned", "warned"),
    [
        (None, False),
        (LearnedConfig(bundle="b"), False),
        (LearnedConfig(bundle="b", confidence="c"), False),
        (LearnedConfig(confidence="c"), True),
    ],
)
def test_a_confidence_without_its_bundle_is_named(learned: LearnedConfig | None, warned: bool):
    said = plan_remarks(Config(version=1, models=(), routes={}, learned=learned), snapshot([Model("a")]))
    assert [one.startswith("learned.confidence: stands without `learned.bundle`") for one in said] == [True] * warned


def test_check_prints_it_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    pool = [{"id": name, "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"} for name in NAMES]
    route = {"plan": "cascade", "cascade": {"tiers": ["a", "b"]}, "most_calls": 2, "retry": {"attempts": 1}, "fallback": ["c", "human"]}
    Path("pointsman.yaml").write_text(json.dumps({"version": 1, "models": pool, "routes": {"auto": route}}))
    assert main(["check"]) == 0
    assert f"warning: {FEW.format(2, '`c`', 3)}\n" in capsys.readouterr().out
