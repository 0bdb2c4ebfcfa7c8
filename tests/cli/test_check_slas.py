"""`pointsman check` names a level of service that would keep everybody out before anything was measured. It warns, and passes."""

from __future__ import annotations

import json

import pytest

from pointsman.build.world import offline_world
from pointsman.cli import main
from pointsman.cli.check_slas import sla_remarks
from pointsman.config.load import load

SLOW = "p95 is expected to be 8,780 ms (a prior: fewer than 30 calls are measured), SLA is 500 ms"
REMARK = (
    "{}: keeps out every model of route `auto` that may answer: {}: whom it refuses gets no calls that could be measured: state `speed` of"
    " the models, or write `breach: penalise`"
)
GUESSED = SLOW.replace("a prior:", "a guess, as its `speed` is not stated, and")


def model(name: str, **more: object) -> dict[str, object]:
    return {"id": name, "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "quality": {"general": 0.9}, **more}


def said(models: list[dict[str, object]], **more: object) -> str:
    return json.dumps({"version": 1, "models": models, "routes": {"auto": {}}, **more})


SLA = {"p95_ms": 500}
FAST = model("fast", speed={"ttft_ms": 50, "ms_per_output_token": 0.1, "round_trip_ms": 5})
STATED = model("slow", speed={"ttft_ms": 500, "ms_per_output_token": 15, "p95_over_p50": 2})


@pytest.mark.parametrize(
    ("config", "remarks"),
    [
        (said([model("a")], routes={"auto": {"sla": SLA}}), (REMARK.format("routes.auto.sla", f"`a`: {GUESSED}"),)),
        (said([model("a"), FAST], routes={"auto": {"sla": SLA}}), ()),
        (said([STATED], routes={"auto": {"sla": SLA}}), (REMARK.format("routes.auto.sla", f"`slow`: {SLOW}"),)),
        (said([model("a")], tasks={"code": {"sla": SLA}}), (REMARK.format("tasks.code.sla", f"`a`: {GUESSED}"),)),
        (said([model("a")], routes={"auto": {"sla": SLA | {"breach": "penalise"}}}), ()),
        (said([model("a")], routes={"auto": {"sla": SLA, "on_none": "least_bad"}}), ()),
        (said([model("a")]), ()),
    ],
)
def test_who_is_never_asked_is_named_with_the_cure(config, remarks):
    assert sla_remarks(offline_world(load(config, "test", {}))) == remarks


def test_check_tells_it_and_passes(tmp_path, capsys):
    file = tmp_path / "pointsman.yaml"
    file.write_text(said([model("a")], routes={"auto": {"sla": SLA}}, store={"path": str(tmp_path / "log.db")}))
    assert main(["check", "--config", str(file)]) == 0
    assert f"warning: {REMARK.format('routes.auto.sla', f'`a`: {GUESSED}')}" in capsys.readouterr().out
