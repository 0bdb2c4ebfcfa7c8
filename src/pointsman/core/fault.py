"""Classes of failure of a call: what decides whether it is tried again, and where.

| fault | what happened |
|---|---|
| `malformed` | the upstream says that the request itself is wrong |
| `context_length` | the request is longer than the model's context |
| `content_filter` | the provider's filter refused it |
| `refused` | the upstream does not accept our key, our right to the model, or the model's name |
| `quota` | the account's money or quota is used up: waiting does not help |
| `rate_limit` | too many requests or tokens in a short time: waiting helps |
| `overloaded` | the upstream is out of capacity |
| `server_error` | the upstream failed inside |
| `unreachable` | no connection, or it was lost before an answer |
| `timeout` | one of the clocks ran out |
| `broken` | what came is no answer, or a stream that stopped before any content |
| `invalid_output` | an answer that does not keep what was asked for: empty, not of the schema, cut off |
| `unavailable` | not called: its breaker is open, or a limit of ours is reached |
| `over_budget` | not called: a budget could not cover it; a cheaper model may fit |
"""

from __future__ import annotations

from typing import Final

from pointsman.errors import Fault

RETRIED: Final[frozenset[Fault]] = frozenset({"rate_limit", "overloaded", "server_error", "unreachable", "broken"})
"""Faults after which the same model is asked again."""

FINAL: Final[frozenset[Fault]] = frozenset({"malformed", "context_length", "content_filter"})
"""Faults after which other models are asked only where a route has a chain for them."""

NOT_CALLED: Final[frozenset[Fault]] = frozenset({"unavailable", "over_budget"})
"""Faults of a model that was not asked at all."""

__all__ = ["FINAL", "NOT_CALLED", "RETRIED", "Fault"]
