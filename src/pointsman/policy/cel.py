"""CEL conditions, compiled and type-checked once.

`cel-expr-python` returns a run-time error (a missing key, say) as a *truthy value*; this is the only place that calls it, and anything
but a real boolean becomes `ConditionError`. Language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pointsman.core.answer import FACTS
from pointsman.core.rule import Facts
from pointsman.core.ruling import FIELDS
from pointsman.errors import ConditionError, ConditionSyntaxError
from pointsman.policy.comparison import Comparison, comparison

if TYPE_CHECKING:
    from cel_expr_python import cel

_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_FIELD = re.compile(rf"(?<![\w.])(?P<record>{'|'.join(FIELDS)})\s*\.\s*(?P<name>\w+)(?!\w|\s*\()")
_RECORD = rf"(?<![\w.])(?P<record>{'|'.join((*FIELDS, *FACTS))})"
_INDEX = re.compile(rf"{_RECORD}\s*\[\s*(?P<quote>['\"])(?P<name>[^'\"\\]*)(?P=quote)\s*\]")
_INDEXED = re.compile(rf"{_RECORD}\s*\[")
_WITHIN = re.compile(rf"\bin\s+{_RECORD}\b(?!\s*[.\[])")
_LIST_MACRO = re.compile(r"\.\s*(map|filter)\s*\(")
_LISTS = ("labels", "request.tools", "signals.keywords")
_VARIABLES = ("request", "signals", "labels", "tokens", "task", "key", "metadata")
_MOST_KNOWN = 1_000
_Reads = tuple[tuple[str, tuple[str, ...] | None], ...]  # variables, and of records the fields; `None`: all of it
_WHERE = re.compile(r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): (?P<what>.*)")
# What the compiler says of its own workings, and what a reader needs instead.
_PLAIN_WORDS = (
    (re.compile(r" \(in container ''\)| \[INVALID_ARGUMENT\]| expecting (\{.*\}|<EOF>)"), ""),
    (re.compile(r"Syntax error: (mismatched|extraneous) input '<EOF>'"), "the expression ends too early"),
    (re.compile(r"Syntax error: token recognition error at: '= ?'"), "`=` is not an operator: compare with `==`"),
    (re.compile(r"Syntax error: "), "syntax error: "),
)


@dataclass(frozen=True, slots=True)
class CelCondition:
    """A compiled expression; equal to another with the same source.

    >>> compile_condition("tokens.input > 6000")({"tokens": {"input": 7000}})
    True
    """

    source: str
    labels_only: bool = field(compare=False)  #: it reads nothing but `labels`, so a proof without traffic can evaluate it
    _program: Any = field(compare=False, repr=False)
    _reads: _Reads = field(default=(), compare=False, repr=False)  # what its source names
    _plain: Comparison | None = field(default=None, compare=False, repr=False)
    _known: dict[tuple[str, ...], bool] = field(default_factory=dict, compare=False, repr=False)  # by labels, where it reads nothing else

    def __call__(self, facts: Facts) -> bool:
        if self._plain is not None and (plainly := self._plain(facts)) is not None:
            return plainly
        if not self.labels_only:
            return self._evaluated(facts)
        labels = tuple(cast("list[str]", facts["labels"]))
        if (known := self._known.get(labels)) is None:
            known = self._evaluated(facts)
            if len(self._known) < _MOST_KNOWN:
                self._known[labels] = known
        return known

    def _evaluated(self, facts: Facts) -> bool:
        try:
            result = self._program.eval(data=_given(facts, self._reads)).value()
        except RuntimeError as error:  # half of a surrogate pair, for example
            raise ConditionError(f"`{self.source}` failed: what it reads is no text") from error
        if result is True or result is False:
            return bool(result)
        raise ConditionError(f"`{self.source}` failed: {result}")


def compile_condition(source: str) -> CelCondition:
    """Compile a boolean expression over the facts of a request. Raises `ConditionSyntaxError` with line and column.

    >>> compile_condition("taks == 'chat'")
    Traceback (most recent call last):
    pointsman.errors.ConditionSyntaxError: undeclared reference to 'taks'
    """
    program = _compile(_environment(), source)
    if (kind := program.return_type().name()) != "BOOL":
        raise ConditionSyntaxError(f"the expression gives {kind.lower()}, a condition must give a bool")
    # Strings are blanked out, at the same length, so that columns stay and nothing in quotes is taken for a name.
    code = _STRING.sub(lambda found: " " * len(found[0]), source)
    _refuse_unknown_fields(source, code)
    _refuse_order_of_maps(code)
    return CelCondition(source, _reads_labels_only(source), program, tuple(_reads(code)), comparison(source))


def compile_answer_condition(source: str) -> Callable[[Mapping[str, Any]], bool]:
    """Compile a boolean expression over `answer` and `asked`, as a check of answers has it. Raises `ConditionSyntaxError`.

    >>> compile_answer_condition("size(answer.text) < asked.choices * 3")({"answer": {"text": "42"}, "asked": {"choices": 1}})
    True
    """
    program = _compile(_answer_environment(), source)
    if (kind := program.return_type().name()) != "BOOL":
        raise ConditionSyntaxError(f"the expression gives {kind.lower()}, a condition must give a bool")
    code = _STRING.sub(lambda found: " " * len(found[0]), source)
    for found in re.finditer(r"(?<![\w.])(?P<record>answer|asked)\s*\.\s*(?P<name>\w+)", code):
        _require_field(FACTS, found["record"], found["name"], code, found.start())
    _refuse_unknown_indexes(FACTS, source, code)
    return CelCondition(source, False, program, (("answer", None), ("asked", None)))


def _reads(code: str) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    for variable in _VARIABLES:
        mentions = len(re.findall(rf"(?<![\w.]){variable}\b", code))
        fields = [found["name"] for found in _FIELD.finditer(code) if found["record"] == variable]
        if mentions:
            yield variable, tuple(dict.fromkeys(fields)) if len(fields) == mentions else None


def _given(facts: Facts, reads: _Reads) -> dict[str, object]:
    """Every value given costs a conversion, so only what is read is given."""
    given: dict[str, object] = {}
    for variable, names in reads:
        value = facts.get(variable)
        if names is not None and isinstance(value, dict):
            given[variable] = {name: value[name] for name in names if name in value}
        elif variable in facts:
            given[variable] = value
    return given


def _refuse_unknown_fields(source: str, code: str) -> None:
    """CEL checks the fields of maps only when they are read, and then every request would fail. `code`: without its strings."""
    for found in _FIELD.finditer(code):
        _require_field(FIELDS, found["record"], found["name"], code, found.start())
    _refuse_unknown_indexes(FIELDS, source, code)


def _refuse_unknown_indexes(known: Mapping[str, frozenset[str]], source: str, code: str) -> None:
    """What is written in another way than `record.field`: of that only `record["field"]` can be checked."""
    for found in (*_INDEXED.finditer(code), *_WITHIN.finditer(code)):
        plain = _INDEX.match(source, found.start())
        if plain is None:
            record = found["record"]
            raise ConditionSyntaxError(
                f"write `{record}.field`: fields of `{record}` are read by their names", *_place(code, found.start())
            )
        if plain["record"] in known:
            _require_field(known, plain["record"], plain["name"], code, found.start())


def _require_field(known: Mapping[str, frozenset[str]], record: str, name: str, code: str, at: int) -> None:
    if name not in known[record]:
        near = get_close_matches(name, known[record], 1)
        hint = f"did you mean `{record}.{near[0]}`?" if near else f"there are {', '.join(sorted(known[record]))}"
        raise ConditionSyntaxError(f"unknown field `{record}.{name}`; {hint}", *_place(code, at))


def _refuse_order_of_maps(code: str) -> None:
    """The runtime walks maps in an order that changes from one evaluation to the next: a decision could not be made again."""
    for found in _LIST_MACRO.finditer(code):
        if not code[: found.start()].rstrip().endswith(_LISTS):
            what = f"`{found[1]}` works on {', '.join(_LISTS)} only: the entries of a map have no order; use `exists` or `all`"
            raise ConditionSyntaxError(what, *_place(code, found.start()))


def _place(code: str, at: int) -> tuple[int, int]:
    """Line and column, from 1."""
    return code.count("\n", 0, at) + 1, at - code.rfind("\n", 0, at)


def _compile(environment: cel.Env, source: str) -> Any:
    try:
        return environment.compile(source)
    except RuntimeError as error:
        found = _WHERE.search(str(error))
        if found is None:
            raise ConditionSyntaxError(str(error)) from error
        what = found["what"]
        for pattern, instead in _PLAIN_WORDS:
            what = pattern.sub(instead, what)
        raise ConditionSyntaxError(what, int(found["line"]), int(found["column"])) from error


def _reads_labels_only(source: str) -> bool:
    try:
        _compile(_label_environment(), source)
    except ConditionSyntaxError:
        return False
    return True


@cache
def _environment() -> cel.Env:
    from cel_expr_python import cel

    kind = cel.Type
    record = kind.Map(kind.STRING, kind.DYN)
    return cel.NewEnv(
        variables={
            "request": record,
            "signals": record,
            "labels": kind.List(kind.STRING),
            "tokens": kind.Map(kind.STRING, kind.INT),
            "task": kind.STRING,
            "key": kind.Map(kind.STRING, kind.STRING),
            "metadata": kind.Map(kind.STRING, kind.STRING),
        }
    )


@cache
def _answer_environment() -> cel.Env:
    from cel_expr_python import cel

    record = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables={"answer": record, "asked": record})


@cache
def _label_environment() -> cel.Env:
    from cel_expr_python import cel

    return cel.NewEnv(variables={"labels": cel.Type.List(cel.Type.STRING)})
