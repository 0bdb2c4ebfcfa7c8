"""Arrays in a file: they are read where they lie, wherever that is."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from pointsman.errors import ConfigError
from pointsman.estimators.array_file import arrays_of, closed, opened, parts

MAGIC = b"a test 1\n"
ARRAYS = tuple(np.ones(shape, kind) for kind, shape in (("<f8", (2, 3)), ("<f4", (3,)), ("<i4", (2,)), ("<f8", (4,)), ("<f4", (0, 2))))
SAID = [(array.dtype.str, array.shape) for array in ARRAYS]


def read(file: bytes) -> list[np.ndarray]:
    _, raw = parts(opened(file, MAGIC, 10_000, "test file", "a test"))
    return arrays_of(SAID, raw, frozenset({"<f4"}))


def unpadded(blanks: int) -> bytes:
    """A file as another version may have written it: the arrays begin anywhere."""
    text = json.dumps({"a": 1}).encode() + b" " * blanks
    body = b"".join((MAGIC, len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in ARRAYS)))
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize("length", range(20))
def test_what_is_read_is_held_once(length):
    file = closed(MAGIC, {"a": "x" * length}, ARRAYS)
    within = np.frombuffer(file, np.uint8)
    found = read(file)
    assert all(array.flags.aligned and not array.flags.writeable for array in found)
    assert [np.shares_memory(array, within) for array in found] == [True, True, True, False, False], "what is not aligned is copied"
    assert all(np.array_equal(one, other) for one, other in zip(found, ARRAYS, strict=True))


@pytest.mark.parametrize("blanks", range(16))
def test_arrays_that_begin_anywhere_are_the_same_and_as_fast_to_reckon_with(blanks):
    found = read(unpadded(blanks))
    assert blanks % 4 == 3 or all(array.base is None for array in found), "what is copied does not keep the file"
    assert all(array.flags.aligned and not array.flags.writeable for array in found)
    assert all(np.array_equal(one, other) for one, other in zip(found, ARRAYS, strict=True))


def test_a_changed_bit_is_damage():
    file = bytearray(closed(MAGIC, {}, ARRAYS))
    file[-40] ^= 1
    with pytest.raises(ConfigError, match="damaged"):
        read(bytes(file))
