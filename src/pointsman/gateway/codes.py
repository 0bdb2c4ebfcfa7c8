"""What a failure is called: on record, to clients, and in the program's log."""

from __future__ import annotations

import re

from pointsman.errors import PointsmanError, UpstreamError, UpstreamRefused

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def code_of(text: str | None) -> str | None:
    """A code as the record keeps it. What an upstream calls one may be any text, even the client's: that is not kept."""
    return text if text is not None and _CODE.fullmatch(text) else None


def code_of_error(error: Exception) -> str:
    """The code of whatever ended a call."""
    return code_of((error.code or error.type) if isinstance(error, PointsmanError) else "internal") or "upstream_error"


def cause_of(error: UpstreamError) -> str:
    """What an operator needs to mend it: which check an answer fails, why there was no connection, or the status with which the provider
    turned the gateway away."""
    if error.check:
        return f": its answer fails the check `{error.check}`"
    cause = error.__cause__
    if isinstance(cause, OSError):
        return f": {cause.strerror or cause or type(cause).__name__}"
    return f" with status {error.upstream_status}" if isinstance(error, UpstreamRefused) and error.upstream_status else ""
