"""The commands of an audit, from the key to the proof, and what they say when something does not hold."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import time
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from tests.stores.audited import rewrite, tamper, write

DAY_NS = 86_400 * 10**9


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "log.db", 20)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run(action: str, *arguments: str, log: str = "log.db") -> tuple[int, str, str]:
        status = main(("audit", action, "--log", log, *arguments))
        said = capsys.readouterr()
        assert "PRIVATE KEY" not in said.out + said.err
        return status, said.out, said.err

    return run


@pytest.fixture
def signed(run) -> None:
    assert run("keygen")[0] == 0
    assert run("checkpoint")[0] == 0


def test_without_checkpoints_it_is_said_what_would_not_show(run):
    out = run("verify")[1]
    assert "no checkpoint was at hand" in out
    head = out.rpartition(": ")[2].strip()
    assert "at hand" not in run("verify", "--head", head)[1]


def test_a_log_is_signed_and_verified(folder, run):
    status, out, _ = run("keygen")
    assert status == 0
    assert out.startswith("key ")
    assert stat.S_IMODE((folder / "log.db-audit-key").stat().st_mode) == 0o600
    status, line, _ = run("checkpoint")
    assert (status, json.loads(line)["size"]) == (0, 20)
    assert (folder / "log.db-checkpoints").read_text() == line
    assert run("checkpoint")[1] == line, "nothing came since"
    status, out, _ = run("verify")
    assert status == 0
    assert "20 records, the chain holds\nsigned checkpoints agree: 1, the last at record 20 of 20" in out
    told = json.loads(run("verify", "--json")[1])
    assert (told["ok"], told["records"], told["broken"], told["checkpoints"], told["contents"]) == (True, 20, None, 1, None)


TAMPERED = {
    "flip": ["UPDATE log SET body = x'00' WHERE seq = 5"],
    "delete": ["DELETE FROM log WHERE seq = 5"],
    "insert": [
        "UPDATE log SET seq = -seq WHERE seq > 7",
        "UPDATE log SET seq = 1 - seq WHERE seq < 0",
        "INSERT INTO log SELECT 8, kind, 'x', at_ns, body, prev, hash FROM log WHERE seq = 7",
    ],
    "reorder": ["UPDATE log SET seq = 0 WHERE seq = 5", "UPDATE log SET seq = 5 WHERE seq = 6", "UPDATE log SET seq = 6 WHERE seq = 0"],
    "truncate": ["DELETE FROM log WHERE seq > 10"],
}


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", TAMPERED)
def test_every_change_is_found_with_a_checkpoint_from_elsewhere(folder, run, signed, name, recompute):
    shutil.copy("log.db-checkpoints", "elsewhere")
    shutil.copy("log.db-audit-key.pub", "elsewhere.pub")
    tamper(folder / "log.db", *TAMPERED[name])
    if recompute:
        rewrite(folder / "log.db")
    for beside in ("log.db-checkpoints", "log.db-audit-key", "log.db-audit-key.pub"):
        Path(beside).unlink()
    status, out, _ = run("export", "--out", "log.jsonl")
    assert (status, out) == (0, "")
    for what in ((), ("log.jsonl",)):
        assert run("verify", "--checkpoints", "elsewhere", "--public-key", "elsewhere.pub", *what)[0] == 1


def test_an_export_is_verified_without_the_log(folder, run, signed):
    assert run("export", "--out", "log.jsonl")[2] == "20 records\n"
    assert stat.S_IMODE((folder / "log.jsonl").stat().st_mode) == 0o600
    (folder / "log.db").unlink()
    status, out, _ = run("verify", "log.jsonl", "--checkpoints", "log.db-checkpoints", "--public-key", "log.db-audit-key.pub")
    assert (status, out.startswith("log.jsonl: 20 records, the chain holds\nsigned checkpoints agree: 1")) == (0, True)
    (folder / "log.jsonl").write_text((folder / "log.jsonl").read_text().replace('"n":1', '"n":2', 1))
    status, out, _ = run("verify", "log.jsonl")
    assert (status, "record 2: does not match its hash" in out) == (1, True)


def test_exports_in_pieces_verify_together(folder, run):
    assert run("export", "--out", "one.jsonl")[0] == 0
    write(folder / "log.db", 5, 20)
    assert run("export", "--after", "20", "--out", "two.jsonl")[2] == "5 records\n"
    assert run("verify", "one.jsonl", "two.jsonl")[:2][0] == 0
    assert run("verify", "two.jsonl")[0] == 1


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_export_goes_to_a_file_or_to_standard_output(folder, capfdbinary, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    assert main(("audit", "export", "--log", "log.db", "--format", form)) == 0
    written = capfdbinary.readouterr().out
    assert main(("audit", "export", "--log", "log.db", "--format", form, "--out", "file")) == 0
    assert (folder / "file").read_bytes() == written
    assert len(written) > 500


def test_a_proof_convinces_who_has_the_public_key_alone(folder, run, signed):
    write(folder / "log.db", 5, 20)
    run("checkpoint")
    for what, said in (("--record", "7"), "record 7 is one of the 20"), (("--growth", "20"), "the log of 25 records begins with the 20"):
        status, proof, _ = run("prove", *what)
        assert status == 0
        (folder / "proof.json").write_text(proof)
        status, out, _ = run("verify", "--proof", "proof.json", "--public-key", "log.db-audit-key.pub")
        assert (status, said in out) == (0, True)
        (folder / "proof.json").write_text(proof.replace('"at":"20', '"at":"19', 1))
        status, out, _ = run("verify", "--proof", "proof.json", "--public-key", "log.db-audit-key.pub", "--json")
        assert (status, json.loads(out)["ok"]) == (1, False)


def test_a_decision_is_proved_by_its_id(folder, run, signed):
    name = 'd3 "ü\\'
    assert json.loads(run("prove", "--decision", name)[1])["record"]["decision"] == name


def test_a_forged_checkpoint_is_a_finding(folder, run, signed):
    text = (folder / "log.db-checkpoints").read_text()
    (folder / "log.db-checkpoints").write_text(text.replace('"size":20', '"size":19'))
    status, out, _ = run("verify")
    assert (status, "was changed" in out) == (1, True)


def test_a_rotated_key_still_vouches_for_what_came_before(folder, run, signed):
    assert run("keygen", "--rotate")[0] == 0
    write(folder / "log.db", 5, 20)
    assert run("checkpoint")[0] == 0
    assert run("verify")[0] == 0
    assert len((folder / "log.db-audit-key.pub").read_text().splitlines()) == 2


def test_a_key_that_others_may_read_signs_nothing(folder, run, signed):
    (folder / "log.db-audit-key").chmod(0o644)
    status, _, err = run("checkpoint")
    assert (status, "chmod 600" in err) == (2, True)


CONFIG = """
version: 1
models: [{id: m, provider: p, base_url: "http://h/v1"}]
routes: {}
store: {path: log.db}
audit: {key: keys/audit, checkpoints: signed}
"""


def test_files_are_where_the_configuration_has_them_unless_an_argument_says_otherwise(folder):
    (folder / "pointsman.yaml").write_text(CONFIG)
    for action in ("keygen", "checkpoint", "verify"):
        assert main(("audit", action)) == 0
    assert main(("audit", "keygen", "--key", "other")) == 0
    assert main(("audit", "checkpoint", "--key", "other", "--checkpoints", "elsewhere")) == 0
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and not path.name.startswith("log.db")}
    assert made == {"pointsman.yaml", "keys/audit", "keys/audit.pub", "signed", "other", "other.pub", "elsewhere"}


def test_a_log_that_is_named_by_itself_has_its_files_beside_it(folder, run):
    (folder / "pointsman.yaml").write_text(CONFIG)
    assert run("keygen")[0] == 0
    assert (folder / "log.db-audit-key").exists()
    assert not (folder / "keys").exists()


# Contents


@pytest.fixture
def contents(folder) -> None:
    async def scene():
        keys = ContentKeys(folder / "log.db-content-keys")
        async with SqliteLog(folder / "log.db") as log:
            for age in (0, 100):
                for subject in ("ada", "bea"):
                    name = f"{subject}-{age}"
                    await log.append("content", name, await keys.seal(subject, name, b'{"messages":["hi"]}', time.time_ns() - age * DAY_NS))
        keys.close()

    asyncio.run(scene())


def test_contents_are_shown_until_they_are_erased(run, contents):
    assert run("content", "ada-100")[:2] == (0, '{"messages":["hi"]}\n')
    assert run("retain", "--older-than", "90d", "--dry-run")[1] == "2 contents of 2 keys would be erased\n"
    status, out, _ = run("retain", "--older-than", "90d")
    assert (status, out.startswith("2 contents of 2 keys are erased: ers_")) == (0, True)
    assert run("content", "ada-100")[:2] == (1, "it was erased: its key is destroyed\n")
    assert run("content", "ada-0")[0] == 0
    status, out, _ = run("erase", "--subject", "ada", "--json")
    told = json.loads(out)
    assert (status, told["contents"], told["keys"], len(told["records"])) == (0, 1, 1, 1)
    assert run("content", "ada-0")[0] == 1
    assert run("content", "bea-0")[0] == 0
    status, out, _ = run("verify")
    assert (status, "contents: 1 can be read, 3 are erased, 0 are not sealed" in out) == (0, True)


def test_retain_takes_one_subject(run, contents):
    assert json.loads(run("retain", "--older-than", "90d", "--subject", "bea", "--json")[1])["contents"] == 1
    assert run("content", "ada-100")[0] == 0


def test_nothing_to_erase_leaves_no_record(run, contents):
    before = json.loads(run("verify", "--json")[1])["records"]
    assert run("erase", "--subject", "cleo")[:2] == (1, "")
    assert run("retain", "--older-than", "200d")[:2] == (0, "0 contents of 0 keys are erased\n")
    assert json.loads(run("verify", "--json")[1])["records"] == before


@pytest.fixture
def named(folder) -> None:
    """Subjects as the gateway calls them, behind the ids of its keys."""

    async def scene():
        keys = ContentKeys(folder / "log.db-content-keys")
        async with SqliteLog(folder / "log.db") as log:
            for at, subject in enumerate(("k3v7qd2maxwe/ada", "k3v7qd2maxwe/adam", "mq5kguw7hzqa/ada", "mq5kguw7hzqa", "env/a/b")):
                await log.append("content", f"c{at}", await keys.seal(subject, f"c{at}", b"words", (20_000 + at) * DAY_NS))
            await log.append("content", "c9", await keys.seal("env/a/b", "c9", b"words", 20_009 * DAY_NS))
        keys.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("ada", "near: `k3v7qd2maxwe/ada`, `mq5kguw7hzqa/ada`"),
        ("k3v7qd2maxwe/bea", "near: `k3v7qd2maxwe/ada"),
        ("adm", "near: `k3v7qd2maxwe/ada"),
        ("*/bea", "`pointsman audit subjects` lists"),
        ("%", "`pointsman audit subjects` lists"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_subject_of_whom_nothing_is_kept_is_no_success(run, named, subject, said, dry):
    status, out, err = run("erase", "--subject", subject, *dry)
    assert (status, out) == (1, "")
    assert f"no contents of a subject `{subject}` are kept" in err
    assert said in err


def test_subjects_are_listed(run, named):
    rows = [line.split() for line in run("subjects")[1].splitlines()]
    assert rows[0] == ["subject", "contents", "first", "last"]
    assert rows[1] == ["env/a/b", "2", "2024-10-08", "2024-10-13"]
    assert [row[0] for row in rows[1:]] == ["env/a/b", "k3v7qd2maxwe/ada", "k3v7qd2maxwe/adam", "mq5kguw7hzqa", "mq5kguw7hzqa/ada"]
    assert json.loads(run("subjects", "--json")[1])[0] == dict(zip(rows[0], ["env/a/b", 2, "2024-10-08", "2024-10-13"], strict=True))


def test_a_name_is_erased_behind_every_key_and_the_record_says_by_whom(folder, run, named, monkeypatch):
    monkeypatch.setenv("LOGNAME", "olga")
    assert run("erase", "--subject", "*/ada")[1].startswith("2 contents of 2 keys are erased")
    left = [row["subject"] for row in json.loads(run("subjects", "--json")[1])]
    assert left == ["env/a/b", "k3v7qd2maxwe/adam", "mq5kguw7hzqa"]
    assert run("erase", "--subject", "*/a/b")[0] == 0
    run("export", "--out", "log.jsonl")
    bodies = [json.loads(line)["body"] for line in (folder / "log.jsonl").read_text().splitlines() if '"kind":"erasure"' in line]
    assert [body["by"] for body in bodies] == ["command-line olga"] * 2
    assert "ada" not in json.dumps(bodies)


def test_without_content_it_is_said_why(run):
    assert run("content", "dec_absent") == (1, "", "no decision `dec_absent` in the log\n")
    status, out, err = run("content", 'd3 "ü\\')
    assert (status, out, "was kept: that is done only with `store.content`" in err) == (1, "", True)


def test_an_export_begins_and_ends_where_it_is_told(folder, run):
    moments = iter(range(1, 100))
    asyncio.run(at_days(folder / "new.db", moments))
    for arguments, seqs in (
        ((), range(1, 11)),
        (("--since", "1970-01-04"), range(3, 11)),
        (("--until", "1970-01-04"), range(1, 3)),
        (("--since", "1970-01-03T12:00:00", "--until", "1970-01-06"), range(3, 5)),
        (("--since", "1970-01-04", "--after", "7"), range(8, 11)),
        (("--since", "2020-01-01"), ()),
        (("--until", "1d"), range(1, 11)),
    ):
        assert run("export", *arguments, "--out", "part", log="new.db")[0] == 0
        assert [json.loads(line)["seq"] for line in (folder / "part").read_text().splitlines()] == list(seqs), arguments


async def at_days(path, days):
    async with SqliteLog(path, clock=lambda: next(days) * DAY_NS) as log:
        for at in range(10):
            await log.append("decision", f"d{at}", b"{}")


def test_a_key_that_was_promoted_past_the_program_is_a_finding(folder, run):
    assert main(("keys", "create", "--store", "log.db", "--name", "k")) == 0
    assert "keys, teams and orgs: 1, all as their records say" in run("verify")[1]
    tamper(folder / "log.db", "UPDATE keys SET role = 'admin'")
    status, out, _ = run("verify")
    assert status == 1
    assert "the chain holds" in out
    assert "`role` not as the last record about it, 21, says: changed past the program" in out
    told = json.loads(run("verify", "--json")[1])
    assert (told["ok"], told["tenancy"]["compared"], len(told["tenancy"]["wrong"])) == (False, 1, 1)


def test_keys_destroyed_behind_the_logs_back_are_a_finding(folder, run, contents):
    keys = ContentKeys(folder / "log.db-content-keys")
    keys.destroy([key.id for key in keys.find("ada")])
    keys.close()
    status, out, _ = run("verify")
    assert (status, "record 21: its content's key is gone, and no record says so; 2 contents in all" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("checkpoint",), "no audit key"),
        (("keygen", "--rotate"), "no audit key"),
        (("prove",), "name one thing to prove"),
        (("prove", "--record", "1"), "no checkpoint covers record 1"),
        (("prove", "--growth", "1"), "no checkpoint is at record 1"),
        (("prove", "--decision", "absent"), "no decision `absent`"),
        (("retain", "--older-than", "yesterday"), "is not a time"),
        (("retain", "--older-than", "90d"), "no content keys"),
        (("erase", "--subject", "ada"), "no content keys"),
        (("verify", "absent.jsonl"), "No such file"),
        (("verify", "--checkpoints", "absent"), "checkpoints cannot be read"),
        (("verify", "--checkpoints", "/dev/null"), "holds no checkpoint"),
        (("verify", "--head", "nonsense"), "as `audit verify` prints it"),
        (("export", "--since", "yesterday"), "is not a time"),
        (("verify", "--proof", "log.db"), "name the public key"),
        (("export", "--out", "absent/log.jsonl"), "cannot be written"),
    ],
)
def test_a_mistake_is_said_in_one_sentence(run, arguments, said):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("action", ["verify", "checkpoint", "export", "prove", "retain", "erase", "content"])
def test_a_log_that_is_not_there_is_said_to_be_missing(run, action):
    more = {"retain": ("--older-than", "1d"), "erase": ("--subject", "a"), "content": ("d",), "prove": ("--record", "1")}.get(action, ())
    status, _, err = run(action, *more, log="absent.db")
    assert (status, "no such log" in err) == (2, True)
