"""Errors as OpenAI clients read them: an object with four keys, always all four, and `attempts` where models were called."""

from __future__ import annotations

import msgspec

from pointsman.errors import PointsmanError


def error_body(error: PointsmanError) -> bytes:
    """The JSON body of an error answer.

    >>> from pointsman.errors import ModelNotFound
    >>> error_body(ModelNotFound("no route or model `gpt-9`", param="model"))
    b'{"error":{"message":"no route or model `gpt-9`","type":"invalid_request_error","param":"model","code":"model_not_found"}}'
    """
    said: dict[str, object] = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    if error.failures:
        said["attempts"] = error.failures_told()
    return msgspec.json.encode({"error": said})
