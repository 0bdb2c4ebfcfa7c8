"""Checks of the user's own: what their conditions may read, and what is said of a name that leads nowhere."""

from __future__ import annotations

import pytest

from pointsman.config.load import load
from pointsman.errors import ConfigError

CONFIG = """version: 1
models:
  - {id: small, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1"}
checks:
  own: {when: 'WHEN'}
routes: {auto: {checks: [own]}}
"""


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("answer.lenght < 5", "`answer.lenght`; did you mean `answer.length`?"),
        ('answer.empty || answer.finish_raeson == "stop"', "`answer.finish_raeson`; did you mean `answer.finish_reason`?"),
        ("size(asked.chioces) > 1", "`asked.chioces`; did you mean `asked.choices`?"),
        ('has(answer.txt) && answer.txt != ""', "`answer.txt`"),
        ('asked.text == ""', "`asked.text`; there are choices, question"),
        ("answr.length < 5", "undeclared reference"),
        ('signals.task == "x"', "undeclared reference"),
    ],
)
def test_a_condition_that_reads_what_no_answer_has_is_refused(when, says):
    with pytest.raises(ConfigError, match=r"checks\.own\.when") as refused:
        load(CONFIG.replace("WHEN", when), "test", {})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "when", ["answer.length < 2000", 'answer.text.contains("answer.lenght")', "answer.json == answer.json", "asked.choices == 1"]
)
def test_what_an_answer_has_may_be_read(when):
    assert load(CONFIG.replace("WHEN", when), "test", {}).checks["own"].when == when
