"""YAML text to values that know where they stand.

Read from the parser's events, so that every limit holds before anything is built: size, depth, and the number of values that aliases
expand to. Scalars follow YAML 1.2's core schema, as editors do: `no` and `2026-11-01` are strings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from pointsman.config.problem import Fault, Path, short
from pointsman.errors import ConfigError

LARGEST_BYTES: Final = 5_000_000
MOST_VALUES: Final = 100_000  #: aliases expanded
DEEPEST: Final = 32

_SHORTEST_SECRET = 8  # characters

Value = str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_VARIABLE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]{0,4000}))?\})?")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null. What came out of the environment may be secret: errors name the variable instead."""

    line: int
    column: int
    value: Value
    text: str = field(repr=False)  #: as written, variables replaced
    variables: tuple[str, ...] = ()  #: environment variables in it
    whole: bool = False  #: unquoted, and one `${…}` from end to end: where a string is wanted, `text` is meant
    values: int = 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    column: int
    items: tuple[Node, ...]
    values: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's place, and its value."""

    line: int
    column: int
    node: Node


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping."""

    line: int
    column: int
    entries: Mapping[str, Entry]
    values: int


Node = Scalar | Items | Entries


@dataclass(frozen=True, slots=True)
class Document:
    """The top of a file, and what is wrong with its keys and variables."""

    root: Node
    faults: tuple[Fault, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  #: environment variables read, and what they hold

    def without_secrets(self, sentence: str) -> str:
        """The sentence with `${NAME}` for what came out of the environment; very short values are no secrets."""
        for name, held in self.variables.items():
            if len(held) >= _SHORTEST_SECRET:
                sentence = sentence.replace(short(held), f"${{{name}}}")
        return sentence

    def locate(self, path: Path) -> tuple[int, int]:
        """Line and column of a path, or of the nearest thing above it that the file has."""
        node, place = self.root, (self.root.line, self.root.column)
        for step in path:
            if isinstance(node, Entries) and isinstance(step, str) and step in node.entries:
                entry = node.entries[step]
                node, place = entry.node, (entry.line, entry.column)
            elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                place = (node.line, node.column)
            else:
                break
        return place


def read(text: str, name: str, env: Mapping[str, str]) -> Document:
    """Read one YAML document. Raises ConfigError where it cannot be read further; lesser faults are in the result."""
    reader = _Reader(name, env)
    try:
        if len(text) > LARGEST_BYTES or len(text.encode()) > LARGEST_BYTES:
            raise ConfigError(f"{name}: larger than {LARGEST_BYTES:,} bytes")
        reader.events = yaml.parse(text, Loader=yaml.CSafeLoader)
        return Document(reader.document(), tuple(reader.faults), reader.variables)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: has a lone surrogate at character {error.start + 1}: save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{name}: {_not_yaml(error)}") from error
    except yaml.YAMLError as error:
        said = getattr(error, "reason", None) or type(error).__name__
        raise ConfigError(f"{name}: not readable as YAML: {said}, at character {getattr(error, 'position', 0) + 1}") from error


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    """Never the line itself, which may hold a key."""
    end, begin = error.problem_mark or error.context_mark, error.context_mark
    place = f"{end.line + 1}:{end.column + 1}: " if end is not None else ""
    since = f" that begins in line {begin.line + 1}" if begin is not None and end is not None and begin.line < end.line else ""
    context = f"{error.context}{since}: " if error.context else ""
    return f"{place}not readable as YAML: {context}{error.problem}"


def plain(text: str) -> Value:
    """What an unquoted scalar stands for.

    >>> plain("6000"), plain("0.5"), plain("true"), plain("no"), plain("2026-11-01"), plain("~")
    (6000, 0.5, True, 'no', '2026-11-01', None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


class _Reader:
    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self.name = name
        self.env = env
        self.events: Iterator[yaml.Event] = iter(())
        self.faults: list[Fault] = []
        self.variables: dict[str, str] = {}
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def document(self) -> Node:
        root: Node | None = None
        for event in self.events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if root is not None:
                raise self._stop(event, "a second document: one file holds one configuration")
            root = self._node(next(self.events), (), 0)
        if root is None:
            raise ConfigError(f"{self.name}: empty: `pointsman init` writes a configuration to start from")
        return root

    def _node(self, event: yaml.Event, path: Path, depth: int) -> Node:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self._stop(event, f"more than {MOST_VALUES:,} values, aliases expanded", path)
        if depth > DEEPEST:
            raise self._stop(event, f"nested deeper than {DEEPEST} levels", path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        # `getattr`: the stubs do not say that every event which begins a node has a tag and an anchor.
        if (tag := getattr(event, "tag", None)) is not None:
            raise self._stop(event, f"tag `{short(tag)}`: tags are not read, remove it", path)
        node = self._untagged(event, path, depth)
        if (anchor := getattr(event, "anchor", None)) is not None:
            self._anchors[anchor] = node
        return node

    def _untagged(self, event: yaml.Event, path: Path, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(event, path, depth)
        return self._entries(event, path, depth)

    def _alias(self, event: yaml.AliasEvent, path: Path) -> Node:
        anchor = event.anchor or ""
        node = self._anchors.get(anchor)
        if node is None:
            raise self._stop(event, f"alias `*{short(anchor)}` stands before the end of its anchor, or has none", path)
        self._values += node.values - 1
        if self._values > MOST_VALUES:
            raise self._stop(event, f"more than {MOST_VALUES:,} values, aliases expanded", path)
        return node

    def _items(self, event: yaml.Event, path: Path, depth: int) -> Items:
        before, items = self._values, list[Node]()
        while not isinstance(start := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(start, (*path, len(items)), depth + 1))
        return Items(*_place(event), tuple(items), self._values - before + 1)

    def _entries(self, event: yaml.Event, path: Path, depth: int) -> Entries:
        before, entries = self._values, dict[str, Entry]()
        while not isinstance(start := next(self.events), yaml.MappingEndEvent):
            key = self._key(start, path, depth)
            node = self._node(next(self.events), (*path, key or "?"), depth + 1)
            if key is None:
                continue
            if key in entries:
                self._fault(start, (*path, key), f"key `{short(key)}` stands twice, first in line {entries[key].line}")
            else:
                entries[key] = Entry(*_place(start), node)
        return Entries(*_place(event), entries, self._values - before + 1)

    def _key(self, event: yaml.Event, path: Path, depth: int) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.tag is None:
            if not event.implicit[0] or isinstance(plain(event.value), str):
                return event.value
            self._fault(event, path, f"key `{short(event.value)}` is not a string: put it in quotes")
        else:
            self._fault(event, path, "a key must be a plain string, without tag, alias, list or mapping")
            self._node(event, path, depth + 1)
        return None

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Scalar:
        line, column = _place(event)
        unquoted, raw = event.implicit[0], event.value
        if "${" not in raw:
            return Scalar(line, column, plain(raw) if unquoted else raw, raw)
        text, variables = self._filled(event, path)
        match = _VARIABLE.fullmatch(raw)
        whole = unquoted and match is not None and match["name"] is not None
        return Scalar(line, column, plain(text) if whole else text, text, variables, whole)

    def _filled(self, event: yaml.ScalarEvent, path: Path) -> tuple[str, tuple[str, ...]]:
        """The text with its variables replaced, and their names. What they hold is not read again."""
        variables: list[str] = []

        def value(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            name, default = match["name"], match["default"]
            if name is None:
                self._fault(event, path, "`${` without a variable's name and `}`: for the characters themselves write `$${`")
                return ""
            variables.append(name)
            found = self.env.get(name)
            self.variables[name] = found or ""
            if found is None and default is None:
                cure = f"set it, or give a default: `${{{name}:-…}}`"
                self._fault(event, path, f"environment variable `{name}` is not set: {cure}", unset=name)
            elif not (found or "").isascii() and _lone_surrogates(found or ""):
                self._fault(event, path, f"environment variable `{name}` does not hold UTF-8")
            return found or default or ""

        return _VARIABLE.sub(value, event.value), tuple(variables)

    def _fault(self, event: yaml.Event, path: Path, sentence: str, unset: str = "") -> None:
        self.faults.append(Fault(*_place(event), path, sentence, unset))

    def _stop(self, event: yaml.Event, sentence: str, path: Path = ()) -> ConfigError:
        # What was collected goes along: the reader may have stopped because of it.
        faults = [*self.faults, Fault(*_place(event), path, sentence)]
        return ConfigError("\n".join(fault.within(self.name) for fault in faults))


def _lone_surrogates(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
