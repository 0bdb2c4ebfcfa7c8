"""What keeps the log provable while a gateway runs: checkpoints are signed, contents are sealed, and end when their time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pointsman.config.schema import Config
from pointsman.errors import RecordError
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.notary import Notary
from pointsman.stores.places import Places
from pointsman.stores.retention import retain
from pointsman.stores.sqlite import SqliteLog

_log = logging.getLogger("pointsman.audit")

_LOOK_S = 3_600.0
"""Between looks at contents. Their keys are by day: once a day there is something to do."""


def places_of(config: Config) -> Places:
    """Where a configuration has the files that belong to its log."""
    told = config.audit
    given = (Path(name) if name else None for name in (told.checkpoints, told.key, told.content_keys))
    return Places.of(Path(config.store.path), *given)


class Auditor:
    """Raises `ConfigError` at once where the key that signs is missing, or others may read it."""

    def __init__(self, config: Config) -> None:
        self._places = places_of(config)
        self._interval_s = config.audit.interval_s
        self._retain_days = config.audit.retain_content_days
        self._notary = Notary(self._places, config.audit.checkpoint_every) if config.audit.key else None
        self._contents: ContentKeys | None = None
        self._kept_too_long: str | None = None

    @property
    def problem(self) -> str | None:
        """What an operator has to mend, `None` while all is well."""
        unsigned = None if self._notary is None else self._notary.failure
        told = {"no checkpoint is signed": unsigned, "contents are kept for too long": self._kept_too_long}
        return "; ".join(f"{what}: {why}" for what, why in told.items() if why is not None) or None

    def contents(self) -> ContentKeys:
        """What seals contents; the file of its keys is made where it is missing. Raises `RecordError`."""
        if self._contents is None:
            self._contents = ContentKeys(self._places.content_keys)
        return self._contents

    async def sign(self) -> None:
        """Sign checkpoints until cancelled, if that was asked for."""
        if self._notary is not None:
            await self._notary.run(self._interval_s)

    async def retain(self, clock: Callable[[], float]) -> None:
        """Erase contents whose time is over until cancelled, if that was asked for. `clock` gives seconds since the epoch."""
        if self._retain_days is not None:
            while True:
                await self.erase(clock(), self._retain_days)
                await asyncio.sleep(_LOOK_S)

    async def erase(self, now_s: float, days: int) -> None:
        """Erase contents of the days (UTC) before the last so many; a failure is told in `problem`, and not raised."""
        before = datetime.fromtimestamp(now_s, UTC).date() - timedelta(days=days)
        try:
            if self._contents is None and not self._places.content_keys.exists():
                return  # none was ever kept
            keys = await asyncio.to_thread(self.contents)
            erased = await retain(self._places.log, keys, f"older than {days} days, before {before}", before=before)
        except Exception as error:  # noqa: BLE001  whatever it is, health has to show it, and the next attempt may succeed
            self._kept_too_long = str(error) or type(error).__name__
            _log.error("contents of before %s are not erased: %s", before, self._kept_too_long)
        else:
            self._kept_too_long = None
            if erased.keys:
                _log.info("%d contents of before %s are erased: %s", erased.contents, before, ", ".join(erased.records))

    async def finish(self, log: SqliteLog) -> None:
        """Sign what was not signed yet, once the last record is written."""
        if self._notary is not None:
            with suppress(RecordError):  # the log has told of it; what it holds is signed
                await log.flush()
            await self._notary.sign(1)

    def close(self) -> None:
        """Let go of the keys."""
        if self._contents is not None:
            self._contents.close()
