"""Reading files that a configuration names, while a gateway runs: nothing of them may keep it from going on."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MOST_BYTES = 1_000_000_000
PATIENCE_S = 10.0
"""How long nothing may come of a file before it is given up: of one on a mount that hangs nothing ever does."""

_PIECE = 100_000
_hanging: dict[str, threading.Thread] = {}  # files that were given up, and who still waits for them


def content(path: Path) -> bytes:
    """What a file holds.

    Raises `OSError` for what is no regular file (a pipe may be waited for in vain), for what is too large, and as `answered` does.
    """
    held = BytesIO()
    answered(path, partial(_read, path, held), held.tell)
    return held.getvalue()


def answered(path: Path, ask: Callable[[], T], came: Callable[[], int] = int) -> T:
    """What `ask` gives, which looks at a file in a thread of its own. Raises `OSError` if that takes too long while no more `came`.

    The thread is left behind: nobody can end it. Until it ends by itself the file is given up at once.
    """
    name = os.path.abspath(path)  # noqa: PTH100  `resolve` would look at the file
    if (earlier := _hanging.get(name)) is None or not earlier.is_alive():
        found: Future[T] = Future()
        thread = threading.Thread(target=_into, args=(found, ask), name=f"reads {path}", daemon=True)
        thread.start()
        before = -1
        while before != (before := came()):
            try:
                return found.result(PATIENCE_S)
            except TimeoutError:
                if found.done():
                    raise
        _hanging[name] = thread
    raise OSError(0, f"nothing has come of it for {PATIENCE_S:g} s, as if its mount hung")


def _into(found: Future[T], ask: Callable[[], T]) -> None:
    try:
        found.set_result(ask())
    except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
        found.set_exception(error)


def _read(path: Path, into: BytesIO) -> None:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file")
        if found.st_size > MOST_BYTES:
            raise OSError(0, f"it is longer than {MOST_BYTES:,} bytes")
        # As much memory as it will take, at once, and read in small pieces: what a thread has used and let go stays with the process.
        into.seek(found.st_size)
        into.write(b" ")
        into.seek(0)
        while piece := file.read(min(_PIECE, MOST_BYTES - into.tell())):
            into.write(piece)
        into.truncate()
