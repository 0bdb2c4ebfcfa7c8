"""`pointsman check` remarks upon what `serve` refuses on this machine, and upon what workers do not share. It warns, and passes."""

from __future__ import annotations

import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.cli.serve import _located
from pointsman.cli.source import source

POOL = """
version: 1
models:
  - {id: own, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1"}
MORE
routes: {auto: {}}
"""
NOVA = "  - {id: nova, provider: bedrock, model: amazon.nova-lite-v1:0, region: eu-central-1}"
MISSING = (
    "warning: pointsman.yaml: models[1]: `nova` has `provider: bedrock`, whose library is not installed here: pip install 'pointsman[aws]';"
    " `pointsman serve` refuses it here"
)
WORKERS = (
    "server.workers: each keeps answers of the Responses API in its own memory: going on from one works by chance only:"
    " write `store.responses: sealed` or `store.content: true`, or `store.responses_ttl_s: 0` to keep none"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pointsman.yaml"


@pytest.mark.skipif(not find_spec("botocore"), reason="needs the extra `aws` (botocore)")
@pytest.mark.parametrize("missing", [False, True])
def test_a_library_that_is_missing_here_is_remarked_upon(capsys, file, monkeypatch, missing):
    file.write_text(POOL.replace("MORE", NOVA))
    if missing:
        monkeypatch.setitem(sys.modules, "botocore", None)
    assert main(["check"]) == 0
    assert (MISSING in capsys.readouterr().out.splitlines()) is missing


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ("server: {workers: 2}", True),
        ("server: {workers: 2}\nstore: {responses: memory, content: true}", True),
        ("server: {workers: 2}\nstore: {responses: sealed}", False),
        ("server: {workers: 2}\nstore: {content: true}", False),
        ("server: {workers: 2}\nstore: {responses_ttl_s: 0}", False),
        ("server: {workers: 1}", False),
    ],
)
def test_responses_that_workers_do_not_share_are_remarked_upon(capsys, file, more, warned):
    file.write_text(POOL.replace("MORE", "") + more)
    assert main(["check"]) == 0
    assert (f"warning: pointsman.yaml: {WORKERS}" in capsys.readouterr().out.splitlines()) is warned


@pytest.mark.parametrize(("in_file", "workers", "told"), [(1, 2, 1), (2, 2, 1), (1, None, 0), (2, None, 1)])
def test_serve_remarks_upon_workers_of_its_flag_too(file, in_file, workers, told):
    file.write_text(POOL.replace("MORE", f"server: {{workers: {in_file}}}"))
    given = Namespace(config=file, host=None, port=None, workers=workers)
    assert sum(WORKERS in note for note in _located(source(given), given).notes) == told
