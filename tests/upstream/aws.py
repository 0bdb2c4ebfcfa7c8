"""What AWS would make of a call: its signature, worked out by AWS's description of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI"


def assert_signed(path: str, headers: Mapping[str, str], body: bytes) -> None:
    """That what arrived was signed so, for Bedrock in Frankfurt."""
    said = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    scope, names, signature = (piece.partition("=")[2] for piece in said)
    key_id, _, place = scope.partition("/")
    day, *rest = place.split("/")
    assert (key_id, rest) == (KEY_ID, ["eu-central-1", "bedrock", "aws4_request"])
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    spelled = quote(path, safe="/-_.~")  # once more than it was sent, as AWS wants it of every service but S3
    canonical = "\n".join(["POST", spelled, "", lines, names, hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], place, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for piece in (day, *rest):
        key = hmac.digest(key, piece.encode(), "sha256")
    assert signature == hmac.digest(key, text.encode(), "sha256").hex()
