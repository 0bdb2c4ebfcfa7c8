"""A configuration edited while the gateway runs, or a file that it names: read again, checked aside, put in force only if it is sound."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pointsman.build.files import answered
from pointsman.build.learning import learned_files
from pointsman.config.load import load_file
from pointsman.config.schema import Config
from pointsman.errors import ConfigError, PointsmanError

_log = logging.getLogger("pointsman.server.reload")
_quiet = logging.getLogger("pointsman.server.reload.quiet")
_quiet.disabled = True

_MISSED_POLLS = 2  # an editor may take the file away for a moment before it puts another in its place


class _Mark(NamedTuple):
    """What changes when a file is written, or another takes its place."""

    modified_ns: int
    size: int
    inode: int


_Marks = tuple[_Mark | None, ...]


class Reloader:
    """Watches a file and those that it names, and calls `apply` with what it says when that is sound and differs from what is in force.

    A faulty file changes nothing: `problem` says what is wrong until it is mended. `apply` may refuse with `ConfigError` too; other
    failures of it are tried again. Settings that need a restart keep their value; a warning names those that were changed.
    """

    def __init__(
        self,
        path: Path,
        current: Config,
        apply: Callable[[Config], Awaitable[None]],
        *,
        env: Mapping[str, str] = os.environ,
        poll_s: float = 0.25,
        quiet: bool = False,
    ) -> None:
        """With `quiet` nothing is logged: others follow the same file, and say it."""
        self.current = current  #: what is in force
        self.problem: str | None = None  #: why the file's content is not
        self._path = path
        self._apply = apply
        self._env = env
        self._poll_s = poll_s
        self._log = _quiet if quiet else _log
        self._fixed: dict[str, object] | None = None  # what the file said at first of the settings that need a restart
        self._told: list[str] = []
        self._named = learned_files(current)  # by the configuration that was read last, in force or not
        self._learned = _marks(self._named)  # those in force
        self._settled: _Marks | None = None  # the file that was read last, and those that it names
        self._seen: _Marks | None = None  # the same at the latest poll
        self._missed = 0
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def watch(self) -> None:
        """Follow the file until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._asked.wait()
            except TimeoutError:
                await self.poll()
            else:
                self._asked.clear()
                await self.check()

    def wake(self) -> None:
        """Let `watch` read the file now, whether or not it changed."""
        self._asked.set()

    async def check(self) -> None:
        """Read the file now, whether or not it changed."""
        async with self._one_at_a_time:
            self._settled = self._seen = await asyncio.to_thread(_marks, (self._path, *self._named))
            await self._read(self._settled[0])

    async def poll(self) -> None:
        """Read the file if it or one that it names has changed, and has come to rest since: half of a file may be sound without its end."""
        marks = await asyncio.to_thread(_marks, (self._path, *self._named))
        self._missed = self._missed + 1 if None in marks else 0
        at_rest, self._seen = marks == self._seen, marks
        if at_rest and marks != self._settled and (None not in marks or self._missed > _MISSED_POLLS):
            await self.check()

    async def _read(self, mark: _Mark | None) -> None:
        try:
            read = await asyncio.to_thread(self._load)
            wanted = _with_fixed(read, self.current)
            self._named = learned_files(wanted)
            learned = await asyncio.to_thread(_marks, self._named)  # before they are read: what is written meanwhile is new the next time
            self._settled = self._seen = (mark, *learned)
            if wanted != self.current or learned != self._learned:
                await self._apply(wanted)
                self.current, self._learned = wanted, learned
                self._log.info("%s: in force from now on", self._path)
            elif self.problem is not None:
                self._log.info("%s: sound again, and as it is in force", self._path)
            self._tell_fixed(_fixed(read))
            self.problem = None
        except ConfigError as error:
            self._note(str(error))
        except PointsmanError as error:
            self._settled = None  # not the file's fault: try again
            self._note(str(error))
        except Exception as error:  # noqa: BLE001
            # A fault of ours must not end the watch. Not its message: that may hold what the file says.
            self._note(f"{self._path}: cannot be put in force: {type(error).__name__}")
            self._log.error("reloading failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))

    def _load(self) -> Config:
        try:
            return answered(self._path, partial(load_file, self._path, self._env))
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be read: {error.strerror}") from error

    def _tell_fixed(self, said: dict[str, object]) -> None:
        """Warn of settings that were changed in vain. Not by comparing with those in force: the command line may have set them."""
        self._fixed = self._fixed or said
        changed = [name for name, value in said.items() if value != self._fixed[name]]
        if changed and changed != self._told:
            self._log.warning("%s: changed, but in force only after a restart: %s", self._path, ", ".join(changed))
        self._told = changed

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            self._log.error("the configuration in force stays as it is:\n%s", problem)
        self.problem = problem


def _mark(path: Path) -> _Mark | None:
    try:
        found = answered(path, path.stat)
    except OSError:
        return None
    return _Mark(found.st_mtime_ns, found.st_size, found.st_ino)


def _marks(paths: Sequence[Path]) -> _Marks:
    return tuple(map(_mark, paths))


def _fixed(config: Config) -> dict[str, object]:
    """The settings that a running process cannot change."""
    server, store = config.server, config.store
    return {
        "server.host": server.host,
        "server.port": server.port,
        "server.workers": server.workers,
        "store.path": store.path,
        "store.durability": store.durability,
        "audit": config.audit,
    }


def _with_fixed(read: Config, current: Config) -> Config:
    """What was read, but for those settings."""
    server = replace(read.server, host=current.server.host, port=current.server.port, workers=current.server.workers)
    store = replace(read.store, path=current.store.path, durability=current.store.durability)
    return replace(read, server=server, store=store, audit=current.audit)
