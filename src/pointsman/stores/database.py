"""Opening the store's file: the SQLite version it takes, who may read it, its settings and its tables."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import apsw

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.log import Durability
from pointsman.stores.migrations import MIGRATIONS

#: SQLite 3.7.0 to 3.51.2 can corrupt a WAL file when two connections checkpoint and write at the same moment.
_FIRST_UNSAFE, _FIRST_SAFE = (3, 7, 0), (3, 51, 3)

#: Marks the file as ours (`PRAGMA application_id`): "PMLG".
APPLICATION_ID = 0x504D4C47

_COLUMNS = "SELECT tables.name, columns.name FROM pragma_table_list AS tables, pragma_table_info(tables.name) AS columns"


@contextmanager
def border(doing: str) -> Iterator[None]:
    """Turn SQLite's errors, and the system's, into `RecordError`."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise RecordError(f"{doing}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What went wrong, with SQLite's own name for it; without paths, for clients may read it."""
    if isinstance(error, apsw.Error):
        return f"{type(error).__name__.removesuffix('Error').lower()}: {error}"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def require_safe_sqlite(version: str) -> None:
    """Refuse a SQLite that can corrupt a WAL file.

    >>> require_safe_sqlite("3.54.1")
    >>> require_safe_sqlite("3.40.1")
    Traceback (most recent call last):
    pointsman.errors.ConfigError: SQLite 3.40.1 can corrupt the decision log (its WAL-reset bug): install apsw 3.51.3 or newer
    """
    if _FIRST_UNSAFE <= tuple(int(part) for part in version.split(".")) < _FIRST_SAFE:
        raise ConfigError(f"SQLite {version} can corrupt the decision log (its WAL-reset bug): install apsw 3.51.3 or newer")


def open_writer(path: Path, durability: Durability, busy_timeout_s: float, check_below_bytes: int, vfs: str | None) -> apsw.Connection:
    """The connection that writes; makes the file and its tables where they are missing."""
    require_safe_sqlite(apsw.sqlite_lib_version())
    with border(f"the decision log `{path}` cannot be opened"):
        _create(path)
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        try:
            _configure(connection, busy_timeout_s)
            _require_ours(connection, path)
            _check(connection, path, check_below_bytes)
            _switch_to_wal(connection, busy_timeout_s)
            # FULL syncs the WAL at each commit; NORMAL only at checkpoints, which leaves the last commits in the system's cache.
            connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_checkpointer(path: Path, vfs: str | None) -> apsw.Connection:
    """A connection that folds the WAL into the file while another writes."""
    with border(f"the decision log `{path}` cannot be opened"):
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        connection.execute("PRAGMA synchronous = NORMAL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
        return connection


def open_reader(path: Path, busy_timeout_s: float = 5.0, vfs: str | None = None) -> apsw.Connection:
    """A read-only connection to a file that exists."""
    require_safe_sqlite(apsw.sqlite_lib_version())
    if vfs is None and not path.exists():
        raise RecordError(f"{path}: no such log: the gateway's is `store.path`, by default `.pointsman/pointsman.db`")
    with border(f"the decision log `{path}` cannot be read"):
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
        _configure(connection, busy_timeout_s)
        return connection


def _create(path: Path) -> None:
    """An empty file that only its owner may read. An existing one is left as it is.

    It is not even opened: closing any descriptor of a file drops this process's locks on it, those of SQLite included.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or a power cut could take the file's name
    finally:
        os.close(folder)


def _configure(connection: apsw.Connection, busy_timeout_s: float) -> None:
    connection.set_busy_timeout(int(busy_timeout_s * 1000))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA secure_delete = ON")  # answers that are no longer kept are gone, not just out of sight
    # Only macOS knows these: there a plain fsync leaves the data in the drive's cache.
    connection.execute("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")


def _require_ours(connection: apsw.Connection, path: Path) -> None:
    application, empty = connection.execute("SELECT application_id, NOT EXISTS(SELECT 1 FROM sqlite_schema) FROM pragma_application_id").get
    if application != APPLICATION_ID and not empty:
        raise ConfigError(f"`{path}` is a database of another program: give the decision log a file of its own")


def _check(connection: apsw.Connection, path: Path, below_bytes: int) -> None:
    if path.stat().st_size >= below_bytes:
        return
    finding = connection.execute("PRAGMA quick_check(1)").get
    if finding != "ok":
        finding = " ".join(str(finding).split())
        raise RecordError(f"the decision log `{path}` is damaged: {finding}: restore a backup, or move it away to start a new one")


def _switch_to_wal(connection: apsw.Connection, patience_s: float) -> None:
    """For this lock alone SQLite does not wait by itself: two processes may open a fresh file together."""
    give_up_at = time.monotonic() + patience_s
    # EXTRA: were the old journal of this switch to come back after a power cut, it would undo the whole file.
    connection.execute("PRAGMA synchronous = EXTRA")
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except apsw.BusyError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(connection: apsw.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read inside the transaction: another process may have migrated while this one waited.
        version = known_version(connection, path, len(MIGRATIONS))
        try:
            for step in MIGRATIONS[version:]:
                connection.execute(step)
        except apsw.SQLError as error:
            raise _unfit(path, version, str(error)) from error
        if missing := _columns() - {*connection.execute(_COLUMNS)}:
            raise _unfit(path, version, f"`{'.'.join(min(missing))}` is missing")
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def known_version(connection: apsw.Connection, path: Path, newest: int) -> int:
    """The version of a file's tables. Raises `ConfigError` for one that is newer than this program's newest."""
    version = cast("int", connection.execute("PRAGMA user_version").get)
    if version > newest:
        raise ConfigError(f"`{path}` was written by a newer Pointsman (schema {version}, this one knows {newest}): use that one, or later")
    return version


def refuse_older(connection: apsw.Connection, path: Path) -> None:
    """Raise `ConfigError` for a file whose tables are of an earlier version, which only who writes can bring up to date."""
    if (version := known_version(connection, path, len(MIGRATIONS))) < len(MIGRATIONS):
        now = f"schema {version}, this one has {len(MIGRATIONS)}"
        cure = "start the gateway on it once, or run `pointsman keys list`: that brings it up to date"
        raise ConfigError(f"`{path}` was written by an earlier Pointsman ({now}): {cure}")


@cache
def _columns() -> frozenset[tuple[Any, ...]]:
    """Tables and columns of the newest version."""
    fresh = apsw.Connection(":memory:")
    for step in MIGRATIONS:
        fresh.execute(step)
    return frozenset(fresh.execute(_COLUMNS))


def _unfit(path: Path, version: int, why: str) -> ConfigError:
    cure = "use the version that wrote it, restore a backup, or move it away to start a new one"
    return ConfigError(f"`{path}` does not hold the tables of its version (schema {version}): {why}: {cure}")
