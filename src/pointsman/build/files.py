"""Reading files that a configuration names, while a gateway runs: nothing of them may keep it from going on."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_BYTES = 1_000_000_000


def content(path: Path) -> bytes:
    """What a file holds. Raises `OSError` for what is no regular file (a pipe may be waited for in vain), and for what is too large."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "it is no regular file")
        if found.st_size > MOST_BYTES:
            raise OSError(None, f"it is longer than {MOST_BYTES:,} bytes")
        return file.read(MOST_BYTES)
