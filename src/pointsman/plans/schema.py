"""What judging an answer by a client's JSON schema can cost at most, found without compiling the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 50_000
DEEPEST_ANSWER = 64
_MOST_PATHS = 2_000
_MOST_PATTERNS = 20
_LONGEST_PATTERN = 200
_DEEPEST_SCHEMA = 100
_MOST_WORK = 500_000  # of 20 to 100 ns each
_MOST_MATCHING = 4_000_000  # states of a pattern times bytes: 3 to 10 ns each

_HERE_ONE = ("not", "if", "then", "else")
_HERE_LIST = ("allOf", "anyOf", "oneOf")
_HERE_MAP = ("dependentSchemas", "dependencies")
_KEYS = ("additionalProperties", "propertyNames")
_ITEMS = ("items", "contains", "additionalItems")
_REFUSED = frozenset(
    (
        "unevaluatedProperties",
        "unevaluatedItems",
        "$dynamicRef",
        "$recursiveRef",
        "$anchor",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "$vocabulary",
    )
)
_ROOT_ONLY = frozenset(("$id", "id", "$schema"))
_NUMBERS = ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_WORD = 2**63
_FINEST_STEP = 1e-9
_COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")

_Edge = tuple[str, Any]  # where in the answer, "" where it stays in place; and the schema that is applied there


@dataclass(frozen=True, slots=True)
class Cost:
    """What a schema costs at most per place of an answer: schemas applied, states of patterns, whether it repeats with depth."""

    paths: int
    matching: int = 0
    recursive: bool = False

    def allows(self, answer: Any, size: int) -> bool:
        """Whether an answer of `size` bytes is small and flat enough to be judged at this cost."""
        if self.matching * size > _MOST_MATCHING:
            return False
        places = _places(answer, _MOST_WORK // self.paths - size // 64)
        return places is not None


class _Unjudgeable(Exception):
    pass


def cost(schema: Any) -> Cost | None:
    """The most that a schema can cost; `None` where there is no bound, the bound is too high, or it takes looking outside the schema.

    >>> cost({"type": "object", "properties": {"name": {"type": "string"}}})
    Cost(paths=2, matching=0, recursive=False)
    >>> cost({"allOf": [{"$ref": "#"}]}) is None
    True
    """
    walk = _Walk(schema)
    try:
        return walk.whole()
    except _Unjudgeable:
        return None


def _places(answer: Any, most: int) -> int | None:
    """How many values an answer holds; `None` where it is more than `most`, nested too deeply, or holds a very long number."""
    seen, depth, level = 0, 0, [answer]
    while level:
        seen, depth = seen + len(level), depth + 1
        if seen > most or depth > DEEPEST_ANSWER or any(_long(value) for value in level):
            return None
        level = [
            each for value in level if isinstance(value, dict | list) for each in (value.values() if isinstance(value, dict) else value)
        ]
    return seen


class _Walk:
    """Groups the schemas that lead back to one another (Tarjan), and adds up costs from the leaves."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._order: dict[int, int] = {}
        self._low: dict[int, int] = {}
        self._open: list[dict[str, Any]] = []
        self._costs: dict[int, Cost] = {}
        self._edges: dict[int, list[_Edge]] = {}
        self._patterns = 0

    def whole(self) -> Cost:
        total = self._cost(self._root)
        # Compiling indexes definitions that nothing refers to.
        pending = list(self._definitions(self._root))
        while pending:
            definition = pending.pop()
            self._cost(definition)
            pending.extend(self._definitions(definition))
        return total

    def _definitions(self, schema: Any) -> Iterator[Any]:
        for name in ("$defs", "definitions"):
            yield from _map(schema, name).values()

    def _cost(self, schema: Any) -> Cost:
        if not isinstance(schema, dict):
            return Cost(1)
        if id(schema) not in self._order:
            self._visit(schema, 0)
        return self._costs[id(schema)]

    def _visit(self, schema: dict[str, Any], depth: int) -> None:
        if depth > _DEEPEST_SCHEMA:
            raise _Unjudgeable
        me = id(schema)
        self._order[me] = self._low[me] = len(self._order)
        self._open.append(schema)
        self._edges[me] = list(self._leads(schema))
        for _, target in self._edges[me]:
            if not isinstance(target, dict):
                continue
            if id(target) not in self._order:
                self._visit(target, depth + 1)
            if id(target) not in self._costs:
                self._low[me] = min(self._low[me], self._low[id(target)])
        if self._low[me] == self._order[me]:
            at = next(i for i, each in enumerate(self._open) if each is schema)
            group, self._open = self._open[at:], self._open[:at]
            self._settle(group)

    def _settle(self, group: list[dict[str, Any]]) -> None:
        inside = {id(schema) for schema in group}
        loops = any(id(target) in inside for me in inside for _, target in self._edges[me])
        if loops:
            slots: dict[int, frozenset[str] | None] = {}
            for schema in group:
                self._slots(schema, inside, slots)
        paths = matching = 0
        recursive = loops
        for schema in group:
            paths += _own(schema, loops)
            matching += self._matching(schema)
            for _, target in self._edges[id(schema)]:
                if id(target) in inside:
                    paths += 1
                    continue
                led = self._costs[id(target)] if isinstance(target, dict) else Cost(1)
                # What repeats down the answer is begun anew at each depth by what repeats itself.
                times = DEEPEST_ANSWER if loops and led.recursive else 1
                paths, matching, recursive = paths + led.paths * times, matching + led.matching * times, recursive or led.recursive
        if paths > _MOST_PATHS:
            raise _Unjudgeable
        for me in inside:
            self._costs[me] = Cost(paths, matching, recursive)

    def _slots(self, schema: dict[str, Any], inside: set[int], known: dict[int, frozenset[str] | None]) -> frozenset[str]:
        """The places below, at which a schema of a loop goes on with the loop. At each it must go on once, or depth multiplies."""
        me = id(schema)
        if me in known:
            if (found := known[me]) is None:
                raise _Unjudgeable  # around without taking a step down the answer
            return found
        known[me] = None
        slots: frozenset[str] = frozenset()
        for place, target in self._edges[me]:
            if id(target) in inside:
                more = frozenset((place,)) if place else self._slots(target, inside, known)
                if any(_overlap(one, other) for one in slots for other in more):
                    raise _Unjudgeable
                slots |= more
        known[me] = slots
        return slots

    def _leads(self, schema: dict[str, Any]) -> Iterator[_Edge]:
        """Every schema that this one applies, and where."""
        if _REFUSED & schema.keys() or (schema is not self._root and _ROOT_ONLY & schema.keys()):
            raise _Unjudgeable
        step = schema.get("multipleOf")
        if any(_long(schema.get(name)) for name in _NUMBERS) or (isinstance(step, float) and step < _FINEST_STEP):
            raise _Unjudgeable
        if "$ref" in schema:
            yield "", self._resolved(schema["$ref"])
        yield from (("", schema[name]) for name in _HERE_ONE if name in schema)
        yield from (("", each) for name in _HERE_LIST for each in _list(schema, name))
        yield from (("", each) for name in _HERE_MAP for each in _map(schema, name).values() if not isinstance(each, list))
        yield from (("{", schema[name]) for name in _KEYS if name in schema)
        yield from (("[", schema[name]) for name in _ITEMS if name in schema and not isinstance(schema[name], list))
        yield from ((f"[{at}", each) for name in ("prefixItems", "items") for at, each in enumerate(_list(schema, name)))
        yield from (("{", each) for each in _map(schema, "patternProperties").values())
        yield from ((f"{{{name}", each) for name, each in _map(schema, "properties").items())

    def _resolved(self, reference: Any) -> Any:
        if not isinstance(reference, str) or "%" in reference or not (reference == "#" or reference.startswith("#/")):
            raise _Unjudgeable
        value = self._root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or name not in value:
                raise _Unjudgeable
            value = value[name]
        return value

    def _matching(self, schema: dict[str, Any]) -> int:
        patterns = [schema["pattern"]] if "pattern" in schema else []
        patterns += _map(schema, "patternProperties")
        self._patterns += len(patterns)
        if self._patterns > _MOST_PATTERNS or any(not isinstance(each, str) or len(each) > _LONGEST_PATTERN for each in patterns):
            raise _Unjudgeable
        return sum(_states(each) for each in patterns)


def _long(value: Any) -> bool:
    """Whether a number fits no machine word: comparing such a one takes microseconds to milliseconds."""
    return type(value) in (int, float) and not -_WORD <= value < _WORD


def _overlap(one: str, other: str) -> bool:
    """Whether two places may be the same: `{a` is the property `a`, `[0` the first item, `{` and `[` any."""
    return one[0] == other[0] and (one == other or len(one) == 1 or len(other) == 1)


def _own(schema: Mapping[str, Any], repeated: bool) -> int:
    """What a schema compares itself, besides the schemas that it applies."""
    compared = [schema[name] for name in ("enum", "const", "dependentRequired") if name in schema]
    compared += [each for each in _map(schema, "dependencies").values() if isinstance(each, list)]
    # An answer's items are hashed whole: in a loop, once for each depth.
    unique = (DEEPEST_ANSWER if repeated else 1) * 4 if schema.get("uniqueItems") else 0
    step = 32 if isinstance(schema.get("multipleOf"), float) else 2 * ("multipleOf" in schema)  # a fraction of unbounded numbers
    plain = len(_list(schema, "required")) // 4
    return 1 + plain + unique + step + sum(_compared(each) for each in compared)


def _compared(value: Any) -> int:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return len(value) // 16  # looked up by hash
    return len(json.dumps(value)) // 2


def _states(pattern: str) -> int:
    """About how many states a pattern has, as counted repetitions are written out."""
    counts = [min(int(high or low), 10_000) for low, high in _COUNTED.findall(pattern) if len(high or low) < 6]
    if "){" not in pattern:
        return len(pattern) + sum(counts)
    product = len(pattern)
    for count in counts:
        product = min(product * max(count, 1), 10**9)
    return product


def _map(schema: Any, name: str) -> dict[str, Any]:
    value = schema.get(name) if isinstance(schema, dict) else None
    return value if isinstance(value, dict) else {}


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []
