"""Conditions: compiled and type-checked once, and never true by accident."""

from __future__ import annotations

import pytest

from pointsman.core.request import Request
from pointsman.core.ruling import FIELDS, facts
from pointsman.core.signals import Signals
from pointsman.errors import ConditionError, ConditionSyntaxError
from pointsman.policy.cel import compile_answer_condition, compile_condition

FACTS = facts(
    Request("r", "auto", max_output_tokens=5, tools=("a",), metadata={"team": "blue"}), Signals(keywords=("k",)), ("pii",), "code"
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'pii' in labels", True),
        ("labels.exists(l, l in ['phi', 'pii'])", True),
        ("task == 'code' && tokens.output > 10", True),
        ("tokens.input > 6000", False),
        ("metadata.team == 'blue'", True),
        ("'run' in metadata && metadata.run == 'x'", False),
        ("'k' in signals.keywords", True),
        ("request.model.startsWith('au')", True),
        ("size(request.tools) == 1", True),
        ("has(request.max_output_tokens) && request.max_output_tokens < 50", True),
        ("key.id == 'anonymous' && key.team == ''", True),
        ("!request.stream", True),
        ("labels.filter(l, l != 'pii').size() == 0", True),
        ("metadata.exists(k, metadata[k] == 'blue')", True),
    ],
)
def test_conditions_read_the_facts(source, expected):
    assert compile_condition(source)(FACTS) is expected


@pytest.mark.parametrize(
    "source",
    [
        "metadata.absent == 'x'",
        "metadata['absent'] == 'x'",
        "signals.keywords[7] == 'x'",
        "1 / tokens.input > 0",
        "request.model > 3",
    ],
)
def test_a_condition_that_fails_raises_and_is_never_true(source):
    with pytest.raises(ConditionError, match="failed"):
        compile_condition(source)(FACTS)


@pytest.mark.parametrize(
    ("source", "said", "place"),
    [
        ("taks == 'x'", "undeclared reference to 'taks'", (1, 1)),
        ("task > 3", "no matching overload", (1, 6)),
        ("true &&\n  foo", "undeclared reference to 'foo'", (2, 3)),
        ("1 + 1", "gives int, a condition must give a bool", (1, 1)),
        ("tokens.input >", "^the expression ends too early$", (1, 15)),
        ("", "^the expression ends too early$", (1, 1)),
        ("task = 'x'", "compare with `==`", (1, 6)),
        ("tokens.inputs > 3", "^unknown field `tokens.inputs`; did you mean `tokens.input`\\?$", (1, 1)),
        ("true && '.x' == task &&\n request.prompt.contains('a')", "^unknown field `request.prompt`; there are choices, ", (2, 2)),
        ("metadata.filter(k, k == 'a').size() > 0", "^`filter` works on labels, request.tools, signals.keywords only", (1, 9)),
        ("[metadata][0].map(k, k)[0] == 'a'", "^`map` works on ", (1, 14)),
        ("task task", "^syntax error: extraneous input 'task'$", (1, 6)),
    ],
)
def test_a_mistake_is_found_when_the_rule_is_loaded(source, said, place):
    with pytest.raises(ConditionSyntaxError, match=said) as found:
        compile_condition(source)
    assert (found.value.line, found.value.column) == place


@pytest.mark.parametrize(
    ("compiled", "source", "said"),
    [
        (compile_condition, 'request["modle"] == "x"', "did you mean `request.model`"),
        (compile_condition, 'request[r"modle"] == "x"', "write `request.field`"),
        (compile_condition, 'request["""modle"""] == "x"', "write `request.field`"),
        (compile_condition, 'signals["ta" + "sk"] == "x"', "write `signals.field`"),
        (compile_condition, '"modle" in request', "write `request.field`"),
        (compile_answer_condition, 'answer["lenght"] < 500', "unknown field `answer.lenght`"),
        (compile_answer_condition, 'answer[r"lenght"] < 500', "write `answer.field`"),
        (compile_answer_condition, '"lenght" in answer', "write `answer.field`"),
        (compile_answer_condition, 'asked["sytem"] == ""', "did you mean `asked.system`"),
        (compile_answer_condition, "answer.lenght < 500", "unknown field `answer.lenght`"),
    ],
)
def test_a_field_that_there_is_not_is_refused_however_it_is_written(compiled, source, said):
    with pytest.raises(ConditionSyntaxError, match=said):
        compiled(source)


@pytest.mark.parametrize("source", ['request["model"] == "auto"', "'a' in request.tools", "metadata['any'] == 'x'", "'any' in metadata"])
def test_fields_that_there_are_may_be_read_by_index(source):
    compile_condition(source)


def test_every_fact_can_be_named_and_no_other():
    for record, names in FIELDS.items():
        assert set(FACTS[record]) <= names
        for name in names:
            compile_condition(f"has({record}.{name}) || '{record}.absent' == task")


@pytest.mark.parametrize(("source", "alone"), [("'pii' in labels", True), ("true", True), ("'pii' in labels && task == 'x'", False)])
def test_conditions_on_labels_alone_are_known(source, alone):
    assert compile_condition(source).labels_only is alone
