"""A configuration that is edited while the gateway runs: sound ones come into force, others change nothing and are told."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from pathlib import Path

import pytest

from pointsman.build import files
from pointsman.build.files import answered
from pointsman.config.load import load_file
from pointsman.config.schema import Config
from pointsman.errors import ConfigError, RecordError
from pointsman.server.reload import Reloader
from tests.server.coroutines import soon

TEXT = """
version: 1
models:
  - {{id: a, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {{input: 1, output: 1}}, quality: {{general: 0.9}}}}
routes:
  auto: {{dial: {dial}}}
{more}
"""
BROKEN = "version: 1\nmodels: 3\n"


class File:
    """A configuration file, a reloader, and what was put in force."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(0.0)
        self.applied: list[float] = []
        self.refusal: Exception | None = None
        self.reloader = Reloader(path, load_file(path, {}), self.apply, env={}, poll_s=0.001)

    def write(self, dial: float | None, more: str = "", *, by_rename: bool = False) -> None:
        text = BROKEN if dial is None else TEXT.format(dial=dial, more=more)
        target = self.path.with_suffix(".new") if by_rename else self.path
        target.write_text(text)
        os.utime(target, ns=(0, next(self._times)))  # no two of them in the same tick of the file system's clock
        if by_rename:
            target.rename(self.path)

    _times = iter(range(1, 10**9))

    async def apply(self, config: Config) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.applied.append(config.routes["auto"].dial)

    async def polls(self, times: int) -> None:
        for _ in range(times):
            await self.reloader.poll()


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "pointsman.yaml")


@pytest.mark.parametrize("by_rename", [False, True])
async def test_a_change_comes_into_force_once(file: File, by_rename):
    for dial in (0.1, 0.2):
        file.write(dial, by_rename=by_rename)
        await file.polls(4)
    assert file.applied == [0.1, 0.2]
    assert file.reloader.current.routes["auto"].dial == 0.2
    assert file.reloader.problem is None


async def test_what_says_the_same_is_not_put_in_force_again(file: File):
    await file.polls(3)
    file.write(0.0)
    await file.polls(3)
    await file.reloader.check()
    assert file.applied == []


async def test_a_file_that_is_still_being_written_is_not_read(file: File):
    for dial in (0.1, 0.2, 0.3):
        file.write(dial)
        await file.polls(1)
    assert file.applied == []
    await file.polls(1)
    assert file.applied == [0.3]


async def test_a_faulty_file_changes_nothing_and_is_told_once(file: File, caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        file.write(None)
        await file.polls(2)
    assert file.applied == []
    assert "pointsman.yaml: models: 2:9: expected a list" in file.reloader.problem
    assert "missing key `routes`" in file.reloader.problem
    assert len(caplog.records) == 1
    assert file.reloader.problem in caplog.text
    file.path.write_text("version: 2")
    await file.polls(2)
    assert len(caplog.records) == 2
    file.write(0.0)
    await file.polls(2)
    assert (file.reloader.problem, file.applied) == (None, [])


async def test_a_file_may_vanish_for_a_moment(file: File, caplog: pytest.LogCaptureFixture):
    await file.polls(2)
    file.path.unlink()
    await file.polls(2)
    file.write(0.1)
    await file.polls(2)
    assert (file.applied, caplog.records) == ([0.1], [])
    file.path.unlink()
    await file.polls(3)
    assert "no such file" in file.reloader.problem
    await file.polls(3)
    assert len(caplog.records) == 1
    file.write(0.1)
    await file.polls(2)
    assert (file.reloader.problem, file.applied) == (None, [0.1])


RESTART = "server: {{port: {port}, workers: 3, drain_s: 7}}\nstore: {{path: elsewhere.db, durability: power, content: true}}"


async def test_what_needs_a_restart_is_named_and_keeps_its_value(file: File, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    await file.reloader.check()
    for dial in (0.1, 0.2):
        file.write(dial, RESTART.format(port=9999))
        await file.polls(2)
    [told] = caplog.messages
    assert told.endswith("in force only after a restart: server.port, server.workers, store.path, store.durability")
    now = file.reloader.current
    assert (now.server.port, now.server.workers, now.store.path, now.store.durability) == (8080, 1, ".pointsman/pointsman.db", "crash")
    assert (now.server.drain_s, now.store.content, file.applied) == (7, True, [0.1, 0.2])


async def test_what_the_command_line_set_is_not_a_change(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    file = File(tmp_path / "pointsman.yaml")
    file.write(0.1, RESTART.format(port=9999))
    await file.polls(2)
    file.write(0.2, RESTART.format(port=9999))
    await file.polls(2)
    assert (file.applied, caplog.messages) == ([0.1, 0.2], [])
    assert file.reloader.current.server.port == 8080


NAMED = {
    "bundle": "learned: {{bundle: {path}}}",
    "confidence": "learned: {{confidence: {path}}}",
    "classifier": "classifiers: {{task: {path}}}",
}


def written(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(0, next(File._times)))


@pytest.mark.parametrize("kind", NAMED)
async def test_what_the_file_names_is_followed_too(file: File, tmp_path: Path, kind: str):
    learned = tmp_path / kind
    written(learned, "one")
    file.write(0.1, NAMED[kind].format(path=learned))
    await file.polls(4)
    assert file.applied == [0.1]
    for text in ("two", "three"):  # still being written
        written(learned, text)
        await file.polls(1)
    assert file.applied == [0.1]
    await file.polls(4)
    assert file.applied == [0.1, 0.1]
    written(tmp_path / "other", "four")
    file.write(0.2, NAMED[kind].format(path=tmp_path / "other"))
    await file.polls(4)
    written(learned, "five")  # no longer named
    await file.polls(4)
    assert (file.applied, file.reloader.problem) == ([0.1, 0.1, 0.2], None)


async def test_a_named_file_that_was_refused_is_followed_until_it_does(file: File, tmp_path: Path):
    file.refusal = ConfigError("damaged")
    written(tmp_path / "bundle", "half")
    file.write(0.1, NAMED["bundle"].format(path=tmp_path / "bundle"))
    await file.polls(4)
    assert (file.applied, file.reloader.problem) == ([], "damaged")
    file.refusal = None
    written(tmp_path / "bundle", "whole")
    await file.polls(4)
    assert (file.applied, file.reloader.problem) == ([0.1], None)


async def test_a_named_file_whose_mount_hangs_is_told_and_stops_no_later_change(
    file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Nothing answers about it from some moment on, until it is mended."""
    bundle, applied = tmp_path / "bundle", file.applied
    written(bundle, "one")
    mended, plain = threading.Event(), os.stat

    def hangs(path: object, *more: object, **others: object) -> os.stat_result:
        if path == bundle:
            mended.wait()
        return plain(path, *more, **others)

    async def apply(config: Config) -> None:
        if config.learned is not None:
            try:
                answered(bundle, bundle.stat)
            except OSError as error:
                raise ConfigError(f"learned.bundle: {bundle}: cannot be read: {error.strerror}") from error
        applied.append(config.routes["auto"].dial)

    reloader = Reloader(file.path, file.reloader.current, apply, env={}, poll_s=0.001)
    file.write(0.1, NAMED["bundle"].format(path=bundle))
    for _ in range(4):
        await reloader.poll()
    monkeypatch.setattr(files, "PATIENCE_S", 0.01)
    monkeypatch.setattr(os, "stat", hangs)
    for _ in range(6):
        await reloader.poll()
    assert f"{bundle}: cannot be read: nothing has come of it for 0.01 s" in str(reloader.problem)
    assert caplog.text.count(str(bundle)) == 1
    file.write(0.2)  # names it no longer
    for _ in range(6):
        await reloader.poll()
    assert (applied, reloader.problem) == ([0.1, 0.2], None)
    file.write(0.3, NAMED["bundle"].format(path=bundle))
    for _ in range(6):
        await reloader.poll()
    assert (applied, str(bundle) in str(reloader.problem)) == ([0.1, 0.2], True)
    mended.set()
    monkeypatch.setattr(files, "PATIENCE_S", 10.0)
    while reloader.problem is not None:
        await reloader.poll()
    assert applied == [0.1, 0.2, 0.3]


async def test_a_file_that_nobody_can_read_to_its_end_is_told_by_name(file: File, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "PATIENCE_S", 0.01)
    kept = file.path.read_text()
    file.path.unlink()
    os.mkfifo(file.path)
    await file.reloader.check()
    assert file.reloader.problem == f"{file.path}: cannot be read: nothing has come of it for 0.01 s, as if its mount hung"
    file.path.write_text(kept)  # whoever waits for the pipe has it now
    file.path.unlink()
    monkeypatch.setattr(files, "PATIENCE_S", 10.0)
    file.write(0.1)
    while file.applied != [0.1]:
        await file.reloader.poll()
    assert file.reloader.problem is None


async def test_what_cannot_be_put_in_force_is_a_problem(file: File):
    file.refusal = ConfigError("no such weights")
    file.write(0.1)
    await file.polls(2)
    assert file.reloader.problem == "no such weights"
    assert file.reloader.current.routes["auto"].dial == 0.0
    file.refusal = None
    await file.polls(2)
    assert file.applied == []  # the file is at fault until it changes, or somebody says so
    await file.reloader.check()
    assert (file.applied, file.reloader.problem) == ([0.1], None)


async def test_a_failure_that_is_not_the_files_is_tried_again(file: File):
    file.refusal = RecordError("the disk is full")
    file.write(0.1)
    await file.polls(3)
    assert file.reloader.problem == "the disk is full"
    file.refusal = None
    await file.polls(1)
    assert (file.applied, file.reloader.problem) == ([0.1], None)


async def test_a_fault_of_ours_is_told_without_what_the_file_says(file: File, caplog: pytest.LogCaptureFixture):
    file.refusal = KeyError("sk-secret")
    file.write(0.1)
    await file.polls(2)
    assert file.reloader.problem == f"{file.path}: cannot be put in force: KeyError"
    assert "in apply" in caplog.text
    assert "sk-secret" not in caplog.text


async def test_it_watches_and_can_be_woken(file: File):
    watching = asyncio.create_task(file.reloader.watch())
    file.write(0.1)
    await soon(lambda: file.applied == [0.1])
    file.refusal = ConfigError("no such weights")
    file.write(0.2)
    await soon(lambda: file.reloader.problem)
    file.refusal = None
    file.reloader.wake()
    await soon(lambda: file.applied == [0.1, 0.2])
    watching.cancel()
    await asyncio.wait({watching})


async def test_of_many_edits_the_last_sound_one_is_in_force(file: File):
    for number in range(60):
        file.write(None if number % 10 in (2, 5, 9) else number / 1000, by_rename=bool(number % 2))
        await file.reloader.check()
        assert (file.reloader.problem is None) == (number % 10 not in (2, 5, 9))
    assert file.applied == [number / 1000 for number in range(1, 60) if number % 10 not in (2, 5, 9)]
