"""One key for digests a store: made once, kept from others, the same for all who share the store."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pointsman.errors import ConfigError
from pointsman.stores.digest_key import digest_key, read_digest_key
from pointsman.stores.places import Places


def test_it_lies_beside_the_log_and_is_its_owners_alone(tmp_path: Path):
    path = Places.of(tmp_path / "state" / "log.db").digest_key
    assert path.name == "log.db-digest-key"
    assert read_digest_key(path) is None
    made = digest_key(path)
    assert (len(made), read_digest_key(path), digest_key(path)) == (32, made, made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_all_who_start_together_get_the_same(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(digest_key, [tmp_path / "key"] * 64))) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(b"x" * 32, 0o640, "others than its owner"), (b"short", 0o600, "is not a key"), (b"x" * 33, 0o600, "is not a key")],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content, mode, why):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=why):
        digest_key(path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be"):
        digest_key(tmp_path / "file" / "key")
