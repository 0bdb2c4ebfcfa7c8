"""A fitted estimator as one file, and back: no pickle, nothing in it is run, and nothing in it is believed unchecked.

The head says what the values are; the fields' annotations say what they must be. A bundle that fits them answers two queries on trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.errors import ConfigError
from pointsman.estimators.array_file import arrays_of, closed, opened, parts
from pointsman.estimators.array_file import digest as digest
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
_MOST_EVIDENCE = 1e9
FEATURES = 3  #: changes whenever what is read off a text, or made of it, does
_MAGIC = b"pointsman estimator 1\n"
_TOPS: Sequence[type[Any]] = (Blended, Near, Tabled)
_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (*_TOPS, Borrowed, Doubt, Directions, Forest, Heads, Mixture, Quantities, Scale, Steady, Sums, Verdict, Weights)
}
_ARRAYS = {"Floats": "<f4", "Places": "<i4", "Rows": "<i8", "Vector": "<f8", "Matrix": "<f8", "NDArray[np.float64]": "<f8"}
_FINITE = frozenset({"<f4"})  # in the others what is not known stands as no number
_PLAIN: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}
_GIVEN = "embedder"  #: the one field that is not in the file


def dump(fitted: Fitted) -> bytes:
    """The file of a fitted estimator. The same estimator gives the same bytes. Raises `TypeError` for one that `load` does not know."""
    arrays: list[np.ndarray[Any, Any]] = []
    embedder = getattr(fitted, _GIVEN, None)
    head = {"features": FEATURES, "embedder": "" if embedder is None else embedder.name, "top": _packed(fitted, arrays)}
    head["arrays"] = [[array.dtype.str, list(array.shape)] for array in arrays]
    return closed(_MAGIC, head, arrays)


def load(bundle: bytes, embedder: Embedder | None = None, most_bytes: int = MOST_BYTES) -> Fitted:
    """The estimator in a file. Raises `ConfigError` for a file that is damaged, too large, of another version, or made to mislead."""
    body = opened(bundle, _MAGIC, most_bytes, "estimator bundle", "pointsman train")
    try:
        return _loaded(body, embedder)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, FloatingPointError) as error:
        raise ConfigError(f"the estimator bundle does not hold an estimator: {error}: train anew") from error


def _loaded(body: memoryview, embedder: Embedder | None) -> Fitted:
    head, raw = parts(body)
    if head["features"] != FEATURES:
        raise ValueError(f"it reads texts in way {head['features']}, this version in way {FEATURES}")
    own = "" if embedder is None else embedder.name
    if head["embedder"] != own:
        raise ValueError(f"it was fitted with the embedder `{head['embedder']}`, here is `{own}`")
    if head["top"]["kind"] not in {kind.__name__ for kind in _TOPS}:
        raise ValueError("it is of an unknown kind")
    if any(kind not in _ARRAYS.values() for kind, _ in head["arrays"]):
        raise ValueError("an array is of an unknown type or shape")
    reader = _Reader(arrays_of(head["arrays"], raw, _FINITE), embedder)
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
        for query in (Query("", ""), Query("", "two words", task="a task"), Query("", "a longer one ... " * 40)):
            row = fitted.predict((query,))
            if not all(part.shape == row.quality.shape for part in (row.low, row.high, row.evidence, row.cost_usd)):
                raise ValueError("its parts differ in the number of models")
            if not all(np.isfinite(part).all() for part in (row.quality, row.low, row.high, row.evidence)):
                raise ValueError("it expects what is no number")
            if not ((row.evidence >= 0) & (row.evidence < _MOST_EVIDENCE)).all():
                raise ValueError("it rests on more outcomes than there can be")
            if any((np.isinf(part) | (part < 0)).any() for part in (row.cost_usd, row.output_tokens, row.latency_s)):
                raise ValueError("it expects costs, lengths or times that cannot be")
