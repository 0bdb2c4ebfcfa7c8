"""Checks of the user's: a condition, a pattern, an installed Python function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pointsman.core.answer import Answer, Facts, Grade
from pointsman.errors import ConfigError, PointsmanError
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import as_json

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

Check = Callable[[Answer, Asked], Grade]
"""Looks at an answer. Pure, quick, and never raises."""

GROUP = "pointsman.checks"
"""The group of entry points under which packages offer checks."""

_MOST_CHARACTERS = 1_000_000
_PATTERN_BYTES = 8 << 20
_LONGEST_REASON = 200


def cel(name: str, holds: Callable[[Mapping[str, Any]], bool]) -> Check:
    """A check that a compiled condition over `facts` makes: 1 where it holds, 0 where it does not or cannot be evaluated.

    >>> cel("brief", lambda facts: facts["answer"]["length"] < 5)(Answer("Yes."), Asked()).value
    1.0
    """

    def check(answer: Answer, asked: Asked) -> Grade:
        try:
            kept = holds(facts(answer, asked)) is True
        except PointsmanError:
            return Grade(name, 0.0, "its condition cannot be evaluated")
        return Grade(name, 1.0) if kept else Grade(name, 0.0, "its condition does not hold")

    return check


def facts(answer: Answer, asked: Asked) -> Facts:
    """What a condition may look at."""
    return {
        "answer": {
            "text": answer.text[:_MOST_CHARACTERS],
            "length": len(answer.text),
            "refusal": answer.refusal,
            "finish_reason": answer.finish_reason or "",
            "empty": answer.empty,
            "json": _json(answer.text),
            "tool_calls": [{"name": call.name, "arguments": _json(call.arguments)} for call in answer.tool_calls],
        },
        "asked": {
            "question": asked.question,
            "system": asked.system,
            "tools": [tool.name for tool in asked.tools],
            "response_format": asked.response_format,
            "choices": asked.choices,
        },
    }


def _json(text: str) -> Any:
    return {} if not text.lstrip().startswith(("{", "[")) or (found := as_json(text)) is None else found.value


def pattern(name: str, source: str, *, absent: bool = False) -> Check:
    """A check that an RE2 pattern makes: 1 where it occurs in the answer, 0 where it does not; with `absent` the other way round.

    Raises `ConfigError` where it is no such pattern.

    >>> pattern("polite", "(?i)please")(Answer("Please wait"), Asked()).value
    1.0
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        compiled = re2.compile(source, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(f"check `{name}`: the pattern is not one of RE2: {said}") from error

    def check(answer: Answer, asked: Asked) -> Grade:
        text = answer.text[:_MOST_CHARACTERS].encode(errors="replace").decode()
        if (compiled.search(text) is not None) != absent:
            return Grade(name, 1.0)
        return Grade(name, 0.0, "its pattern occurs" if absent else "its pattern does not occur")

    return check


def guarded(name: str, check: Check) -> Check:
    """Someone else's check: what it raises becomes an abstention that says so, and what is no share is not believed."""

    def guard(answer: Answer, asked: Asked) -> Grade:
        try:
            said = check(answer, asked)
            value, reason = said.value, said.reason
            sound = value is None or 0 <= value <= 1
        except Exception as error:  # noqa: BLE001  whatever an installed check does wrong, the request goes on
            return Grade(name, None, f"it failed: {type(error).__name__}")
        return (
            Grade(name, None if value is None else float(value), str(reason)[:_LONGEST_REASON])
            if sound
            else Grade(name, None, "it gave no share")
        )

    return guard


def offered() -> tuple[str, ...]:
    """Names of the checks that installed packages offer."""
    return tuple(point.name for point in _points(tuple(sys.path)))


def installed() -> dict[str, Check]:
    """The checks that installed packages offer, by name. Raises `ConfigError` where one cannot be imported."""
    return {point.name: guarded(point.name, _loaded(point)) for point in _points(tuple(sys.path))}


@cache
def _points(path: tuple[str, ...]) -> EntryPoints:
    """Those on this path when it was first asked for: reading about every package takes milliseconds, and each configuration asks."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _loaded(point: EntryPoint) -> Check:
    try:
        check = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"check `{point.name}`: cannot be imported from `{point.value}`: {error}") from error
    if not callable(check):
        raise ConfigError(f"check `{point.name}`: `{point.value}` is no function")
    return check  # type: ignore[no-any-return]
