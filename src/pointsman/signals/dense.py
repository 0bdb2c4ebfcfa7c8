"""Embeddings from a sentence encoder of the user's: slower than the shipped table by two orders of magnitude, and nearer in meaning.

It is a BERT-like encoder in `model.onnx`, with its vocabulary (uncased WordPiece) in `tokenizer.json`. It is run in this process, on one
thread, by onnxruntime; nothing goes out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

from pointsman.errors import ConfigError
from pointsman.signals.canonical import ends, folded
from pointsman.signals.embedding import MOST_CHARS
from pointsman.signals.wordpiece import WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, VOCABULARY = "model.onnx", "tokenizer.json"
MOST_PIECES = 256  #: of a text that are read, from its beginning and its end; a text of 768 characters has some 190

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_NEEDED = frozenset(_INPUTS[:2])


@dataclass(frozen=True, slots=True, eq=False)
class DenseEmbedder:
    """Runs an encoder over a text and takes the mean of what it gives for each piece. Made by `load`."""

    name: str
    dims: int
    pieces: WordPiece = field(repr=False)
    marks: tuple[int, int]  #: numbers of the pieces that begin and end what the encoder reads
    inputs: tuple[str, ...]
    output: str
    session: Any = field(repr=False)  # onnxruntime has no types
    _latest: list[tuple[str, NDArray[np.float32]]] = field(default_factory=list, repr=False)  # one request asks several times

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        rows = np.zeros((len(texts), self.dims), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._vector(folded(ends(text, MOST_CHARS)))
        return rows

    def _vector(self, text: str) -> NDArray[np.float32]:
        import numpy as np

        for known, vector in self._latest:
            if known == text:
                return vector
        ids = self.pieces.ids(text)
        vector = self._direction(ids) if ids else np.zeros(self.dims, np.float32)
        self._latest[:] = ((text, vector),)
        return vector

    def _direction(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Of one text by itself, without padding: beside others an 8-bit encoder would round it in another way."""
        import numpy as np

        first, last = self.marks
        read = np.array([[first, *_ends(ids), last]], np.int64)
        given = {"input_ids": read, "attention_mask": np.ones_like(read), "token_type_ids": np.zeros_like(read)}
        found: NDArray[np.float32] = self.session.run([self.output], {name: given[name] for name in self.inputs})[0]
        mean: NDArray[np.float32] = found[0].mean(axis=0)
        length = sqrt(float(mean.dot(mean.astype(np.float64))))
        return mean * np.float32(1 / (length or 1.0))


def load(model: bytes, tokenizer: bytes) -> DenseEmbedder:
    """The encoder of two files (0.5 s). Raises `ConfigError` for those that are damaged or of another kind, and without onnxruntime."""
    vocabulary, marks = _vocabulary(tokenizer)
    session, inputs, output, dims = _session(model)
    digest = hashlib.sha256(hashlib.sha256(model).digest() + hashlib.sha256(tokenizer).digest()).hexdigest()
    name = f"dense-{dims}-folded-{MOST_CHARS}-{MOST_PIECES}-sha256:{digest}"
    embedder = DenseEmbedder(name, dims, WordPiece(vocabulary), marks, inputs, output, session)
    _try_out(embedder, len(vocabulary) - 1)
    return embedder


def _ends(ids: Sequence[int]) -> Sequence[int]:
    room = MOST_PIECES - 2
    tail = room // 3
    return ids if len(ids) <= room else [*ids[: room - tail], *ids[-tail:]]


def _vocabulary(content: bytes) -> tuple[list[str], tuple[int, int]]:
    """The vocabulary, and the pieces around a text. Only what `WordPiece` spells is read: BERT's, without case and accents."""
    try:
        said = json.loads(content)
        model, normal = said["model"], said["normalizer"]
        vocabulary: Mapping[str, int] = model["vocab"]
        ordered = sorted(vocabulary, key=vocabulary.__getitem__)
        uncased = normal["lowercase"] is True and normal.get("strip_accents") is not False
        kind = (model["type"], model["continuing_subword_prefix"], normal["type"], said["pre_tokenizer"]["type"])
        marks = vocabulary["[CLS]"], vocabulary["[SEP]"]
        in_order = [vocabulary[piece] for piece in ordered] == list(range(len(ordered)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__} {error}"
        raise ConfigError(f"{VOCABULARY}: holds no WordPiece vocabulary with `[CLS]` and `[SEP]`: {why}") from error
    if kind != ("WordPiece", "##", "BertNormalizer", "BertPreTokenizer") or not uncased or not in_order:
        raise ConfigError(f"{VOCABULARY}: is no vocabulary of an uncased BERT: only encoders with such a one can be read")
    return ordered, marks


def _session(content: bytes) -> tuple[Any, tuple[str, ...], str, int]:
    """The encoder, the inputs that it takes, the output that is read, and how many numbers that has for each piece."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f"{MODEL}: onnxruntime is not installed: pip install 'pointsman[dense]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it says is in what it raises
    # Weights in a file beside it would not be part of its name: they are looked for where nothing is.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no other class
        raise ConfigError(f"{MODEL}: is no model that onnxruntime can read: {_short(error)}") from error
    inputs = tuple(each.name for each in session.get_inputs())
    if not _NEEDED <= set(inputs) <= set(_INPUTS) or any(each.type != "tensor(int64)" for each in session.get_inputs()):
        raise ConfigError(f"{MODEL}: takes {', '.join(inputs)}: an encoder takes {', '.join(_INPUTS)} as whole numbers of 64 bits")
    for each in session.get_outputs():
        if each.type == "tensor(float)" and len(each.shape) == 3 and isinstance(each.shape[2], int):
            return session, inputs, each.name, each.shape[2]
    raise ConfigError(f"{MODEL}: gives no numbers for each piece: export the encoder with its `last_hidden_state`")


def _try_out(embedder: DenseEmbedder, last: int) -> None:
    """The shortest and the longest text go through, and the last piece of the vocabulary is known."""
    import numpy as np

    for size in (1, MOST_PIECES):
        try:
            found = embedder._direction([last] * size)
        except Exception as error:  # likewise
            raise ConfigError(f"{MODEL}: does not take {size} pieces of this vocabulary: {_short(error)}") from error
        if found.shape != (embedder.dims,) or not np.isfinite(found).all():
            raise ConfigError(f"{MODEL}: gives no numbers for {size} pieces of this vocabulary: is the vocabulary its own?")


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
