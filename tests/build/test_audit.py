"""Where the files of an audit are, and what an auditor tells of what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.build.audit import Auditor, places_of
from pointsman.config.load import load
from pointsman.config.schema import Config
from pointsman.stores.places import Places
from pointsman.stores.sqlite import SqliteLog

DAY_S = 86_400


def config(folder: Path, audit: str = "{}") -> Config:
    text = f"version: 1\nmodels: [{{id: m, provider: p, base_url: 'http://h/v1'}}]\nroutes: {{}}\nstore: {{path: {folder}/log.db}}\naudit: {audit}"
    return load(text, "test.yaml", {})


@pytest.fixture
def auditor(tmp_path: Path) -> Iterator[Auditor]:
    made = Auditor(config(tmp_path))
    yield made
    made.close()


async def kept(auditor: Auditor, path: Path, *days: int) -> None:
    """A log with a content of each of these days since 1970."""
    async with SqliteLog(path) as log:
        for day in days:
            await log.append("content", f"d{day}", await auditor.contents().seal("ada", f"d{day}", b"words", day * DAY_S * 10**9))


def test_files_lie_beside_the_log_unless_the_configuration_says_otherwise(tmp_path):
    assert places_of(config(tmp_path)) == Places.of(tmp_path / "log.db")
    said = places_of(config(tmp_path, "{key: a, checkpoints: b, content_keys: c}"))
    assert (said.key, said.checkpoints, said.content_keys) == (Path("a"), Path("b"), Path("c"))


def test_contents_are_erased_when_their_day_is_so_many_days_over(auditor, tmp_path):
    asyncio.run(kept(auditor, tmp_path / "log.db", 100, 101, 102))
    for now_s, left in ((131 * DAY_S - 1, [100, 101, 102]), (131 * DAY_S, [101, 102]), (132 * DAY_S, [102])):
        asyncio.run(auditor.erase(now_s, 30))
        assert [(key.day.toordinal() - 719_163) for key in auditor.contents().find()] == left
    assert auditor.problem is None


def test_where_nothing_was_ever_kept_no_file_is_made(auditor, tmp_path):
    asyncio.run(auditor.erase(0, 30))
    assert auditor.problem is None
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_erased_is_told_and_tried_again(auditor, tmp_path, caplog):
    asyncio.run(kept(auditor, tmp_path / "log.db", 100))
    aside = (tmp_path / "log.db").rename(tmp_path / "aside")
    asyncio.run(auditor.erase(200 * DAY_S, 30))
    assert auditor.problem.startswith("contents are kept for too long: ")
    assert "are not erased" in caplog.text
    assert len(auditor.contents().find()) == 1
    aside.rename(tmp_path / "log.db")
    asyncio.run(auditor.erase(200 * DAY_S, 30))
    assert auditor.problem is None
    assert auditor.contents().find() == []
