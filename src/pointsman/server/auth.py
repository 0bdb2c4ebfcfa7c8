"""Who is asking: from an `Authorization` header to a caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.request import Caller
from pointsman.errors import AuthenticationError
from pointsman.stores.keys import OPERATOR_ID, key_hash, matches, parse
from pointsman.stores.log import KeyStore


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows the stored keys, and the operator's own key where one is set."""

    keys: KeyStore
    operator_hash: bytes | None = field(default=None, repr=False)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """The caller behind a request's headers (lower-case names). Raises `AuthenticationError`; never says which part was wrong."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not (text := text.strip()):
            text = headers.get("x-api-key", "").strip()  # as Anthropic's clients send it
        if not text:
            raise AuthenticationError("no key: send `Authorization: Bearer <key>` with a key of this gateway")
        # Stored keys first: one that is also set as the operator's stays the caller it was, and stays revoked.
        key_id, secret = parse(text) or ("", "")
        key = await self.keys.find_key(key_id) if key_id else None
        if matches(key.hash if key else None, secret) and key is not None:
            if key.refusal(time.time_ns()) is None:
                return key.caller()
        elif matches(self.operator_hash, text):
            return Caller(key=OPERATOR_ID)
        raise AuthenticationError("the key is not one of this gateway's, or it is no longer valid")


def operator_key(text: str) -> bytes:
    """What is kept of the operator's own key."""
    return key_hash(text)
