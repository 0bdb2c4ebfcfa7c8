"""The plainest conditions, read without a CEL runtime: most rules are one comparison, and the runtime takes ten times as long for one.

What is recognised here means exactly what it means in CEL; everything else is left to CEL.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from pointsman.core.rule import Facts

Comparison = Callable[[Facts], bool | None]
"""Whether it holds; `None` where the facts are not what is expected, which CEL is to judge."""

_OPERATORS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_TEXT = r"(?:\"(?P<double>[^\"\\\n]*)\"|'(?P<single>[^'\\\n]*)')"
_NUMBER = re.compile(
    r"\s*(?P<record>tokens|request)\.(?P<field>input|output|messages|images|choices)\s*(?P<sign><=?|>=?|==|!=)\s*(?P<number>\d{1,15})\s*"
)
_WITHIN = re.compile(rf"\s*{_TEXT}\s+in\s+(?P<list>labels|signals\.keywords|request\.tools)\s*")
_TASK = re.compile(rf"\s*task\s*==\s*{_TEXT}\s*")


def comparison(source: str) -> Comparison | None:
    """The condition as a function, `None` for one that is not that plain.

    >>> comparison("tokens.input > 6000")({"tokens": {"input": 7000}})
    True
    >>> comparison("tokens.input > 6000 && task == 'chat'") is None
    True
    """
    if (found := _NUMBER.fullmatch(source)) is not None:
        return _number(found["record"], found["field"], _OPERATORS[found["sign"]], int(found["number"]))
    if (found := _WITHIN.fullmatch(source)) is not None:
        return _within(found["double"] if found["single"] is None else found["single"], found["list"].split("."))
    if (found := _TASK.fullmatch(source)) is not None:
        wanted = found["double"] if found["single"] is None else found["single"]
        return lambda facts: facts["task"] == wanted if isinstance(facts.get("task"), str) else None
    return None


def _number(record: str, field: str, holds: Callable[[int, int], bool], number: int) -> Comparison:
    def compare(facts: Facts) -> bool | None:
        value = cast("Mapping[str, Any]", facts.get(record) or {}).get(field)
        return holds(value, number) if type(value) is int else None

    return compare


def _within(text: str, path: list[str]) -> Comparison:
    def look(facts: Facts) -> bool | None:
        value: Any = facts
        for name in path:
            value = value.get(name) if type(value) is dict else None
        return text in value if type(value) is list else None

    return look
