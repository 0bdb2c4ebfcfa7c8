"""`pointsman check`: the table, promises, policy tests from a file, the page and the JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pointsman import __version__
from pointsman.cli import main
from pointsman.config.policies import PolicyTestConfig

CONFIG = """
version: 1
models:
  - {id: inside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, region: eu, approved: true, tags: [soc2]}
  - {id: outside, provider: acme, base_url: "http://127.0.0.1:9/v2", region: us}
policies:
  - {name: health data stays inside, when: '"phi" in labels', require: {perimeter: [on_prem]}}
  - {name: the clinic stays in europe, require: {region: [eu]}, scope: {orgs: [acme], teams: [clinic]}}
  - {name: one key only soc2, require: {tags: [soc2]}, scope: {keys: [k1]}}
promises:
  - {name: phi, labels: [phi], only: {perimeter: [on_prem]}}
routes: {auto: {}, far: {models: [outside]}}
"""
HOLDS = """
version: 1
tests:
  - name: health data stays inside on every route
    labels: [phi]
    only: {perimeter: [on_prem], approved: true, provider: [openai-compatible], region: [eu], model: [inside], tags: [soc2]}
    never: {perimeter: [external], region: [us], provider: [acme], model: [outside], tags: [trains_on_input]}
  - {name: nothing answers it far away, route: far, labels: [phi], refused: true}
  - {name: a model by name passes the same gates, route: outside, labels: [phi], refused: true}
  - {name: everything else goes anywhere, route: auto, reaches: [inside, outside]}
  - {name: restricted data without a kind as well, route: auto, labels: [restricted], reaches: [outside]}
  - {name: the clinic, org: acme, team: clinic, only: {region: [eu]}}
  - {name: another team does not, route: auto, org: acme, team: ml, reaches: [outside]}
  - {name: one key, key: k1, never: {model: [outside]}}
  - {name: by name, route: inside, labels: [phi], reaches: [inside]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.yaml").write_text(CONFIG)
    (tmp_path / "tests.yaml").write_text(HOLDS)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(("check", *arguments))
    said = capsys.readouterr()
    return status, said.out, said.err


def test_tests_that_hold_are_counted(capsys):
    assert all(field.name in HOLDS for field in fields(PolicyTestConfig)), "a field that this file does not use"
    status, out, _ = run(capsys, "--tests", "tests.yaml")
    assert status == 0
    assert "\npointsman.yaml: ok, 1 promise proved, 9 tests held; " in out


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (
            "only: {perimeter: [on_prem]}",
            "on `auto` for anyone: `outside` is within reach: perimeter is `external`, it requires `on_prem`",
        ),
        ("route: outside, only: {perimeter: [on_prem]}", "on `outside` for anyone: `outside` is within reach"),
        ("route: auto, only: {approved: true}", "on `auto` for anyone: `outside` is within reach: not approved, which it requires"),
        ("route: auto, never: {region: [us]}", "on `auto` for anyone: `outside` is within reach: region is `us`, which it forbids"),
        ("team: clinic, only: {region: [eu]}", "on `auto` for team clinic: `outside` is within reach"),
        ("org: acme, only: {region: [eu]}", "on `auto` for org acme: `outside` is within reach"),
        ("key: k2, never: {model: [outside]}", "on `auto` for key k2: `outside` is within reach"),
        ("org: rival, team: clinic, key: k2, only: {region: [eu]}", "on `auto` for org rival and team clinic and key k2: `outside` is"),
        ("labels: [phi], route: auto, refused: true", "on `auto` for anyone: `inside` is within reach"),
        ("labels: [phi], refused: true", "on `(a model by name)` for anyone: `inside` is within reach"),
        (
            "labels: [phi], route: auto, reaches: [outside]",
            "on `auto` for anyone: `outside` is refused: perimeter is `external`, policy `health",
        ),
        (
            "key: k1, route: auto, reaches: [outside]",
            "on `auto` for key k1: `outside` is refused: lacks soc2, which policy `one key only soc2`",
        ),
        ("route: far, reaches: [inside]", "on `far` for anyone: `inside` is no candidate of this route"),
    ],
)
def test_a_test_that_fails_says_where_and_why(capsys, folder, test, said):
    (folder / "tests.yaml").write_text(f"version: 1\ntests:\n  - {{name: t, {test}}}\n")
    status, out, _ = run(capsys, "--tests", "tests.yaml")
    assert status == 1
    assert f"test `t` is broken {said}" in out
    assert "pointsman.yaml: 1 test failed, 1 promise proved; " in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 2\ntests: []", "version: 1:10: expected `1`, got `2`"),
        ("tests: []", "1:1: missing key `version`: version of this format"),
        ("version: 1", "1:1: missing key `tests`: the tests"),
        ("version: 1\ntests: []", "tests: 2:1: is empty: nothing would be tested"),
        ("version: 1\ntests: 3", "tests: 2:8: expected a list"),
        ("version: 1\ntets: []", "tets: 2:1: unknown key `tets`; did you mean `tests`?"),
        ("version: 1\ntests:\n  - {refused: true}", "tests[0]: 3:5: missing key `name`"),
        ("version: 1\ntests:\n  - {name: a}", "tests[0]: 3:5: tests nothing: give `only`, `never`, `reaches` or `refused`"),
        ("version: 1\ntests:\n  - {name: a, refused: maybe}", "tests[0].refused: 3:24: expected `true` or `false`, got `maybe`"),
        ("version: 1\ntests:\n  - {name: a, refused: true, rout: auto}", "tests[0].rout: 3:30: unknown key `rout`; did you mean `route`?"),
        (
            "version: 1\ntests:\n  - {name: a, refused: true, route: autp}",
            "tests[0].route: 3:30: no route or model `autp`; did you mean `auto`?",
        ),
        ("version: 1\ntests:\n  - {name: a, reaches: [inside]}", "tests[0].reaches: 3:15: needs a `route`: it is tried with one request"),
        (
            "version: 1\ntests:\n  - {name: a, route: auto, reaches: [inside], refused: true}",
            "tests[0].refused: 3:47: stands beside `reaches`: give one of them",
        ),
        (
            "version: 1\ntests:\n  - {name: a, route: auto, reaches: [insid]}",
            "tests[0].reaches[0]: 3:38: unknown model `insid`; did you mean `inside`?",
        ),
        (
            "version: 1\ntests:\n  - {name: a, refused: true, labels: [ppi]}",
            "tests[0].labels[0]: 3:39: unknown label `ppi`; did you mean `pii`?",
        ),
        ("version: 1\ntests:\n  - {name: a, only: {}}", "tests[0].only: 3:15: says nothing: give one of perimeter, region"),
        ("version: 1\ntests:\n  - {name: a, only: {tags: []}}", "tests[0].only.tags: 3:22: is empty: name at least one value"),
        ("version: 1\ntests:\n  - {name: a, never: {model: [far]}}", "tests[0].never.model[0]: 3:31: unknown model `far`"),
        ("version: 1\ntests:\n  - {name: a, only: {model: [far]}}", "tests[0].only.model[0]: 3:30: unknown model `far`"),
        ("version: 1\ntests:\n  - {name: a, never: {approved: true}}", "tests[0].never.approved: 3:23: unknown key `approved`"),
        ("version: 1\ntests: [{name: a, refused: true, labels: ['${X}']}]", "`X`"),
        ("- a", "expected a mapping"),
    ],
)
def test_a_mistake_in_the_file_has_its_line_and_column(capsys, folder, text, said):
    (folder / "tests.yaml").write_text(text)
    status, out, err = run(capsys, "--tests", "tests.yaml")
    assert (status, out) == (2, "")
    assert err.startswith("tests.yaml: ")
    assert said in err


def test_every_mistake_is_told_at_once(capsys, folder):
    (folder / "tests.yaml").write_text("version: 1\ntests:\n  - {name: a}\n  - {name: b, refused: true, route: x}\n")
    _, _, err = run(capsys, "--tests", "tests.yaml")
    assert [line.split(": ")[1] for line in err.splitlines()] == ["tests[0]", "tests[1].route"]


def test_a_file_that_is_not_there_is_named(capsys):
    assert run(capsys, "--tests", "absent.yaml") == (2, "", "absent.yaml: no such file\n")


def test_the_matrix_tells_apart_whom_policies_tell_apart(capsys):
    for arguments, columns in (((), 3), (("--matrix",), 4)):
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        head, *rows = out.splitlines()[:-1]
        assert ("who" in head.split()) is (columns == 4)
        assert len(rows) < 12
        assert all(any(route in row.split("  ")[0] for row in rows) for route in ("auto", "far", "(a model by name)"))
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "auto, (a model by name) (any) key k1, org acme and team clinic inside" in lines


def test_json_says_all_of_it(capsys, folder):
    status, out, _ = run(capsys, "--matrix", "--json", "--tests", "tests.yaml")
    told = json.loads(out)
    assert (status, told["origin"], told["wrong"]) == (0, "pointsman.yaml", [])
    assert set(told) >= {"origin", "notes", "reach", "wrong"}
    assert (told["program"], told["at"][:2], told["snapshot"][:7]) == (__version__, "20", "sha256:")
    assert told["promises"] == [{"name": "phi", "ok": True, "said": ["proved"]}]
    assert [test["ok"] for test in told["tests"]] == [True] * 9
    assert {policy["said"][0] for policy in told["policies"]} == {"proofs rest on it"}
    assert told["detection"] == {"on": True, "why": "policy `health data stays inside` reads `phi` in the labels"}
    assert {"route": "auto", "label": "phi", "who": "key k1", "models": ["inside"]} in told["reach"]
    (folder / "tests.yaml").write_text("version: 1\ntests: [{name: t, only: {approved: true}}]")
    (folder / "pointsman.yaml").write_text(
        CONFIG.replace("labels: [phi], only", "only").replace("'\"phi\" in labels'", "'size(labels) < 3'")
    )
    status, out, _ = run(capsys, "--matrix", "--json", "--tests", "tests.yaml")
    wrong = json.loads(out)["wrong"]
    assert status == 1
    assert [sentence.split("`")[0] for sentence in wrong] == ["policy ", *["promise "] * 3, *["test "] * 3]


class Reader(HTMLParser):
    """Tags, and the cells' text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name in ("src", "href", "onerror", "onclick")]
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        self.texts.append(data)
        if self.cells:
            self.cells[-1] += data


HOSTILE = """<script>alert(1)</script>"""
EVIL = """
version: 1
models:
  - {id: '<script>alert(1)</script>', provider: acme, base_url: "http://127.0.0.1:9/v1"}
  - {id: '"><img src=x onerror=alert(2)>', provider: acme, base_url: "http://127.0.0.1:9/v1"}
labels: ['b&b']
policies:
  - {name: '</style><svg onload=alert(3)>', when: '!("pii" in labels)', forbid: {model: ['<script>alert(1)</script>']}, scope: {teams: ['<i>', "';--"], keys: ['&amp;']}}
promises:
  - {name: '<b onclick=x>', only: {region: ['<u>']}}
routes: {'<h1>&lt;': {}}
"""


def test_the_page_escapes_every_name(capsys, folder):
    (folder / "pointsman.yaml").write_text(EVIL)
    status, _, _ = run(capsys, "--html", "page.html")
    page = (folder / "page.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert status == 1
    assert set(reader.tags) == {"html", "meta", "title", "style", "h1", "p", "ul", "li", "table", "tr", "th", "td", "h2"}
    assert "script" not in reader.tags
    models = f'"><img src=x onerror=alert(2)>, {HOSTILE}'
    assert models in [cell.strip() for cell in reader.cells]
    shown = " ".join(reader.cells)
    assert all(name in shown for name in ("<h1>&lt;", "b&b", "team <i>", "team ';--", "key &amp;", "team <i> and key &amp;"))
    assert any("promise `<b onclick=x>` is broken on `<h1>&lt;`" in text for text in reader.texts)


def test_the_page_says_that_every_promise_holds(capsys, folder):
    status, _, _ = run(capsys, "--html", "page.html", "--matrix", "--tests", "tests.yaml")
    page = (folder / "page.html").read_text()
    assert status == 0
    assert "Every promise holds" in page
    assert "<td>phi<td>ok<td>proved</tr>" in page
    assert "<td>health data stays inside<td>ok<td>proofs rest on it</tr>" in page
    assert "<td>the clinic<td>ok<td>held</tr>" in page
    assert "<td>auto, (a model by name)<td>(any)<td>key k1, org acme and team clinic<td>inside</tr>" in page
    assert "http" not in page.replace("<!doctype html><html", "")  # nothing is fetched


def test_the_page_says_of_what_it_is_evidence(capsys, folder):
    run(capsys, "--html", "page.html")
    page = (folder / "page.html").read_text()
    told = json.loads(run(capsys, "--json")[1])
    assert f"<td>snapshot<td>{told['snapshot']}</tr>" in page
    assert f"<td>by<td>Pointsman {__version__}</tr>" in page
    assert f"<td>checked<td>{told['at'][:10]}" in page


def test_a_page_without_promises_says_so(capsys, folder):
    (folder / "pointsman.yaml").write_text(CONFIG.replace("promises:\n  - {name: phi, labels: [phi], only: {perimeter: [on_prem]}}\n", ""))
    run(capsys, "--html", "page.html")
    page = (folder / "page.html").read_text()
    assert "No promise is made." in page
    assert "Every promise holds" not in page


def test_a_promise_that_is_proved_has_a_row_for_whom_it_is_about(capsys, folder, monkeypatch):
    """The file of the manual, in an environment without its secrets."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    manual = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    config, tests = (block.partition("```")[0] for block in manual.split("```yaml\n")[1:3])
    (folder / "pointsman.yaml").write_text(config)
    (folder / "tests.yaml").write_text(tests)
    status, out, _ = run(capsys, "--matrix", "--json", "--tests", "tests.yaml")
    told = json.loads(out)
    assert (status, [promise["ok"] for promise in told["promises"]]) == (0, [True, True])
    assert {"route": "auto", "label": "(none)", "who": "org acme and team clinic", "models": ["own"]} in told["reach"]
    assert told["notes"] == [
        "warning: pointsman.yaml: environment variable `OPENAI_API_KEY` is not set: `pointsman serve` refuses the file without it"
    ]
    assert run(capsys)[1].splitlines()[-1].startswith("pointsman.yaml: ok, 2 promises proved, with 1 remark above; ")


@pytest.mark.parametrize(
    "model",
    [
        "base_url: '${URL}'",
        'base_url: "http://127.0.0.1:9/v1", api_key: "${URL}", region: "${URL}"',
        "base_url: 'http://127.0.0.1:9/${URL}'",
    ],
)
def test_what_is_no_secret_must_be_set(capsys, folder, model, monkeypatch):
    monkeypatch.delenv("URL", raising=False)
    (folder / "pointsman.yaml").write_text(f"version: 1\nmodels:\n  - {{id: a, provider: acme, {model}}}\nroutes: {{auto: {{}}}}\n")
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert "environment variable `URL` is not set" in err


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("never: {perimeter: [externl]}", "tests[0].never.perimeter[0]: no model has perimeter `externl`; did you mean `external`?"),
        ("never: {perimeter: [externl]}", "tests[0].never: fits no model of the pool: nothing here could break it"),
        ("never: {region: [cn], tags: [x]}", "tests[0].never: fits no model of the pool: nothing here could break it"),
    ],
)
def test_a_test_that_cannot_fail_is_remarked_upon(capsys, folder, test, said):
    (folder / "tests.yaml").write_text(f"version: 1\ntests:\n  - {{name: t, {test}}}\n")
    status, out, _ = run(capsys, "--tests", "tests.yaml")
    assert status == 0
    assert f"warning: tests.yaml: {said}\n" in out
    assert said in " ".join(json.loads(run(capsys, "--tests", "tests.yaml", "--json")[1])["notes"])
    (folder / "pointsman.yaml").write_text(CONFIG.replace("only: {perimeter: [on_prem]}}", f"{test}}}"))
    assert f"warning: pointsman.yaml: {said.replace('tests', 'promises')}\n" in run(capsys)[1]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ('key.team != "research"', "reads `key.team` without `key.org`"),
        ('key["team"] == "research"', "reads `key.team` without `key.org`"),
        ('key.team == ""', ""),
        ('key.org == "acme" && key.team == "research"', ""),
        ('task == "medcial"', "`medcial` is no task that anything here names: only a client could declare it"),
        ('signals.task in ["genral"]', "`genral` is no task that anything here names; did you mean `general`?"),
        ('task == "general"', ""),
    ],
)
def test_what_a_condition_may_not_mean_is_remarked_upon(capsys, folder, when, said):
    policy = f"  - {{name: p, when: '{when}', require: {{tags: [soc2]}}}}\n"
    (folder / "pointsman.yaml").write_text(CONFIG.replace("promises:\n", f"{policy}promises:\n"))
    _, out, _ = run(capsys)
    assert said in out
    assert ("warning: " in out) is bool(said)


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        ("models: [outside]", "cap `few` on premium models leaves nobody on route `far` once it is reached"),
        (
            "models: [inside], scope: {routes: [far]}",
            "cap `few` on premium models holds nothing: no route that it is for can reach `inside`",
        ),
        ("models: [outside], scope: {routes: [auto]}", ""),
    ],
)
def test_a_cap_that_holds_nobody_or_leaves_nobody_is_remarked_upon(capsys, folder, cap, said):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}premium_shares: [{{name: few, at_most: 0.4, {cap}}}]\n")
    status, out, _ = run(capsys)
    assert (status, said in out) == (0, True)
    assert ("warning: " in out) is bool(said)
    assert bool(json.loads(run(capsys, "--json")[1])["notes"]) is bool(said)


HOOK = "review: {{webhook: {{url: '{url}', secret: '{secret}'}}}}, fallback: [human]"
SOUND = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("http://hooks.test/x", SOUND, "routes.far.review.webhook: a webhook's URL begins with `https://`"),
        ("https://elsewhere.test/x", SOUND, "routes.far.review.webhook: `elsewhere.test` is not among the hosts that webhooks may go to"),
        ("https://hooks.test/x", "short", "routes.far.review.webhook: a webhook's secret is `whsec_` and 24 to 64 random bytes in base64"),
        (
            "https://elsewhere.test/x",
            "${HOOK}",
            "routes.far.review.webhook: `elsewhere.test` is not among the hosts that webhooks may go to",
        ),
        ("https://hooks.test/x", "${HOOK}", ""),
        ("https://hooks.test/x", SOUND, ""),
    ],
)
def test_a_webhook_that_serve_would_refuse_is_refused(capsys, folder, monkeypatch, url, secret, said):
    monkeypatch.delenv("HOOK", raising=False)
    hook = f"far: {{models: [outside], {HOOK.format(url=url, secret=secret)}}}"
    (folder / "pointsman.yaml").write_text(CONFIG.replace("far: {models: [outside]}", hook) + "reviews: {hosts: [hooks.test]}\n")
    status, out, _ = run(capsys)
    assert status == bool(said)
    assert said in out
    assert ("webhook:" in out) is bool(said)


def test_a_page_that_cannot_be_written_is_named(capsys):
    assert run(capsys, "--html", "no/such/folder.html") == (2, "", "no/such/folder.html: cannot be written: No such file or directory\n")


def test_no_secret_and_no_address_is_shown(capsys, folder):
    (folder / "pointsman.yaml").write_text(CONFIG.replace("provider: acme,", "provider: acme, api_key: sk-very-secret,"))
    _, out, _ = run(capsys, "--matrix", "--html", "page.html")
    for shown in (out, (folder / "page.html").read_text(), run(capsys, "--json")[1]):
        assert "sk-very-secret" not in shown
        assert "127.0.0.1" not in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "sensitive data is looked for, since policy `health data stays inside` reads `phi` in the labels"),
        ("sensitivity: {detect: off}", "sensitive data is not looked for, since `sensitivity.detect` is `off`"),
    ],
)
def test_it_says_whether_sensitive_data_is_looked_for_and_why(capsys, folder, more, said):
    (folder / "pointsman.yaml").write_text(f"{CONFIG}{more}\n")
    assert run(capsys)[1].rstrip().endswith(said)
