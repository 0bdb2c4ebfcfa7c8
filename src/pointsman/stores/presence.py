"""Who is still there, of the processes that share a store: the system itself tells when one has died."""

from __future__ import annotations

import os
import secrets
import struct
import sys
import weakref
from pathlib import Path

_BIGGEST = 2**62


class Presence:
    """This process among those that share a file: each locks one byte of it, and the system lets go of it when the process dies.

    The bytes are never written: the file stays empty. Only Linux has locks of this kind; elsewhere everybody counts as there.
    """

    def __init__(self, path: Path) -> None:
        self.id = secrets.randbelow(_BIGGEST)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.leave = weakref.finalize(self, os.close, self._file)  #: be there no longer; so it is as well once nothing refers to this
        _lock(self._file, self.id)

    def there(self, id: int) -> bool:
        """Whether the process of that id lives."""
        if id == self.id or not _lock(self._file, id):
            return True
        _unlock(self._file, id)
        return False


if sys.platform == "linux":
    import fcntl

    # `struct flock`. Locks of the open file, not of the process: those would go with the first descriptor that is closed.
    def _lock(file: int, at: int) -> bool:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
            return False
        return True

    def _unlock(file: int, at: int) -> None:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_UNLCK, os.SEEK_SET, at, 1, 0))

else:

    def _lock(file: int, at: int) -> bool:
        return False

    def _unlock(file: int, at: int) -> None:
        return
