"""Requests without a key that opens: who sends how many, in the operator's log. No key and no address stands in it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

_log = logging.getLogger("pointsman.server.auth")

_MINUTE_S, _MOST_CLIENTS = 60, 100
_OTHERS = "others"


def client_digest(address: str) -> str:
    """What stands for an address: who knows one can find it.

    >>> client_digest("127.0.0.1")
    '12ca17b49af2'
    """
    return sha256(address.encode()).hexdigest()[:12]


class Strangers:
    """Counts them by client and minute, and logs the 1st, 10th, 100th, … of each: whoever can connect cannot fill the log.

    More than a hundred clients in a minute are counted together. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = -1
        self._counts: Counter[str] = Counter()

    def note(self, address: str) -> None:
        """One more from that address."""
        if (minute := int(self._clock() // _MINUTE_S)) != self._minute:
            self._minute = minute
            self._counts.clear()
        client = client_digest(address)
        if client not in self._counts and len(self._counts) >= _MOST_CLIENTS:
            client = _OTHERS
        self._counts[client] += 1
        count = self._counts[client]
        if count == 10 ** (len(str(count)) - 1):
            _log.warning("wrong or missing key: client %s, %d in this minute", client, count)
