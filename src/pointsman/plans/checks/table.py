"""All checks, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pointsman.core.answer import Answer, Grade
from pointsman.errors import ConfigError
from pointsman.plans.checks.arithmetic import arithmetic
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.citations import citations
from pointsman.plans.checks.code import code
from pointsman.plans.checks.empty import empty
from pointsman.plans.checks.format import format  # noqa: A004
from pointsman.plans.checks.language import language
from pointsman.plans.checks.logprobs import logprobs
from pointsman.plans.checks.own import Check
from pointsman.plans.checks.refusal import refusal
from pointsman.plans.checks.repetition import repetition
from pointsman.plans.checks.required_fields import required_fields
from pointsman.plans.checks.schema import schema
from pointsman.plans.checks.self_report import self_report
from pointsman.plans.checks.tool_calls import tool_calls
from pointsman.plans.checks.truncated import truncated

CHECKS: Mapping[str, Check] = {
    "empty": empty,
    "refusal": refusal,
    "truncated": truncated,
    "repetition": repetition,
    "language": language,
    "format": format,
    "schema": schema,
    "required_fields": required_fields,
    "tool_calls": tool_calls,
    "arithmetic": arithmetic,
    "code": code,
    "citations": citations,
    "logprobs": logprobs,
    "self_report": self_report,
}
"""Those that look at one answer and what was asked, in the order in which the manual has them."""

COMPARED = ("agreement", "verifier")
"""Those that take further calls: plans make them, and hand them on."""


def grades(names: Iterable[str], answer: Answer, asked: Asked, own: Mapping[str, Check] | None = None) -> tuple[Grade, ...]:
    """What the named checks say of an answer, in their order; those that take further calls are left out. `own`: checks of the user's.

    Raises `ConfigError` where a name is unknown.

    >>> [grade.value for grade in grades(("empty", "refusal"), Answer("Certainly: 7."), Asked())]
    [1.0, 1.0]
    """
    known = {**CHECKS, **(own or {})}
    return tuple(_named(name, known)(answer, asked) for name in names if name not in COMPARED)


def _named(name: str, known: Mapping[str, Check]) -> Check:
    if (check := known.get(name)) is None:
        near = get_close_matches(name, [*known, *COMPARED], 1)
        raise ConfigError(f"unknown check `{name}`" + (f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(known)}"))
    return check
