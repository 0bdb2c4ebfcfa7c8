"""Values as rows: a table whose columns are the fields of a dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Generic, NamedTuple, TypeVar

import apsw

from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog

T = TypeVar("T")

_TEXTS = frozenset({"routes", "models", "labels", "allowed_labels", "metadata"})
"""Columns that hold JSON."""


class Row(NamedTuple, Generic[T]):
    """A value, and the number of its latest change."""

    value: T
    changed: int


class Table(Generic[T]):
    """`T` in the table of that name; `ids` are the fields that name one."""

    def __init__(self, name: str, kind: type[T], ids: tuple[str, ...]) -> None:
        columns = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        self.ids = ids
        self._kind, self._columns, self._ids_at = kind, columns, [columns.index(column) for column in ids]
        self._named = " AND ".join(f"{column} = ?" for column in ids)
        self._select = f"SELECT {', '.join(columns)}, changed FROM {name}"  # noqa: S608  names of ours
        self._insert = f"INSERT INTO {name}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        self._update = f"UPDATE {name} SET {', '.join(f'{column} = ?' for column in columns)} WHERE {self._named} AND changed = ?"  # noqa: S608

    def find(self, file: LogFile, *id: str) -> Row[T] | None:
        """The one of that id."""
        found = self.select(file, f"WHERE {self._named}", id)
        return found[0] if found else None

    def select(self, file: LogFile, rest: str, bindings: tuple[object, ...] = ()) -> list[Row[T]]:
        """Those that the rest of the query names."""
        return [Row(self.value(row), row[-1]) for row in self.rows(file, rest, bindings)]

    def rows(self, file: LogFile, rest: str, bindings: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The same as the store has them; to make a value of a row takes ten times as long as to read it."""
        return file.rows(f"{self._select} {rest}", bindings)

    def changed_since(self, file: LogFile, number: int) -> dict[tuple[str, ...], tuple[Any, ...]]:
        """Rows that were changed after that change, by their ids."""
        return {tuple(row[at] for at in self._ids_at): row for row in self.rows(file, "WHERE changed > ?", (number,))}

    def value(self, row: tuple[Any, ...]) -> T:
        """The value of a row."""
        return self._kind(**{column: _read(column, cell) for column, cell in zip(self._columns, row, strict=False)})

    def insert(self, connection: apsw.Connection, value: T) -> bool:
        """Add it; false if there is one of that id."""
        try:
            connection.execute(self._insert, self._row(value))
        except apsw.ConstraintError:
            return False
        return True

    def update(self, connection: apsw.Connection, before: Row[T], value: T) -> bool:
        """Put it in the place of what was read; false if that has changed since."""
        connection.execute(self._update, (*self._row(value), *self.id_of(before.value), before.changed))
        return connection.changes() > 0

    def id_of(self, value: T) -> tuple[str, ...]:
        """What names it."""
        return tuple(getattr(value, column) for column in self.ids)

    def _row(self, value: T) -> tuple[Any, ...]:
        return tuple(_written(column, getattr(value, column)) for column in self._columns)


async def changed(log: SqliteLog, statement: str, bindings: tuple[Any, ...]) -> int:
    """Run a statement in the log's writer, which records nothing of it: how many rows it changed."""
    count = 0

    def run(connection: apsw.Connection) -> bool:
        nonlocal count
        connection.execute(statement, bindings)
        count = connection.changes()
        return False

    await log.write("", "", b"", run)
    return count


def _written(column: str, value: Any) -> Any:
    if value is None or column not in _TEXTS:
        return value
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)


def _read(column: str, cell: Any) -> Any:
    if cell is None or column not in _TEXTS:
        return cell
    found = json.loads(cell)
    return found if isinstance(found, dict) else tuple(found)
