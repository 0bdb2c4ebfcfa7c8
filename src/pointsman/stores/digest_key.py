"""The key of the digests that stand for what was found in requests: one a store, made once, in a file beside it.

Whoever has it can try guesses against the digests in the log, so it is not in the log, and only its owner may read it.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from pointsman.errors import ConfigError

_BYTES = 32


def digest_key(path: Path) -> bytes:
    """The key in this file, made where it is missing; processes that start together get the same. Raises `ConfigError`."""
    if (found := read_digest_key(path)) is not None:
        return found
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(fresh)
        with suppress(FileExistsError):  # another process was first
            os.link(fresh, path)
        fresh.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: the key for digests cannot be made: {error.strerror}") from error
    made = read_digest_key(path)
    if made is None:
        raise ConfigError(f"{path}: the key for digests is gone again: does something tidy up beside the log?")
    return made


def read_digest_key(path: Path) -> bytes | None:
    """The key in this file, `None` where there is no file. Raises `ConfigError` for what is no key, or may be read by others."""
    try:
        with path.open("rb") as file:
            mode, key = os.fstat(file.fileno()).st_mode, file.read(_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: the key for digests cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others than its owner may read or change this key for digests: chmod 600 it")
    if len(key) != _BYTES:
        raise ConfigError(f"{path}: is not a key for digests: put the right file back, or move it away for digests unlike those before")
    return key


def _write(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
