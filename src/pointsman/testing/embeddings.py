"""`/embeddings` as OpenAI's reference describes it: the same text always has the same vector, of length 1."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any

from pointsman.testing.asked import Asked, MalformedError, Memory, Turn, model_of, words
from pointsman.testing.chat import error, error_event
from pointsman.testing.said import Dialect, Reply

DIMENSIONS = 256


def read(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request, understood: one turn for each input."""
    size = body.get("dimensions")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise MalformedError("Invalid 'dimensions': integer below minimum value.", "dimensions", "integer_below_min_value")
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise MalformedError("Invalid 'encoding_format': expected 'float' or 'base64'.", "encoding_format", "invalid_value")
    return Asked(model=model_of(body), raw=body, turns=tuple(Turn("user", text, words(text)) for text in _inputs(body.get("input"))))


def _inputs(given: object) -> list[str]:
    several = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    texts = [" ".join(map(str, one)) if isinstance(one, list) and all(isinstance(token, int) for token in one) else one for one in several]
    if not all(isinstance(text, str) and text for text in texts):
        raise MalformedError(
            "Invalid 'input': expected a string, tokens, or an array of either, none of them empty.", "input", "invalid_type"
        )
    return [str(text) for text in texts]


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A text's direction; texts have nothing to do with one another.

    >>> [round(x, 3) for x in vector("one", 3)]
    [0.37, 0.188, 0.91]
    """
    found = struct.unpack(f"<{dimensions}h", hashlib.shake_256(text.encode()).digest(2 * dimensions))
    length = math.hypot(*found) or 1.0
    return [x / length for x in found]


def whole(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer."""
    size = asked.raw.get("dimensions") or DIMENSIONS
    packed = asked.raw.get("encoding_format") == "base64"
    found = [vector(turn.text, size) for turn in asked.turns]
    told = [base64.b64encode(struct.pack(f"<{size}f", *one)).decode() for one in found] if packed else found
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(told)]
    usage = {} if reply.usage is None else {"usage": {"prompt_tokens": reply.usage.input, "total_tokens": reply.usage.input}}
    return {"object": "list", "data": data, "model": asked.model, **usage}


EMBEDDINGS = Dialect(read, whole, error, error_event)
