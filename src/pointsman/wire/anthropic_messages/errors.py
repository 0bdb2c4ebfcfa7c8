"""Errors as clients of the Messages API read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.errors import PointsmanError

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(error: PointsmanError) -> bytes:
    """The JSON body of an error answer; `code` is ours, and there where the error has one.

    >>> from pointsman.errors import ModelNotFound
    >>> error_body(ModelNotFound("no route or model `gpt-9`"))
    b'{"type":"error","error":{"type":"not_found_error","message":"no route or model `gpt-9`","code":"model_not_found"},"request_id":null}'
    """
    otherwise = "invalid_request_error" if error.status < 500 else "api_error"
    said: dict[str, Any] = {"type": _TYPES.get(error.status, otherwise), "message": error.message}
    if error.code is not None:
        said["code"] = error.code
    if error.failures:
        said["attempts"] = error.failures_told()
    return msgspec.json.encode({"type": "error", "error": said, "request_id": error.decision})


def error_event(error: PointsmanError) -> bytes:
    """The server-sent event that ends a stream which failed."""
    return b"event: error\ndata: " + error_body(error) + b"\n\n"
