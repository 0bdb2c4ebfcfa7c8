"""Files of other versions: what the program that writes brings up to date, and what it refuses with a cure."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import apsw
import pytest

from pointsman.cli import main
from pointsman.errors import ConfigError
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.database import APPLICATION_ID
from pointsman.stores.keys_trail import compare
from pointsman.stores.logfile import LogFile
from pointsman.stores.migrations import MIGRATIONS
from pointsman.stores.reviews import Filter
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.stores.sqlite_reviews import SqliteReviews

NEWEST = len(MIGRATIONS)


def file_of(path: Path, version: int, *more: str) -> Path:
    """A file as a program of that version left it."""
    path.parent.mkdir(exist_ok=True)
    old = apsw.Connection(str(path))
    for step in (*MIGRATIONS[:version], *more):
        old.execute(step)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; PRAGMA journal_mode = WAL")
    old.close()
    return path


def used(path: Path) -> None:
    """Every store of the file, asked for something."""

    async def run() -> None:
        keys = ContentKeys(f"{path}-keys")
        async with SqliteLog(path) as log:
            assert await SqliteKeys(log).list_teams(Filter().within) == []
            assert await SqliteBudgets(log).positions(0) == []
            assert await SqliteReviews(log, keys).queue(Filter(), 9) == []
            await log.append("decision", "d", b"{}")
        keys.close()

    asyncio.run(run())


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_every_earlier_version_is_brought_up_to_date(tmp_path, version):
    used(path := file_of(tmp_path / "log.db", version))
    assert apsw.Connection(str(path)).pragma("user_version") == NEWEST
    used(path)


def test_tables_that_were_made_before_they_had_a_version_are_kept(tmp_path):
    budget = "INSERT INTO budgets VALUES ('b', 'day', 'all', 1, '', 7, 7, 0, 99)"
    path = file_of(tmp_path / "log.db", 3, MIGRATIONS[3], budget)

    async def run() -> None:
        async with SqliteLog(path) as log:
            [found] = await SqliteBudgets(log).positions(0)
            assert found.spent == 7

    asyncio.run(run())


def test_who_only_reads_an_older_file_is_told_what_brings_it_up_to_date(tmp_path):
    path = file_of(tmp_path / "log.db", 2)
    file = LogFile(path)
    cure = f"`{re.escape(str(path))}` was written by an earlier Pointsman .schema 2, this one has {NEWEST}.: start the gateway on it once"
    with pytest.raises(ConfigError, match=cure):
        file.rows("SELECT * FROM teams")
    assert (file.count(), compare(path).ok) == (0, True), "the log itself is as it was"
    file.close()


@pytest.mark.parametrize("verb", [("explain", "words"), ("check",)])
def test_commands_that_only_read_say_so_and_the_cure_works(tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    model = '{id: m, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1"}'
    Path("c.yaml").write_text(
        f"version: 1\nmodels: [{model}]\nroutes: {{auto: {{review: {{approval: true}}}}}}\nstore: {{path: {tmp_path}/s/log.db}}\n"
    )
    file_of(tmp_path / "s" / "log.db", 2)
    command = [*verb, "--config", "c.yaml"]
    assert main(command) == 2
    assert "was written by an earlier Pointsman (schema 2" in (said := capsys.readouterr().err)
    assert "run `pointsman keys list`" in said
    assert main(["keys", "list", "--config", "c.yaml"]) == 0
    assert main(command) == 0


@pytest.mark.parametrize(
    ("version", "change", "missing"),
    [
        (NEWEST, "DROP TABLE teams", "`teams.allowed_labels` is missing"),
        (NEWEST, "ALTER TABLE review_messages DROP COLUMN attempts", "`review_messages.attempts` is missing"),
        (NEWEST, "DROP TABLE answers", "`answers.body` is missing"),
        (2, "CREATE TABLE teams(id TEXT)", "table teams already exists"),
        (3, "CREATE TABLE reviews(id TEXT)", "no such column: urgency"),
    ],
)
def test_a_file_that_is_not_what_its_version_says_is_refused(tmp_path, version, change, missing):
    path = file_of(tmp_path / "log.db", version, change)
    before = path.read_bytes()
    with pytest.raises(
        ConfigError, match=re.escape(f"`{path}` does not hold the tables of its version (schema {version}): {missing}")
    ) as said:
        SqliteLog(path)
    assert "restore a backup, or move it away" in str(said.value)
    assert path.read_bytes() == before


def test_content_keys_have_a_version_of_their_own(tmp_path):
    ContentKeys(tmp_path / "keys").close()
    file = apsw.Connection(str(tmp_path / "keys"))
    assert file.pragma("user_version") == 1
    file.execute("PRAGMA user_version = 0")  # as before it was kept
    ContentKeys(tmp_path / "keys").close()
    assert file.pragma("user_version") == 1
    file.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match="keys` was written by a newer Pointsman .schema 2, this one knows 1.: use that one"):
        ContentKeys(tmp_path / "keys")
