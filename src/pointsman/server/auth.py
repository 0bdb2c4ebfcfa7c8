"""Who is asking: from an `Authorization` header to a caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.rate import Rates
from pointsman.core.request import Caller
from pointsman.errors import AuthenticationError
from pointsman.stores.keys import OPERATOR_ID, Holder, KeyLookup, key_hash, matches, parse

_ROOT = Caller(key=OPERATOR_ID, role="root")


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows the stored keys with their rate limits, and the operator's own key where one is set, which has none."""

    keys: KeyLookup
    operator_hash: bytes | None = field(default=None, repr=False)
    rates: Rates = field(default_factory=lambda: Rates(time.monotonic))

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """The caller behind a request's headers (lower-case names); counts the request against its rate limits.

        Raises what `who` does, and `RateLimited`.
        """
        holder = self._holder(headers)
        if holder is None:
            return _ROOT
        self.rates.admit(holder.owners)
        return holder.caller

    def who(self, headers: Mapping[str, str]) -> Caller:
        """The caller as of now, without counting anything: for a request that was let in, and whose body took its time.

        Raises `AuthenticationError`, which never says which part was wrong, and `RecordError` where the store cannot be asked whether the
        key is still good.
        """
        holder = self._holder(headers)
        return _ROOT if holder is None else holder.caller

    def _holder(self, headers: Mapping[str, str]) -> Holder | None:
        """Who holds the key; `None` for root."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not (text := text.strip()):
            text = headers.get("x-api-key", "").strip()  # as Anthropic's clients send it
        if not text:
            raise AuthenticationError("no key: send `Authorization: Bearer <key>` or `x-api-key: <key>` with a key of this gateway")
        # Stored keys first: one that is also set as the operator's stays the caller it was, and stays revoked.
        key_id, secret = parse(text) or ("", "")
        holder = self.keys.look_up(key_id) if key_id else None
        if holder is None:
            if matches(self.operator_hash, text):
                return None
        elif holder.opens(secret, time.time_ns()):
            return holder
        raise AuthenticationError("the key is not one of this gateway's, or it is no longer valid")


def operator_key(text: str) -> bytes:
    """What is kept of the operator's own key."""
    return key_hash(text)
