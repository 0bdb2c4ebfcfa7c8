"""`pointsman keys`: on the store's file, with no server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli import main
from pointsman.stores.keys import key_hash, parse
from pointsman.stores.keys_trail import compare
from pointsman.stores.logfile import verify


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def keys(*arguments: str) -> tuple[int, str, str]:
        status = main(("keys", *arguments, "--store", "log.db"))
        said = capsys.readouterr()
        return status, said.out, said.err

    return keys


def made(run: Any, *arguments: str) -> Any:
    status, out, err = run("create", *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def test_a_key_is_made_shown_once_and_kept_as_a_hash(run, folder):
    asked = ("--org", "acme", "--team", "ml", "--new-team", "--name", "ci", "--role", "operator", "--route", "auto", "--route", "fast")
    asked += ("--model", "m", "--label", "pii", "--allow-label", "restricted", "--requests-per-minute", "60", "--tokens-per-minute", "9000")
    key = made(run, *asked, "--expires-in", "90d")
    public, secret = parse(key["key"])
    assert {name: key[name] for name in ("id", "org", "team", "name", "role", "routes", "models", "labels", "allowed_labels", "state")} == {
        "id": public,
        "org": "acme",
        "team": "ml",
        "name": "ci",
        "role": "operator",
        "routes": ["auto", "fast"],
        "models": ["m"],
        "labels": ["pii"],
        "allowed_labels": ["restricted"],
        "state": "active",
    }
    assert (key["requests_per_minute"], key["tokens_per_minute"], key["created_by"]) == (60, 9000, "command-line")
    assert abs(key["expires_at"] - time.time() - 90 * 86_400) < 100
    _, out, _ = run("show", public, "--json")
    assert json.loads(out) == {name: value for name, value in key.items() if name != "key"}
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert secret.encode() not in content
    assert key_hash(secret) in content


def test_people_get_a_table_and_the_text_once(run):
    status, out, _ = run("create", "--name", "first")
    assert (status, out.count("pm_")) == (0, 1)
    assert "shown this once" in out
    public, _ = parse(out.split("\n\n")[1].split("\n")[0])
    _, out, _ = run("list")
    assert [line.split() for line in out.splitlines()] == [
        ["id", "name", "org", "team", "role", "state", "expires"],
        [public, "first", "-", "-", "caller", "active", "never"],
    ]
    assert "pm_" not in run("show", public)[1]


def test_keys_are_listed_by_where_they_belong(run):
    for org, team in (("acme", "ml"), ("acme", "ops"), ("rival", "ml")):
        made(run, "--org", org, "--team", team, "--new-team")
    for place, count in (((), 3), (("--org", "acme"), 2), (("--org", "acme", "--team", "ml"), 1), (("--org", "nobody"), 0)):
        assert len(json.loads(run("list", *place, "--json")[1])) == count
    assert run("list", "--org", "nobody")[1] == "there is no key\n"


def test_a_key_is_renewed_and_revoked(run):
    key = made(run)
    _, out, _ = run("rotate", key["id"], "--grace", "1h", "--json")
    renewed = json.loads(out)
    assert parse(renewed["key"])[0] == key["id"]
    assert renewed["key"] != key["key"]
    assert renewed["old_secret_until"] > time.time()
    for _ in range(2):
        _, out, _ = run("revoke", key["id"], "--json")
        assert json.loads(out)["state"] == "revoked"
    assert run("rotate", key["id"]) == (2, "", f"key `{key['id']}` was revoked: make another\n")
    assert verify("log.db").ok


def test_orgs_and_teams_are_listed_limited_and_closed(run):
    made(run)
    assert run("orgs")[1] == "there is none\n"
    for team in ("ml", "ops"):
        made(run, "--org", "acme", "--team", team, "--new-team")
    changed = json.loads(run("change", "--org", "acme", "--team", "ml", "--requests-per-minute", "60", "--label", "pii", "--json")[1])
    assert (changed["object"], changed["id"], changed["requests_per_minute"], changed["labels"]) == ("team", "ml", 60, ["pii"])
    run("change", "--org", "acme", "--tokens-per-minute", "9000", "--name", "Acme")
    assert [line.split() for line in run("orgs")[1].splitlines()[1:]] == [["acme", "-", "Acme", "open", "no", "limit", "9,000"]]
    assert json.loads(run("close", "--org", "acme", "--team", "ops", "--json")[1])["closed_at"] is not None
    assert [line.split()[:3] for line in run("teams", "--org", "acme")[1].splitlines()[1:]] == [
        ["acme", "ml", "open"],
        ["acme", "ops", "closed"],
    ]
    assert [(key["team"], key["state"]) for key in json.loads(run("list", "--json")[1])] == [
        ("", "active"),
        ("ml", "active"),
        ("ops", "closed"),
    ]
    lifted = json.loads(run("change", "--org", "acme", "--team", "ml", "--lift", "requests_per_minute", "--lift", "labels", "--json")[1])
    assert (lifted["requests_per_minute"], lifted["labels"]) == (None, [])
    assert compare(Path("log.db")).ok


def test_a_key_is_changed(run):
    key = made(run, "--route", "auto", "--expires-in", "1h", "--name", "old")
    changed = json.loads(
        run("change", key["id"], "--name", "new", "--role", "auditor", "--lift", "routes", "--lift", "expires_at", "--json")[1]
    )
    assert {name for name in key if name != "key" and key[name] != changed[name]} == {"name", "role", "routes", "expires_at"}
    assert (changed["name"], changed["role"], changed["routes"], changed["expires_at"]) == ("new", "auditor", None, None)


CONFIG = """
version: 1
models: [{id: big, provider: p, base_url: "http://h/v1"}]
routes: {auto: {}}
store: {path: log.db}
"""


def test_names_that_the_configuration_does_not_know_are_warned_of(folder, run, capsys):
    (folder / "pointsman.yaml").write_text(CONFIG)
    for arguments, said in (
        (("--route", "atuo"), "warning: there is no route or model `atuo`: did you mean `auto`?\n"),
        (("--model", "bgi"), "warning: there is no model `bgi`: did you mean `big`?\n"),
        (("--label", "finacial"), "warning: there is no label `finacial`: did you mean `financial`?\n"),
        (("--route", "auto", "--route", "big", "--model", "big", "--label", "pii"), ""),
    ):
        assert main(("keys", "create", *arguments)) == 0
        assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nothing"), "there is no key `nothing`"),
        (("revoke",), "wants the key's id"),
        (("create", "--org", "nix"), "there is no open org `nix`: make it first; `--new-team` makes it"),
        (("change", "x", "--name", "n"), "there is no key `x`"),
        (("change", "--name", "n"), "wants --org"),
        (("change", "x"), "wants what is to change"),
        (("change", "--org", "nix", "--name", "n"), "there is no org `nix`"),
        (("change", "--org", "nix", "--role", "admin"), "teams and orgs have no `role`"),
        (("close",), "wants --org"),
        (("close", "x", "--org", "nix"), "a key is revoked"),
        (("teams", "--team", "ml"), "--team needs --org"),
        (("create", "--team", "ml"), "team `ml` needs an org"),
        (("create", "--new-team"), "--new-team needs --org"),
        (("create", "--org", "Not OK", "--new-team"), "`--org` takes 1 to 64 characters"),
        (("create", "--expires-in", "soon"), "--expires-in takes a number with s, m, h or d, such as 90d, not `soon`"),
        (("create", "--requests-per-minute", "0"), "`requests_per_minute` takes a whole number from 1"),
        (("create", "--name", "two\nlines"), "`name` takes a text"),
        (("rotate", "x", "--grace", "8d"), "--grace takes a week at most"),
        (("list", "--team", "ml"), "--team needs --org"),
    ],
)
def test_a_mistake_is_said_with_its_cure(run, arguments, said):
    made(run)
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_without_a_store_there_is_nothing_to_show(run):
    assert run("list") == (2, "", "log.db: no such store: make a first key with `pointsman keys create`, or name the file with --store\n")
