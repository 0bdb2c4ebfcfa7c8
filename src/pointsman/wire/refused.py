"""From what an upstream says went wrong to our error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pointsman.core.fault import Fault
from pointsman.errors import UpstreamRefused
from pointsman.wire.faults import Classified, classify, classify_event

_PASSED_ON = frozenset({400, 402, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529})
_STATUS: Final[Mapping[Fault, int]] = {
    "malformed": 400,
    "context_length": 400,
    "content_filter": 400,
    "quota": 429,
    "rate_limit": 429,
    "overloaded": 503,
}


def refused(status: int, body: bytes, headers: Mapping[str, str], now_s: float) -> UpstreamRefused:
    """The error that an answer other than 200 becomes; its code, type and words go through to the client.

    A refusal of *our* credentials or of our choice of model name is not the client's to mend, and neither is a redirection: they become
    502. `now_s`: wall clock, for dates in headers.
    """
    found = classify(status, body, headers, now_s)
    if found.fault == "refused" or (status not in _PASSED_ON and found.fault not in _STATUS):
        said = f"the model's provider did not accept the gateway's call: status {status}"
        error = UpstreamRefused(said, status=502, fault=found.fault, code="upstream_refused", retry_after_s=found.retry_after_s)
        error.upstream_status = status
        return error
    return _error(found, status if status in _PASSED_ON else _STATUS[found.fault])


def refused_event(data: bytes) -> UpstreamRefused:
    """The error that an error event within a stream becomes."""
    found = classify_event(data)
    return _error(found, _STATUS.get(found.fault, 502))


def _error(found: Classified, status: int) -> UpstreamRefused:
    return UpstreamRefused(
        found.message or f"the model's provider answered with status {status}",
        status=status,
        fault=found.fault,
        type=found.type or ("invalid_request_error" if status < 500 else "server_error"),
        code=found.code,
        param=found.param,
        retry_after_s=found.retry_after_s,
    )
