"""Checks of the user's: conditions, patterns, installed functions."""

from __future__ import annotations

import sys

import pytest

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.errors import ConditionError, ConfigError
from pointsman.plans.checks import Asked, Offered, grades
from pointsman.plans.checks.own import cel, facts, guarded, installed, pattern


def test_a_condition_sees_the_answer_and_what_was_asked():
    seen = facts(Answer('{"a": [1]}', tool_calls=(ToolCall("1", "f", '{"b": 2}'),)), Asked("Why?", tools=(Offered("f"),)))
    assert seen["answer"]["json"] == {"a": [1]}
    assert seen["answer"]["tool_calls"] == [{"name": "f", "arguments": {"b": 2}}]
    assert (seen["asked"]["question"], seen["asked"]["tools"]) == ("Why?", ["f"])


def failing(facts):
    raise ConditionError("no such key")


@pytest.mark.parametrize(("holds", "value"), [(lambda facts: True, 1), (lambda facts: False, 0), (lambda facts: "true", 0), (failing, 0)])
def test_only_what_is_true_holds(holds, value):
    assert cel("mine", holds)(Answer("7"), Asked()).value == value


@pytest.mark.parametrize(
    ("source", "absent", "text", "value"),
    [
        ("(?i)sincerely", False, "Yours sincerely", 1),
        ("sincerely", False, "Bye", 0),
        ("TODO", True, "TODO: it", 0),
        ("TODO", True, "\ud800", 1),
    ],
)
def test_a_pattern_occurs_or_does_not(source, absent, text, value):
    assert pattern("mine", source, absent=absent)(Answer(text), Asked()).value == value


@pytest.mark.parametrize("source", ["(", "(?=a)", "\\1"])
def test_a_pattern_that_is_none_is_refused(source):
    with pytest.raises(ConfigError, match="check `mine`: the pattern is not one of RE2"):
        pattern("mine", source)


@pytest.mark.parametrize(
    ("check", "value", "reason"),
    [
        (lambda answer, asked: Grade("other", 0.5, "half"), 0.5, "half"),
        (lambda answer, asked: Grade("other", None), None, ""),
        (lambda answer, asked: Grade("other", 7), None, "it gave no share"),
        (lambda answer, asked: 0.5, None, "it failed: AttributeError"),
        (lambda answer, asked: 1 / 0, None, "it failed: ZeroDivisionError"),
        (lambda answer, asked: Grade("other", 1, "x" * 999), 1, "x" * 200),
    ],
)
def test_an_installed_check_cannot_break_a_request(check, value, reason):
    assert guarded("mine", check)(Answer("7"), Asked()) == Grade("mine", value, reason)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package that offers checks."""

    def install(**points):
        (tmp_path / "shouting.py").write_text(
            "from pointsman.core.answer import Grade\ndef quiet(answer, asked):\n    return Grade('quiet', float(answer.text != answer.text.upper()))\nword = 7\n"
        )
        (tmp_path / "shouting-1.dist-info").mkdir()
        (tmp_path / "shouting-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (tmp_path / "shouting-1.dist-info" / "entry_points.txt").write_text(f"[pointsman.checks]\n{lines}")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "shouting", raising=False)

    return install


def test_installed_packages_offer_checks(package):
    package(quiet="shouting:quiet")
    own = installed()
    assert [grade.value for grade in grades(("quiet", "empty"), Answer("HELLO"), Asked(), own)] == [0, 1]


@pytest.mark.parametrize(
    ("value", "said"),
    [("shouting:absent", "cannot be imported"), ("shouting:word", "is no function"), ("nowhere:it", "cannot be imported")],
)
def test_what_cannot_be_loaded_is_said(package, value, said):
    package(bad=value)
    with pytest.raises(ConfigError, match=f"check `bad`: .*{said}"):
        installed()
