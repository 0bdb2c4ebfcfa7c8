"""Signing checkpoints while a gateway runs."""

from __future__ import annotations

import asyncio
import logging

from pointsman.stores.checkpoints import add_checkpoint
from pointsman.stores.places import Places
from pointsman.stores.signing import load_public, load_signer, public_file

logger = logging.getLogger(__name__)


class Notary:
    """Signs whenever enough records came. Raises `ConfigError` at once where the key is missing or others may read it.

    Processes that share a log may each have one: they sign in turn, and only what the others have not. A key that is replaced while
    this runs is read anew.
    """

    def __init__(self, places: Places, every: int = 1_000) -> None:
        self.failure: str | None = None  #: why the latest attempt failed: what has to stand in the gateway's health
        self._places = places
        self._every = every
        load_signer(places.key), load_public(public_file(places.key))

    async def sign(self, every: int | None = None) -> None:
        """Sign if so many records came since the last checkpoint; a failure is told in `failure`, and not raised."""
        try:
            await asyncio.to_thread(self._sign, self._every if every is None else every)
        except Exception as error:  # noqa: BLE001  whatever it is, health has to show it, and the next attempt may succeed
            if self.failure is None:
                logger.error("no checkpoint is signed any more: %s", error)
            self.failure = str(error) or type(error).__name__
        else:
            self.failure = None

    async def run(self, interval_s: float = 5.0) -> None:
        """Look every so often, until cancelled. Sign once more after that, with `sign(1)`, once the last record is written."""
        while True:
            await asyncio.sleep(interval_s)
            await self.sign()

    def _sign(self, every: int) -> None:
        signer, keys = load_signer(self._places.key), load_public(public_file(self._places.key))
        add_checkpoint(self._places.log, self._places.checkpoints, signer, keys, every)
