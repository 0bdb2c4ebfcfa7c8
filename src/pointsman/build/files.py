"""Reading files that a configuration names, while a gateway runs: nothing of them may keep it from going on."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_BYTES = 1_000_000_000


def content(path: Path) -> bytes:
    """What a file holds. Raises `OSError` for what is no regular file (a pipe may be waited for in vain), and for what is too large."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file")
        if found.st_size > MOST_BYTES:
            raise OSError(0, f"it is longer than {MOST_BYTES:,} bytes")
        return file.read(MOST_BYTES)
