"""A fitted estimator as one file, and back: no pickle, nothing in it is run, and nothing in it is believed unchecked.

    "pointsman estimator 1\\n" | length of the head, 8 bytes | head, JSON | arrays, one after the other | SHA-256 of all before

The head says what the values are; the fields' annotations say what they must be. A bundle that fits them answers two queries on trial.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.errors import ConfigError
from pointsman.estimators.blend import Blended
from pointsman.estimators.bounds import Doubt
from pointsman.estimators.cold import Borrowed
from pointsman.estimators.features import Scale
from pointsman.estimators.forest import Forest
from pointsman.estimators.heads import Heads
from pointsman.estimators.learned import Fitted
from pointsman.estimators.mixture import Mixture, Weights
from pointsman.estimators.neighbours import Near
from pointsman.estimators.outcomes import Query
from pointsman.estimators.quantities import Directions, Quantities
from pointsman.estimators.stack import Verdict
from pointsman.estimators.steady import Steady
from pointsman.estimators.table import Sums, Tabled

MOST_BYTES = 1 << 30
FEATURES = 3  #: changes whenever what is read off a text, or made of it, does
_MAGIC = b"pointsman estimator 1\n"
_MOST_HEAD = 1 << 26
_TOPS: Sequence[type[Any]] = (Blended, Near, Tabled)
_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (*_TOPS, Borrowed, Doubt, Directions, Forest, Heads, Mixture, Quantities, Scale, Steady, Sums, Verdict, Weights)
}
_ARRAYS = {"Floats": "<f4", "Places": "<i4", "Rows": "<i8", "Vector": "<f8", "Matrix": "<f8", "NDArray[np.float64]": "<f8"}
_PLAIN: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}
_GIVEN = "embedder"  #: the one field that is not in the file


def dump(fitted: Fitted) -> bytes:
    """The file of a fitted estimator. The same estimator gives the same bytes. Raises `TypeError` for one that `load` does not know."""
    arrays: list[np.ndarray[Any, Any]] = []
    embedder = getattr(fitted, _GIVEN, None)
    head = {"features": FEATURES, "embedder": "" if embedder is None else embedder.name, "top": _packed(fitted, arrays)}
    head["arrays"] = [[array.dtype.str, list(array.shape)] for array in arrays]
    text = json.dumps(head, separators=(",", ":"), sort_keys=True).encode()
    body = b"".join((_MAGIC, len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays)))
    return body + hashlib.sha256(body).digest()


def digest(bundle: bytes) -> str:
    """The name of a bundle: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(bundle).hexdigest()}"


def load(bundle: bytes, embedder: Embedder | None = None, most_bytes: int = MOST_BYTES) -> Fitted:
    """The estimator in a file. Raises `ConfigError` for a file that is damaged, too large, of another version, or made to mislead."""
    if len(bundle) > most_bytes:
        raise ConfigError(f"the estimator bundle has {len(bundle):,} bytes: at most {most_bytes:,} are read")
    if not bundle.startswith(_MAGIC) or len(bundle) < len(_MAGIC) + 40:
        raise ConfigError("this is no estimator bundle of a version known here: train anew with `pointsman train`")
    if hashlib.sha256(bundle[:-32]).digest() != bundle[-32:]:
        raise ConfigError("the estimator bundle is damaged: its hash does not fit: copy it again, or train anew")
    try:
        return _loaded(memoryview(bundle)[len(_MAGIC) : -32], embedder)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, FloatingPointError) as error:
        raise ConfigError(f"the estimator bundle does not hold an estimator: {error}: train anew") from error


def _loaded(body: memoryview, embedder: Embedder | None) -> Fitted:
    length = int.from_bytes(body[:8], "little")
    if length > min(_MOST_HEAD, len(body) - 8):
        raise ValueError("its head is longer than the file")
    head = json.loads(bytes(body[8 : 8 + length]))
    if head["features"] != FEATURES:
        raise ValueError(f"it reads texts in way {head['features']}, this version in way {FEATURES}")
    own = "" if embedder is None else embedder.name
    if head["embedder"] != own:
        raise ValueError(f"it was fitted with the embedder `{head['embedder']}`, here is `{own}`")
    if head["top"]["kind"] not in {kind.__name__ for kind in _TOPS}:
        raise ValueError("it is of an unknown kind")
    reader = _Reader(_arrays(head["arrays"], body[8 + length :]), embedder)
    fitted: Fitted = reader.value(head["top"]["kind"], head["top"])
    _try(fitted)
    return fitted


def _packed(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value, value.dtype.newbyteorder("<")))
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        return [_packed(one, arrays) for one in value]
    if is_dataclass(value):
        if type(value) not in _KINDS.values():
            raise TypeError(f"`{type(value).__name__}` cannot be written: it is no part of an estimator known here")
        own = {one.name: _packed(getattr(value, one.name), arrays) for one in fields(value) if one.name != _GIVEN}
        return {"kind": type(value).__name__, **own}
    return value


def _arrays(said: Any, raw: memoryview) -> list[np.ndarray[Any, Any]]:
    arrays, at = [], 0
    for kind, shape in said:
        if kind not in _ARRAYS.values() or not all(type(size) is int and 0 <= size <= len(raw) for size in shape) or len(shape) > 3:
            raise ValueError("an array is of an unknown type or shape")
        size = math.prod(shape) * np.dtype(kind).itemsize
        if size > len(raw) - at:
            raise ValueError("its arrays are longer than the file")
        # A copy: what is not aligned, as in a file nothing is, takes twice as long to reckon with.
        array = np.frombuffer(raw[at : at + size], kind).reshape(shape).copy()
        array.flags.writeable = False
        if kind == "<f4" and not np.isfinite(array).all():
            raise ValueError("an array holds what is no number")
        arrays.append(array)
        at += size
    if at != len(raw):
        raise ValueError("something follows its arrays")
    return arrays


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the head into values, each of the type that its field's annotation names."""

    arrays: Sequence[np.ndarray[Any, Any]]
    embedder: Embedder | None

    def value(self, wanted: str, said: Any) -> Any:
        if wanted.endswith(" | None"):
            return None if said is None else self.value(wanted.removesuffix(" | None"), said)
        if wanted.startswith("tuple["):
            return tuple(self.value(wanted[len("tuple[") : -len(", ...]")], one) for one in _checked(said, list))
        if wanted in _ARRAYS:
            array = self.arrays[_checked(said["array"], int)]
            if array.dtype.str != _ARRAYS[wanted]:
                raise ValueError("an array is of the wrong type")
            return array
        if wanted in _PLAIN:
            return _checked(said, *_PLAIN[wanted])
        return self._dataclass(_KINDS[wanted], said)

    def _dataclass(self, kind: type[Any], said: Any) -> Any:
        names = {one.name: str(one.type) for one in fields(kind) if one.name != _GIVEN}
        if said.keys() != {"kind", *names} or said["kind"] != kind.__name__:
            raise ValueError(f"what should be {kind.__name__} is not")
        own = {name: self.value(wanted, said[name]) for name, wanted in names.items()}
        given = {_GIVEN: self.embedder} if any(one.name == _GIVEN for one in fields(kind)) else {}
        return kind(**own, **given)


def _checked(value: Any, *types: type) -> Any:
    if type(value) not in types:
        raise ValueError(f"`{str(value)[:40]}` is of the wrong type")
    return value


def _try(fitted: Fitted) -> None:
    """Parts that do not fit each other show here, not in the first request."""
    with np.errstate(all="raise", under="ignore"):
        for query in (Query("", ""), Query("", "two words", task="a task")):
            row = fitted.predict((query,))
            if not all(part.shape == row.quality.shape for part in (row.low, row.high, row.evidence, row.cost_usd)):
                raise ValueError("its parts differ in the number of models")
            if not np.isfinite(row.quality).all():
                raise ValueError("it expects what is no number")
            if any((np.isinf(part) | (part < 0)).any() for part in (row.cost_usd, row.output_tokens, row.latency_s)):
                raise ValueError("it expects costs, lengths or times that cannot be")
