"""Files that a configuration names: what may stand in their place without stopping a gateway."""

from __future__ import annotations

import os

import pytest

from pointsman.build import files
from pointsman.build.files import content


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
