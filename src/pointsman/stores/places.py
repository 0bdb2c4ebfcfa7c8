"""Where the files that belong to a log lie unless told otherwise: beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The files that belong to a log.

    >>> Places.of(Path("state/pointsman.db")).key.name
    'pointsman.db-audit-key'
    """

    log: Path
    checkpoints: Path  #: signed checkpoints, one a line
    key: Path  #: the private key that signs them
    content_keys: Path  #: what contents are sealed with

    @classmethod
    def of(cls, log: Path, checkpoints: Path | None = None, key: Path | None = None, content_keys: Path | None = None) -> Places:
        """As given, else beside the log."""
        return cls(
            log,
            checkpoints or log.with_name(f"{log.name}-checkpoints"),
            key or log.with_name(f"{log.name}-audit-key"),
            content_keys or log.with_name(f"{log.name}-content-keys"),
        )

    @property
    def digest_key(self) -> Path:
        """What digests of findings are made with."""
        return self.log.with_name(f"{self.log.name}-digest-key")
