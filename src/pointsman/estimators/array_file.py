"""A file of a head and arrays, as estimators are kept: nothing in it is run, and a file that was changed does not open.

a line that says what it is | length of the head, 8 bytes | head, JSON | arrays, one after the other | SHA-256 of all before

Blanks after the JSON, which count as part of the head, let the arrays begin where they can be used as they lie: what is read is held once.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pointsman.errors import ConfigError

_MOST_HEAD = 1 << 26
_HASH_BYTES = 32
_ALIGNED_BYTES = 16  # as `bytes` lie in memory


def closed(magic: bytes, head: Mapping[str, Any], arrays: Iterable[np.ndarray[Any, Any]]) -> bytes:
    """The file. The same values give the same bytes."""
    text = json.dumps(head, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-(len(magic) + 8 + len(text)) % _ALIGNED_BYTES)
    body = b"".join((magic, len(text).to_bytes(8, "little"), text, *(np.ascontiguousarray(array).tobytes() for array in arrays)))
    return body + hashlib.sha256(body).digest()


def digest(file: bytes) -> str:
    """The name of a file: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(file).hexdigest()}"


def opened(file: bytes, magic: bytes, most_bytes: int, what: str, train: str) -> memoryview:
    """What follows the first line. Raises `ConfigError` for a file that is too large, another one than `what`, or damaged."""
    if len(file) > most_bytes:
        raise ConfigError(f"the {what} has {len(file):,} bytes: at most {most_bytes:,} are read")
    if not file.startswith(magic) or len(file) < len(magic) + 8 + _HASH_BYTES:
        raise ConfigError(f"this is no {what} of a version known here: train anew with `{train}`")
    said = memoryview(file)[:-_HASH_BYTES]
    if hashlib.sha256(said).digest() != file[-_HASH_BYTES:]:
        raise ConfigError(f"the {what} is damaged: its hash does not fit: copy it again, or train anew")
    return said[len(magic) :]


def parts(body: memoryview) -> tuple[Any, memoryview]:
    """The head, and the arrays' bytes. Raises `ValueError` for what holds none."""
    length = int.from_bytes(body[:8], "little")
    if length > min(_MOST_HEAD, len(body) - 8):
        raise ValueError("its head is longer than the file")
    return json.loads(bytes(body[8 : 8 + length])), body[8 + length :]


def arrays_of(said: Iterable[tuple[str, Sequence[Any]]], raw: memoryview, finite: frozenset[str]) -> list[np.ndarray[Any, Any]]:
    """Arrays of these types and shapes, which are read where they lie in `raw`, and keep it.

    Raises `ValueError` where bytes do not fit them, or one of a type in `finite` holds no number.
    """
    arrays, at = [], 0
    for kind, shape in said:
        if not all(type(size) is int and 0 <= size <= len(raw) for size in shape) or len(shape) > 3:
            raise ValueError("an array is of an unknown type or shape")
        size = math.prod(shape) * np.dtype(kind).itemsize
        if size > len(raw) - at:
            raise ValueError("its arrays are longer than the file")
        array = np.frombuffer(raw[at : at + size], kind).reshape(shape)
        # What is not aligned takes twice as long to reckon with, and what is empty is not to keep the file.
        if not size or not array.flags.aligned:
            array = array.copy()
        array.flags.writeable = False
        if kind in finite and not np.isfinite(array).all():
            raise ValueError("an array holds what is no number")
        arrays.append(array)
        at += size
    if at != len(raw):
        raise ValueError("something follows its arrays")
    return arrays
