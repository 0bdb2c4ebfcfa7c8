"""A learned confidence as one file, and back: no pickle, nothing in it is run, and nothing in it is believed unchecked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pointsman.core.worth import Further
from pointsman.errors import ConfigError
from pointsman.estimators.accord import FURTHER_SIZE, OF_ANSWER, Accord
from pointsman.estimators.array_file import arrays_of, closed, opened, parts
from pointsman.estimators.array_file import digest as digest
from pointsman.estimators.confidence import OWN, Confidence, Curve
from pointsman.estimators.duo import STATES, Duo
from pointsman.estimators.forest import Forest
from pointsman.estimators.opening import Openings, Pair
from pointsman.estimators.said import SIZE

FEATURES = 1  #: changes whenever what is read off an answer does
MOST_BYTES = 1 << 28
_MAGIC = b"pointsman confidence 2\n"
_TREES = ("roots", "feature", "threshold", "below", "value")
_KINDS = ("<i4", "<i4", "<f4", "<i4", "<f4")
_PAIR = 4  # arrays of a pair
_BESIDE = 3  # numbers about a further model


def dump(learned: Confidence) -> bytes:
    """The file. The same confidence gives the same bytes."""
    arrays: list[np.ndarray[Any, Any]] = [
        learned.means,
        learned.curve.by_model,
        learned.curve.by_task,
        learned.accord.stands,
        learned.accord.further,
        learned.openings.discern,
    ]
    for pair in learned.openings.pairs:
        arrays += [pair.duo.chance, pair.duo.right, pair.duo.strong, pair.cuts]
    forests = [forest for forest in (learned.forest, learned.gains) if forest is not None]
    for forest in forests:
        arrays += [np.asarray(getattr(forest, name), kind) for name, kind in zip(_TREES, _KINDS, strict=True)]
    head = {
        "features": FEATURES,
        "checks": learned.checks,
        "models": learned.models,
        "labels": learned.labels,
        "curve": [learned.curve.slope, learned.curve.trust, learned.curve.offset, learned.curve.models, learned.curve.tasks],
        "voices": learned.accord.models,
        "openers": learned.openings.models,
        "pairs": [[pair.tasks, pair.first, pair.second, pair.strong, pair.duo.tasks] for pair in learned.openings.pairs],
        "forests": [learned.forest is not None, learned.gains is not None],
        "shapes": [array.shape for array in arrays],
    }
    return closed(_MAGIC, head, arrays)


def load(file: bytes, most_bytes: int = MOST_BYTES) -> Confidence:
    """The confidence in a file. Raises `ConfigError` for one that is damaged, too large, of another version, or made to mislead."""
    body = opened(file, _MAGIC, most_bytes, "confidence file", "pointsman train confidence")
    try:
        learned = _loaded(body)
        with np.errstate(all="raise", under="ignore"):
            _try(learned)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, FloatingPointError) as error:
        raise ConfigError(f"the confidence file does not hold a confidence: {error}: train anew") from error
    return learned


def _loaded(body: memoryview) -> Confidence:
    head, raw = parts(body)
    if head["features"] != FEATURES:
        raise ValueError(f"it reads answers in way {head['features']}, this version in way {FEATURES}")
    there = [bool(one) for one in head["forests"]]
    paired = _PAIR * len(head["pairs"])
    kinds = ["<f8"] * (6 + paired) + list(_KINDS) * sum(there)
    arrays = arrays_of(zip(kinds, head["shapes"], strict=True), raw, frozenset({"<f4", "<f8"}))
    means, by_model, by_task, stands, further, discern, *rest = arrays
    pairs = tuple(_pair(said, rest[_PAIR * at :]) for at, said in enumerate(head["pairs"]))
    rest = rest[paired:]
    trees = iter([Forest(*rest[at : at + len(_TREES)]) for at in range(0, len(rest), len(_TREES))])
    forest, gains = (next(trees) if one else None for one in there)
    slope, trust, offset, models, tasks = head["curve"]
    curve = Curve(float(slope), float(trust), float(offset), _names(models), by_model, _names(tasks), by_task)
    accord = Accord(_names(head["voices"]), stands, further)
    openings = Openings(_names(head["openers"]), discern, pairs)
    learned = Confidence(_names(head["checks"]), forest, curve, gains, _names(head["models"]), means, int(head["labels"]), accord, openings)
    _fits(learned)
    return learned


def _pair(said: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Pair:
    tasks, first, second, strong, known = said
    first, second, strong = _names([first, second, strong])
    chance, right, last, cuts = arrays[:_PAIR]
    pair = Pair(_names(tasks), first, second, strong, Duo(_names(known), chance, right, last), cuts)
    if any(means.shape != (len(known) + 1, STATES) for means in (chance, right, last)) or strong in pair.asked:
        raise ValueError("what it knows of a pair differs in length")
    if cuts.shape != (STATES - 1 if first == second else 0,) or (np.diff(cuts) < 0).any():
        raise ValueError("a pair's states are none")
    return pair


def _names(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise ValueError("a list of names is none")
    return tuple(said)


def _fits(learned: Confidence) -> None:
    """Parts that differ in length, and trees that look at what there is not."""
    width = SIZE + OWN + 2 * len(learned.checks)
    lengths = (
        (learned.models, learned.means),
        (learned.curve.models, learned.curve.by_model),
        (learned.curve.tasks, learned.curve.by_task),
        (range(OF_ANSWER + 2 * len(learned.accord.models)), learned.accord.stands),
        (range(FURTHER_SIZE), learned.accord.further),
        (learned.openings.models, learned.openings.discern),
    )
    if any(values.shape != (len(names),) for names, values in lengths):
        raise ValueError("parts of it differ in length")
    if ((learned.openings.discern < 0) | (learned.openings.discern > 1)).any():
        raise ValueError("how well answers are told apart is no share")
    for forest, seen in ((learned.forest, width), (learned.gains, width + _BESIDE)):
        if forest is not None and (not len(forest.roots) or not 0 <= int(forest.feature.min()) <= int(forest.feature.max()) < seen):
            raise ValueError("a tree looks at a number that there is not")
        if forest is not None and (forest.value.ndim != 2 or not forest.value.shape[1]):
            raise ValueError("its trees say nothing")


def _try(learned: Confidence) -> None:
    """What does not fit shows here, not in the first request."""
    for model in ("", *learned.models[:1]):
        found = [learned.predict(model, "", 0.5, (), "an answer"), *learned.gain(model, 0.5, (), "an answer", [("", 0.5)])]
        if not all(math.isfinite(one) for one in found):
            raise ValueError("it expects what is no number")
    for pair in learned.openings.pairs:
        offers = [Further(model, 0.5, 0.0) for model in pair.models]
        for task in ("", *pair.tasks[:1]):
            pair.begin(task, offers, {one.model: one for one in offers}, 1.0)
