"""The commands that need no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.errors import ConfigError
from pointsman.server.run import check_operator_key

CONFIG = """
version: 1
models:
  - {id: inside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, price: {input: 1, output: 2}, quality: {general: 0.4}}
  - {id: outside, provider: openai, api_key: k-123456789, model: gpt-4o-mini, quality: {general: 0.9}}
policies:
  - {name: health data stays inside, when: '"phi" in labels', require: {perimeter: [on_prem]}}
routes:
  auto: {weights: {quality: 1}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.yaml").write_text(CONFIG)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_explain_shows_candidates_terms_and_refusals(capsys):
    status, out, _ = run(capsys, "explain", "hello", "--label", "phi")
    assert status == 0
    assert "-> inside" in " ".join(out.split())
    assert "outside: [perimeter] perimeter is `external`, policy `health data stays inside` requires `on_prem`" in out
    status, out, _ = run(capsys, "explain", "hello", "--json")
    shown = json.loads(out)
    assert shown["model"] == "outside"
    assert shown["candidates"][0]["price"]["source"].startswith("genai-prices")
    assert shown["candidates"][0]["price"]["as_of"]


def test_explain_of_something_nobody_may_answer_exits_1(capsys):
    status, out, _ = run(capsys, "explain", "hello", "--route", "outside", "--label", "phi")
    assert status == 1
    assert "every candidate was refused" in out


def test_check_prints_what_each_route_and_label_can_reach(capsys):
    status, out, _ = run(capsys, "check", "--json")
    reach = {cell["label"]: cell["models"] for cell in json.loads(out)["reach"] if cell["route"] == "auto"}
    assert status == 0
    assert reach["phi"] == ["inside"]
    assert reach["pii"] == ["inside", "outside"]


def test_check_fails_for_a_route_without_a_legal_model(capsys, folder):
    (folder / "pointsman.yaml").write_text(CONFIG + "  stuck: {models: [outside]}\n" + "")
    text = (
        (folder / "pointsman.yaml")
        .read_text()
        .replace("policies:\n", "policies:\n  - {name: none outside, require: {perimeter: [on_prem]}}\n")
    )
    (folder / "pointsman.yaml").write_text(text)
    status, out, _ = run(capsys, "check")
    assert status == 1
    assert "route `stuck`: no model may ever answer it" in out


def test_models_lists_prices_and_who_says_so(capsys):
    status, out, _ = run(capsys, "models")
    assert status == 0
    assert "genai-prices" in out
    assert "k-123456789" not in out


def test_init_writes_a_file_that_loads_and_never_overwrites(capsys, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-the-environment")
    (folder / "pointsman.yaml").unlink()
    assert run(capsys, "init")[0] == 0
    text = (folder / "pointsman.yaml").read_text()
    assert "${OPENAI_API_KEY}" in text
    assert "sk-a-key" not in text
    assert run(capsys, "check")[0] == 0
    status, _, err = run(capsys, "init")
    assert (status, "exists already" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain",), "name one thing to explain"),
        (("explain", "a", "--decision", "b"), "name one thing to explain"),
        (("explain", "hi", "--route", "autp"), "no route or model `autp`"),
        (("explain", "hi", "--config", "absent.yaml"), "absent.yaml"),
        (("explain", "--decision", "dec_x"), "no such log"),
        (("audit", "verify"), "no such log"),
        (("explain", "hi", "--label", "not a label"), "is not a name"),
        (("explain", "--request", "absent.json"), "absent.json"),
    ],
)
def test_a_mistake_is_said_in_one_sentence(capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("key", ["", "sk-1234", "changeme", "password", "aaaaaaaaaaaaaaaaaaaaaaaa"])
def test_beyond_loopback_a_weak_key_is_refused(key):
    with pytest.raises(ConfigError, match="refusing to listen on"):
        check_operator_key(key, "0.0.0.0")
    assert check_operator_key(key, "127.0.0.1").startswith("warning")


def test_a_strong_key_or_none_is_fine_anywhere():
    assert check_operator_key(None, "0.0.0.0") is None
    assert check_operator_key("Zk3vq9TtWm2Lx8RbYc5NsJd7", "0.0.0.0") is None


def test_explain_says_what_sensitive_data_was_found(capsys):
    status, out, _ = run(capsys, "explain", "her medical record number is MRN 0048213, jane.doe@example.org")
    assert status == 0
    assert "found     pii by email at /messages/0/content (0.95)" in out
    assert "jane.doe" not in out
