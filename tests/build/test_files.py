"""Files that a configuration names: what may stand in their place without stopping a gateway."""

from __future__ import annotations

import os
import random
import stat
import threading
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from pointsman.build import files
from pointsman.build.files import answered, content


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 100_001, 1_234_567])
def test_a_file_is_read(tmp_path, size):
    (tmp_path / "file").write_bytes(whole := random.Random(size).randbytes(size))
    assert content(tmp_path / "file") == whole


@pytest.mark.parametrize("said", [0, 4, 5, 6, 1_000])
def test_a_file_that_is_written_meanwhile_is_read_to_its_end(tmp_path, monkeypatch, said):
    (tmp_path / "file").write_bytes(b"whole")
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, said, 0, 0, 0)))
    assert content(tmp_path / "file") == b"whole"


def test_a_file_is_held_once_while_it_is_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes(5_000_000))
    tracemalloc.start()
    try:
        assert len(content(tmp_path / "file")) == 5_000_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_nothing_is_waited_for_and_nothing_is_read_without_end(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"12345678")
    monkeypatch.setattr(files, "MOST_BYTES", 7)
    for name, says in (("pipe", "no regular file"), ("long", "longer than 7 bytes"), (".", "directory")):
        with pytest.raises(OSError, match=says):
            content(tmp_path / name)


def test_a_mount_that_hangs_is_given_up_and_read_again_once_it_answers(tmp_path, monkeypatch):
    """Opening a file waits here as on a mount whose server is gone."""
    (path := tmp_path / "file").write_bytes(b"whole")
    mended, plain, asked = threading.Event(), os.open, []

    def hangs(name, *more, **others):
        if Path(name).resolve() == path.resolve():
            asked.append(threading.current_thread())
            mended.wait()
        return plain(name, *more, **others)

    monkeypatch.setattr(files, "PATIENCE_S", 0.01)
    monkeypatch.setattr(os, "open", hangs)
    for spelling in (path, path, tmp_path / "." / "folder" / ".." / "file", Path(os.path.relpath(path))):
        with pytest.raises(OSError, match="nothing has come of it for 0.01 s, as if its mount hung"):
            content(spelling)
    assert len(asked) == 1, "one waits for it, however often it is asked for, and by whatever name"
    mended.set()
    asked[0].join()
    monkeypatch.setattr(files, "PATIENCE_S", 10.0)
    assert content(path) == b"whole"


def test_what_is_slow_and_gets_on_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE_S", 0.001)
    came = iter(range(20))
    enough = threading.Event()

    def count() -> int:
        if (now := next(came)) == 19:
            enough.set()
            monkeypatch.setattr(files, "PATIENCE_S", 10.0)
        return now

    assert answered(tmp_path, partial(enough.wait, 10), count)


def test_what_reading_raises_is_raised(tmp_path):
    def times_out() -> None:
        raise TimeoutError(110, "the server said so")

    for _ in range(2):
        with pytest.raises(TimeoutError, match="the server said so"):
            answered(tmp_path, times_out)
