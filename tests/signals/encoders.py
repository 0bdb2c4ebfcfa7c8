"""An encoder small enough to be written by hand: each piece of a vocabulary is a row of a table, and stays it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "egg", "boil", "train", "##s", "late", "how", "a", "is")
DIMS = 4
INT64, FLOAT = 7, 1
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def table() -> np.ndarray:
    """Of rows that are easy to add up; the pieces around a text are zeros."""
    rows = np.random.default_rng(5).integers(-9, 10, (len(WORDS), DIMS)).astype(np.float32)
    rows[:4] = 0
    return rows


def folder(
    at: Path,
    *,
    inputs: Sequence[str] = INPUTS,
    kind: int = INT64,
    rows: np.ndarray | None = None,
    tokenizer: Mapping[str, Any] | None = None,
    beside: str = "",
) -> Path:
    """Write an encoder's folder."""
    at.mkdir(exist_ok=True)
    (at / "model.onnx").write_bytes(model(table() if rows is None else rows, inputs, kind, beside))
    (at / "tokenizer.json").write_text(json.dumps(described() if tokenizer is None else tokenizer))
    return at


def described(**model: Any) -> dict[str, Any]:
    """What `tokenizer.json` says, with the padding and truncation that such files often ask for."""
    known = {"type": "WordPiece", "continuing_subword_prefix": "##", "vocab": {word: at for at, word in enumerate(WORDS)}}
    return {
        "truncation": {"max_length": 3},
        "padding": {"strategy": {"Fixed": 128}},
        "normalizer": {"type": "BertNormalizer", "lowercase": True, "strip_accents": None},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": known | model,
    }


def model(rows: np.ndarray, inputs: Sequence[str] = INPUTS, kind: int = INT64, beside: str = "") -> bytes:
    """ONNX by hand (onnx.proto3 has the numbers of the fields): `last_hidden_state` = Gather(table, the first input).

    `beside`: the file that holds the table, where the model itself does not.
    """
    numbers = _bytes(13, _bytes(1, b"location") + _bytes(2, beside.encode())) + _number(14, 1) if beside else _bytes(9, rows.tobytes())
    held = b"".join(_number(1, size) for size in rows.shape) + _number(2, FLOAT) + _bytes(8, b"table") + numbers
    node = b"".join((_bytes(1, b"table"), _bytes(1, inputs[0].encode()), _bytes(2, b"last_hidden_state"), _bytes(4, b"Gather")))
    values = [_bytes(11, _value(name, kind, ("batch", "sequence"))) for name in inputs]
    output = _bytes(12, _value("last_hidden_state", FLOAT, ("batch", "sequence", rows.shape[1])))
    graph = _bytes(1, node) + _bytes(2, b"tiny") + _bytes(5, held) + b"".join(values) + output
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 17))


def _value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(_bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode())) for size in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sizes)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
