"""Values: what a frozen dataclass promises, in a quarter of the time."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from pointsman.core.value import value


@value
class Made:
    """As `value` makes it."""

    name: str
    sizes: tuple[int, ...] = ()
    notes: dict[str, int] = field(default_factory=dict, compare=False)
    hidden: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Plain:
    """As `dataclass` makes it."""

    name: str
    sizes: tuple[int, ...] = ()
    notes: dict[str, int] = field(default_factory=dict, compare=False)
    hidden: str = field(default="", repr=False)


GIVEN = [(("a",), {}), (("a", (1, 2)), {}), ((), {"name": "a", "notes": {"x": 1}}), (("a",), {"hidden": "h"})]


@pytest.mark.parametrize(("positional", "named"), GIVEN)
def test_it_says_and_compares_what_a_frozen_dataclass_does(positional, named):
    made, plain = Made(*positional, **named), Plain(*positional, **named)
    assert repr(made).replace("Made", "Plain") == repr(plain)
    assert [getattr(made, one.name) for one in fields(made)] == [getattr(plain, one.name) for one in fields(plain)]
    assert (made == Made(*positional, **named), hash(made) == hash(plain)) == (True, True)
    assert type(made) is Made
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, replace, lambda made: pickle.loads(pickle.dumps(made))])
def test_it_can_be_made_again(again):
    made = Made("a", (1,), {"x": 1}, "h")
    assert again(made) == made
    assert again(made).notes == {"x": 1}


@pytest.mark.parametrize("change", [lambda made: setattr(made, "name", "b"), lambda made: delattr(made, "name")])
def test_nothing_of_it_can_be_changed(change):
    made = Made("a")
    with pytest.raises(FrozenInstanceError):
        change(made)
    assert made == Made("a")


def test_each_gets_a_default_of_its_own():
    Made("a").notes["x"] = 1
    assert Made("a").notes == {}


@pytest.mark.parametrize(("positional", "named"), [((), {}), (("a", (), {}, "", 5), {}), (("a",), {"other": 1})])
def test_wrong_arguments_are_refused_as_ever(positional, named):
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        Made(*positional, **named)


def test_nobody_derives_from_one():
    with pytest.raises(TypeError, match="nothing is derived from a value"):
        type("Derived", (Made,), {})


def test_what_derives_fields_is_no_value():
    with pytest.raises(TypeError, match="Derives: a value has fields"):

        @value
        class Derives:
            name: str
            twice: str = field(init=False)
