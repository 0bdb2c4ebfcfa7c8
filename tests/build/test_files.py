"""Files that a configuration names: what may stand in their place without stopping a gateway."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from pointsman.build import files
from pointsman.build.files import answered, content


def test_a_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"whole")
    assert content(tmp_path / "file") == b"whole"


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
