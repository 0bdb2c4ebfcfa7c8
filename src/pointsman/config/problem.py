"""What can be wrong with a configuration, where, and how it is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the file: `("routes", "auto", "models", 0)`."""

_PLAIN = re.compile(r"[\w-]{1,80}")
_LONGEST = 80  # characters of the user's own text that an error repeats


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a well-formed configuration says and should not."""

    path: Path
    sentence: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.sentence}" if self.path else self.sentence


class Fault(NamedTuple):
    """An error with its place in the text; line and column count from 1."""

    line: int
    column: int
    path: Path
    sentence: str
    unset: str = ""  #: the environment variable that is to blame, because it is not set

    def within(self, name: str) -> str:
        """The whole sentence, with the name of the file.

        >>> Fault(3, 5, ("routes", "chat", "flor"), "unknown key `flor`").within("pointsman.yaml")
        'pointsman.yaml: routes.chat.flor: 3:5: unknown key `flor`'
        """
        where = f"{dotted(self.path)}: " if self.path else ""
        return f"{name}: {where}{self.line}:{self.column}: {self.sentence}"


def dotted(path: Path) -> str:
    """A path as people write it; keys that are not plain words stand in quotes.

    >>> dotted(("routes", "gpt-5.2", "models", 0))
    'routes."gpt-5.2".models[0]'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _PLAIN.fullmatch(step) else json.dumps(short(step), ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def short(text: str) -> str:
    """The text on one line, cut to a length that leaves a message readable."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a sentence, or nothing.

    >>> did_you_mean("flor", ["floor", "ceiling"])
    '; did you mean `floor`?'
    >>> did_you_mean("xyz", ["floor"])
    ''
    """
    # Comparing takes time that grows with the lengths, and a name of a kilobyte is no slip of the finger.
    nearest = get_close_matches(name, known, n=1) if len(name) <= _LONGEST else []
    return f"; did you mean `{nearest[0]}`?" if nearest else ""
