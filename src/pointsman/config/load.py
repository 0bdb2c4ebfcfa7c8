"""A configuration file to `Config`, or all that is wrong with it: one line each, with path, line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import msgspec.inspect as types

from pointsman.config.check import problems
from pointsman.config.check_rules import test_problems
from pointsman.config.document import LARGEST_BYTES, Document, Entries, Entry, Items, Node, Scalar, read
from pointsman.config.expected import bare, choices, description, expected
from pointsman.config.policies import PolicyTests
from pointsman.config.problem import Fault, Path, Problem, did_you_mean, short
from pointsman.config.schema import Config
from pointsman.errors import ConfigError

SECRET: Final = frozenset({"api_key", "secret"})
"""Settings whose value no message may repeat."""

Kind = TypeVar("Kind")

_MOST_LINES = 50
_CURE: Final = ": `pointsman init` writes one"
_WRONG: Final = object()  # stands where a fault was noted
_shapes: dict[type[Any], types.Type] = {}


def load(text: str, name: str, env: Mapping[str, str]) -> Config:
    """Read a configuration; `name` is what errors call it. Raises ConfigError that lists everything wrong.

    >>> load("version: 1\\nmodels: []\\nroutes: {}\\nstroe: {}", "pointsman.yaml", {})
    Traceback (most recent call last):
    pointsman.errors.ConfigError: pointsman.yaml: stroe: 4:1: unknown key `stroe`; did you mean `store`?
    """
    return _load(text, name, env, Config, problems)


def load_file(path: str | FilePath, env: Mapping[str, str]) -> Config:
    """Read a configuration file. Raises ConfigError as `load` does, and when the file cannot be read."""
    return load(_text(path, _CURE), str(path), env)


def load_without_secrets(path: str | FilePath, env: Mapping[str, str]) -> tuple[Config, tuple[str, ...]]:
    """The same where variables that hold nothing but secrets need not be set, for what makes no calls; and their names."""
    name = str(path)
    text = _text(path, _CURE)
    unset: dict[str, bool] = {}
    for fault in read(text, name, env).faults:
        if fault.unset:
            unset[fault.unset] = unset.get(fault.unset, True) and fault.path[-1] in SECRET
    names = tuple(variable for variable, secret in unset.items() if secret)
    return load(text, name, {**env, **dict.fromkeys(names, "unset")}), names


def load_tests(path: str | FilePath, config: Config) -> PolicyTests:
    """Read a file of policy tests for a configuration. Raises ConfigError that lists everything wrong."""
    return _load(_text(path), str(path), {}, PolicyTests, lambda tests: test_problems(tests, config))


def _load(text: str, name: str, env: Mapping[str, str], kind: type[Kind], wrong: Callable[[Kind], list[Problem]]) -> Kind:
    document = read(text, name, env)
    builder = _Builder(list(document.faults))
    built: Kind = builder.build(document.root, _shape(kind), ())
    if faults := builder.faults or _errors(document, wrong(built)):
        raise ConfigError(_listed(faults, name))
    return built


def _shape(kind: type[Any]) -> types.Type:
    if kind not in _shapes:
        _shapes[kind] = types.type_info(kind)  # 20 ms, and the same for every file
    return _shapes[kind]


def _text(path: str | FilePath, cure: str = "") -> str:
    name = str(path)
    try:
        with FilePath(path).open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
        if len(raw) > LARGEST_BYTES:
            raise ConfigError(f"{name}: larger than {LARGEST_BYTES:,} bytes")
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{name}: no such file{cure}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 at byte {error.start + 1}: save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ConfigError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def warnings(config: Config) -> list[Problem]:
    """What a valid configuration says that its author may not have meant."""
    return [problem for problem in problems(config) if problem.severity == "warning"]


def test_warnings(tests: PolicyTests, config: Config) -> list[Problem]:
    """The same of policy tests."""
    return [problem for problem in test_problems(tests, config) if problem.severity == "warning"]


def _errors(document: Document, found: Iterable[Problem]) -> list[Fault]:
    return [
        Fault(*document.locate(problem.path), problem.path, document.without_secrets(problem.sentence))
        for problem in found
        if problem.severity == "error"
    ]


def _listed(faults: list[Fault], name: str) -> str:
    lines = [fault.within(name) for fault in sorted(set(faults), key=lambda fault: fault[:2])]
    more = len(lines) - _MOST_LINES
    return "\n".join(lines if more <= 0 else [*lines[:_MOST_LINES], f"{name}: and {more} more"])


class _Builder:
    """Builds the dataclasses from nodes and notes every fault on the way."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        # What is wrong already (a variable that is not set) is not said again in other words.
        self._said = {fault.path for fault in faults}

    def build(self, node: Node, kind: types.Type, path: Path) -> Any:
        """The value of a node, or `_WRONG`."""
        if isinstance(node, Scalar):
            return self._leaf(node, kind, path)
        wanted: tuple[type, ...] = (types.VarTupleType, types.TupleType)
        if isinstance(node, Entries):
            wanted = (types.DataclassType, types.DictType)
        chosen = next((choice for choice in choices(kind) if isinstance(choice, wanted)), None)
        match chosen, node:
            case types.DataclassType(), Entries():
                return self._dataclass(node, chosen, path)
            case types.DictType(key_type=keys, value_type=value), Entries():
                known = keys.values if isinstance(keys := bare(keys), types.LiteralType) else None
                return self._all(
                    {
                        k: self.build(e.node, value, (*path, k)) if known is None or k in known else self._unknown(k, e, known, path)
                        for k, e in node.entries.items()
                    }
                )
            case types.VarTupleType(item_type=item), Items():
                return self._tuple(node, [item] * len(node.items), path)
            case types.TupleType(item_types=items), Items() if len(items) == len(node.items):
                return self._tuple(node, list(items), path)
        return self._mismatch(node, kind, path)

    def _tuple(self, node: Items, kinds: list[types.Type], path: Path) -> Any:
        built = {at: self.build(item, kinds[at], (*path, at)) for at, item in enumerate(node.items)}
        whole = self._all(built)
        return _WRONG if whole is _WRONG else tuple(built.values())

    def _all(self, built: dict[Any, Any]) -> Any:
        return _WRONG if any(value is _WRONG for value in built.values()) else built

    def _dataclass(self, node: Entries, kind: types.DataclassType, path: Path) -> Any:
        fields = {field.name: field for field in kind.fields}
        values: dict[str, Any] = {}
        for key, entry in node.entries.items():
            if key in fields:
                values[key] = self.build(entry.node, fields[key].type, (*path, key))
            else:
                values[key] = self._unknown(key, entry, fields, path)
        for field in kind.fields:
            if field.required and field.name not in node.entries:
                says = description(field)
                values[field.name] = self._fault(node, path, f"missing key `{field.name}`: {says}")
        return _WRONG if self._all(values) is _WRONG else kind.cls(**values)

    def _unknown(self, key: str, entry: Entry, fields: Iterable[Any], path: Path) -> object:
        if key == "<<":
            hint = ": merge keys are not read, write the settings out"
        else:
            hint = did_you_mean(key, fields) or f"; known here: {', '.join(fields)}"
        return self._fault(entry, (*path, key), f"unknown key `{short(key)}`{hint}")

    def _leaf(self, node: Scalar, kind: types.Type, path: Path) -> Any:
        leaves = [choice for choice in choices(kind) if _annotation(choice) is not None]
        # `${KEY}` with digits in KEY, or with nothing, is still a string where a string is wanted.
        as_text = node.whole and any(isinstance(leaf, types.StrType) for leaf in leaves)
        if node.value is None and not as_text:
            return None if _optional(kind) else self._mismatch(node, kind, path)
        for leaf in leaves:
            value = node.text if as_text and isinstance(leaf, types.StrType) else node.value
            try:
                return msgspec.convert(value, _annotation(leaf))
            except msgspec.ValidationError:
                continue
        return self._mismatch(node, kind, path)

    def _mismatch(self, node: Node, kind: types.Type, path: Path) -> object:
        cure = ""
        if isinstance(node, Scalar):
            kinds = {type(choice) for choice in choices(kind)}
            if node.value is None:
                cure = ": give a value or remove the key"
            elif types.VarTupleType in kinds:
                cure = ": write it in brackets, `[…]`"
            elif types.StrType in kinds and not isinstance(node.value, str):
                cure = ": put it in quotes"
        return self._fault(node, path, f"expected {expected(kind)}, got {_given(node, kind, path)}{cure}")

    def _fault(self, node: Node | Entry, path: Path, sentence: str) -> object:
        if path not in self._said:
            self.faults.append(Fault(node.line, node.column, path, sentence))
        return _WRONG


def _given(node: Node, kind: types.Type, path: Path) -> str:
    """What stands in the file. Its words are repeated only where they can help and cannot be a secret."""
    if isinstance(node, Items):
        return f"a list of {len(node.items)}" if isinstance(bare(kind), types.TupleType) else "a list"
    if isinstance(node, Entries):
        return "a mapping"
    if node.variables:
        return f"what `{'`, `'.join(node.variables)}` holds"
    if node.value is None:
        return "nothing"
    text = isinstance(node.value, str)
    kinds = {True: "a string", False: "a boolean" if isinstance(node.value, bool) else "a number"}
    # Where a mapping or list belongs, `- api_key:sk-…` without its space is a string: do not repeat it.
    if SECRET.intersection(path) or (text and not any(_annotation(choice) for choice in choices(kind))):
        return kinds[text]
    return f"`{short(node.text)}`" if node.text else "an empty string"


def _optional(kind: types.Type) -> bool:
    return isinstance(union := bare(kind), types.UnionType) and union.includes_none


def _annotation(kind: types.Type) -> Any:
    """The annotation of a scalar type for msgspec, `None` for containers."""
    match kind:
        case types.StrType(min_length=None, max_length=None):
            return str
        case types.StrType(min_length=least, max_length=most):
            return Annotated[str, msgspec.Meta(min_length=least, max_length=most)]
        case types.IntType():
            return Annotated[int, _limits(kind)]
        case types.FloatType():
            return Annotated[float, _limits(kind)]
        case types.BoolType():
            return bool
        case types.LiteralType(values=values):
            return Literal[values]
    return None


def _limits(kind: types.IntType | types.FloatType) -> msgspec.Meta:
    if kind.gt is not None:
        return msgspec.Meta(gt=kind.gt, le=kind.le)
    return msgspec.Meta(ge=kind.ge, le=kind.le)
