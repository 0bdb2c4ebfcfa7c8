"""Regular expressions that take linear time: the one place that knows RE2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pointsman.errors import ConfigError

_SET_BYTES = 96 << 20  # of memory for the automaton of all patterns together


def pattern(source: str, owner: str = "") -> Any:
    """The compiled pattern, with the methods of `re.Pattern`. Raises `ConfigError`, naming its `owner`, when it is not one of RE2."""
    import re2  # type: ignore[import-untyped,unused-ignore]

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(source, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(f"{owner}: the pattern is not one of RE2: {said}") from error


class PatternSet:
    """Patterns of which one pass says which occur."""

    def __init__(self, patterns: Iterable[str]) -> None:
        import re2

        options = re2.Options()
        options.max_mem = _SET_BYTES
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._all = frozenset(self._set.Add(source) for source in patterns)
        self._always = self._set.Add("(?s:.)")
        self._set.Compile()

    def matching(self, raw: bytes) -> frozenset[int]:
        """Which occur, by their number. Where the automaton ran out of memory, any may: then not even what always matches did."""
        matching = frozenset(self._set.Match(raw)) if raw else frozenset((self._always,))
        return matching - {self._always} if self._always in matching else self._all
