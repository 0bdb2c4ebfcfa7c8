from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.estimators.bundle import digest, dump, load
from pointsman.estimators.table import Table
from pointsman.testing.estimators import sample_outcomes
from tests.estimators.learners import LEARNERS, LETTERS, Letters

MAGIC = b"pointsman estimator 1\n"
BLEND = dump(LEARNERS["blend"][0].fit(sample_outcomes(), seed=0))
TABLE = dump(Table().fit(sample_outcomes(), seed=0))


def parts(bundle):
    length = int.from_bytes(bundle[len(MAGIC) : len(MAGIC) + 8], "little")
    start = len(MAGIC) + 8
    return json.loads(bundle[start : start + length]), bundle[start + length : -32]


def joined(head, arrays):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    body = MAGIC + len(text).to_bytes(8, "little") + text + arrays
    return body + hashlib.sha256(body).digest()


def test_a_bundle_names_itself():
    assert digest(TABLE) == f"sha256:{hashlib.sha256(TABLE).hexdigest()}"
    assert dump(load(TABLE)) == TABLE


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (b"", "no estimator bundle"),
        (b"\x80\x04pickle", "no estimator bundle"),
        (TABLE[:-1], "damaged"),
        (TABLE + b"x", "damaged"),
        (joined(b"[" * 100_000, b""), "does not hold an estimator"),
        (joined(b"{}", b""), "does not hold an estimator"),
        (joined({**parts(TABLE)[0], "features": 99}, parts(TABLE)[1]), "reads texts in way 99"),
        (joined({**parts(TABLE)[0], "embedder": "other"}, parts(TABLE)[1]), "fitted with the embedder `other`"),
        (joined({**parts(TABLE)[0], "top": {"kind": "Path"}}, parts(TABLE)[1]), "unknown kind"),
        (joined(parts(TABLE)[0], parts(TABLE)[1][:-8]), "longer than the file"),
        (joined(parts(TABLE)[0], parts(TABLE)[1] + b"more"), "follows"),
        (joined({**parts(TABLE)[0], "arrays": [["<f8", [10**9, 10**9]]]}, parts(TABLE)[1]), "shape"),
        (joined({**parts(TABLE)[0], "arrays": [["|O", [1]]]}, b"12345678"), "unknown type"),
        (MAGIC + (1 << 60).to_bytes(8, "little") + b"x" * 40, "damaged"),
    ],
)
def test_what_is_no_sound_bundle_is_refused(bundle, said):
    with pytest.raises(ConfigError, match=said):
        load(bundle)


def test_the_hash_is_checked_and_so_is_the_size():
    with pytest.raises(ConfigError, match="at most 10 are read"):
        load(TABLE, most_bytes=10)


def test_another_embedder_is_refused():
    class Other(Letters):
        name = "other"

    with pytest.raises(ConfigError, match="here is `other`"):
        load(BLEND, Other())
    with pytest.raises(ConfigError, match="here is ``"):
        load(BLEND)


def leaves(value, path=()):
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, (*path, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from leaves(one, (*path, at))
    else:
        yield path


PATHS = list(leaves(parts(BLEND)[0]))
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just({"array": 0}),
)


@given(st.sampled_from(PATHS), HOSTILE)
@settings(max_examples=150, deadline=None)
def test_a_head_that_was_tampered_with_is_refused_or_harmless(path, value):
    head, arrays = parts(BLEND)
    place = head
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    try:
        fitted = load(joined(head, arrays), LETTERS)
    except ConfigError:
        return
    assert np.isfinite(fitted.predict(sample_outcomes(3).queries).quality).all()


@given(st.integers(0, 40), st.binary(min_size=4, max_size=16))
@settings(max_examples=60, deadline=None)
def test_arrays_that_were_tampered_with_are_refused_or_harmless(where, noise):
    head, arrays = parts(BLEND)
    at = where * (len(arrays) - 16) // 40
    broken = arrays[:at] + noise + arrays[at + len(noise) :]
    try:
        fitted = load(joined(head, broken), LETTERS)
    except ConfigError:
        return
    fitted.predict(sample_outcomes(3).queries)


def spoilt(value, path, made):
    """The same but for one part, past every check that making it would run."""
    if not path:
        return made(value)
    other = object.__new__(type(value))
    for one in fields(value):
        object.__setattr__(
            other, one.name, spoilt(getattr(value, one.name), path[1:], made) if one.name == path[0] else getattr(value, one.name)
        )
    return other


SPOILT = {
    "no ids": (("ids",), lambda ids: ()),
    "an outcome less than none": (("recorded",), lambda recorded: recorded - 2),
    "one model twice": (("warm",), lambda warm: np.zeros_like(warm)),
    "strong models of other number": (("mixture", "steady", "strong"), lambda strong: np.ones(len(strong) + 3)),
    "strength that is no number": (("mixture", "steady", "strong"), lambda strong: strong * np.nan),
    "tasks without weights": (("mixture", "scale", "tasks"), lambda tasks: (*tasks, *(f"task {at}" for at in range(300)))),
    "sums that are no number": (("table", "quality", "total"), lambda total: total * np.nan),
    "counts below none": (("table", "quality", "count"), lambda count: count - 1e6),
    "weights beyond adding up": (("mixture", "heads", "near_weights"), lambda weights: weights + np.float32(3e38)),
    "freedom of nothing": (("mixture", "heads", "complexity"), lambda _: 1e-300),
    "freedom that is no number": (("mixture", "heads", "complexity"), lambda _: float("nan")),
    "roots in rows": (("mixture", "forest", "roots"), lambda roots: roots.reshape(2, -1)),
    "doubt about fewer models": (("mixture", "doubt", "logits"), lambda logits: logits[:-1]),
}


@pytest.mark.parametrize(("path", "made"), SPOILT.values(), ids=SPOILT)
def test_parts_that_do_not_fit_each_other_are_refused(path, made):
    with pytest.raises(ConfigError, match="does not hold an estimator"):
        load(dump(spoilt(load(BLEND, LETTERS), path, made)), LETTERS)


def test_what_was_read_can_be_reckoned_with_as_it_is():
    heads = load(BLEND, LETTERS).mixture.heads
    assert all(part.flags.aligned and part.flags.c_contiguous for part in (heads.kept, heads.near_weights, heads.flat_weights))


def test_what_was_read_cannot_be_written_to():
    fitted = load(TABLE)
    with pytest.raises(ValueError, match="read-only"):
        fitted.quality.total[0, 0] = 1.0


def test_an_unknown_embedder_name_is_written():
    assert parts(BLEND)[0]["embedder"] == "letters"
    assert parts(TABLE)[0]["embedder"] == ""
    assert replace(sample_outcomes()).digest() == sample_outcomes().digest()
