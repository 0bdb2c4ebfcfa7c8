"""Whether the equations in an answer hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import read, said

_MOST_TOKENS = 40  # of one side
_MOST_EQUATIONS = 100
_LONGEST_LINE = 4_000
_TEX = (
    (re.compile(r"^[ \t]{0,12}(?:[-*•]|\d{1,3}[.)])[ \t]{1,8}|\\[()\[\]]|\$\$", re.MULTILINE), " "),  # of a list, of a formula
    (re.compile(r"\\[dt]?frac\{(\d{1,15})\}\{(\d{1,15})\}"), r"(\1/\2)"),
    (re.compile(r"\\times|\\cdot|[×·∙•]"), "*"),
    (re.compile(r"\\div|÷"), "/"),
    (re.compile(r"\\(?:text|mathrm)\{([^{}]{0,40})\}"), r" \1 "),
    (re.compile(r"\\?[$€£]|\\[,;! ]|\*\*(?=[\d$])|(?<=\d)\*\*(?!\d)|(?<=\s)\*\*"), " "),
)
_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3}){1,6}(?![\d,])(?:\.\d{1,15})?|\d{1,18}(?:\.\d{1,15})?|\.\d{1,15})"
    r"|(?P<equals>=)|(?P<operator>[-+*/^−–]|x(?=\s{0,3}[\d(]))|(?P<bracket>[()])|(?P<word>[^\W\d_]{1,40})"
    r"|(?P<percent>\\?%)|(?P<space>[ \t]{1,40})"
    r"|(?P<end>[,.:](?!\d)|[;!?\"\n→⇒])|(?P<unknown>.)",
    re.DOTALL,
)
_UNIT = re.compile("second|minute|hour|day|week|month|year|inch|foot|feet|yard|mile|meter|km|cm|mm|gram|kg|pound|ounce|cent|dollar|percent")
_JOINING = ("and", "so", "then", "thus", "but", "which", "or", "und", "et", "y", "also")
_NOT = re.compile(r"[=!<>:]=|=>|<<|>>|≈")

_Token = tuple[str, str]


def arithmetic(answer: Answer, asked: Asked) -> Grade:
    """The share of equations between numbers that hold, units and rounding allowed. Abstains where there is none.

    >>> arithmetic(Answer("7 eggs + 3 eggs = 10 eggs, and 10 x $2 = $25."), Asked()).value
    0.5
    """
    sides = islice(_equations(said(read(answer.text)).replace("\\n", "\n")), _MOST_EQUATIONS)
    held = [verdict for left, right in sides if (verdict := _holds(left, right)) is not None]
    if not held:
        return Grade("arithmetic", None, "it holds no equation")
    return Grade("arithmetic", sum(held) / len(held), f"{sum(held)} of {len(held)} equations hold")


def _equations(text: str) -> Iterator[tuple[list[_Token], list[_Token]]]:
    """Both sides of every sign of equality; what stands between two is a side of both."""
    if "=" not in text:
        return
    for pattern, put in _TEX:
        text = pattern.sub(put, text)
    for line in _NOT.sub("\n", text).split("\n"):
        if "=" not in line:
            continue
        left: list[_Token] | None = None
        for side in _sides(line):
            joined = [at for at, token in enumerate(side) if token[0] == "word" and token[1].lower() in _JOINING]
            if left is not None:
                yield left, side[: joined[0]] if joined else side
            left = side[joined[-1] + 1 :] if joined and left else side


def _sides(line: str) -> Iterator[list[_Token]]:
    """What stands between signs of equality, sentence by sentence; an empty one where a sentence ends."""
    side: list[_Token] = []
    for found in _TOKEN.finditer(line[:_LONGEST_LINE]):
        kind = str(found.lastgroup)
        if kind in ("equals", "end"):
            yield side
            side = []
            if kind == "end":
                yield []
        elif kind == "word" and not found[0].isalpha():
            side.append(("unknown", found[0]))
        elif kind != "space":
            side.append((kind, found[0]))
    yield side


def _holds(left: list[_Token], right: list[_Token]) -> bool | None:
    """Whether two sides are equal, up to the rounding of the right one; `None`: there is nothing to reckon."""
    one, other = _plain(left, leading=True), _plain(right, leading=False)
    if one is None or other is None or not any(kind == "operator" for kind, _ in (*one, *other)):
        return None
    if len(one) == 1 and any(kind == "word" for kind, _ in left):  # `the 1959 penny = 3 x 4 grains` gives it a name
        return None
    a, b = _value(one), _value(other)
    if a is None or b is None:
        return None
    # A quarter times 100 is written as 25 % as well as 25.
    by = (1, 100, 0.01) if any(kind == "percent" for kind, _ in (*left, *right)) else (1,)
    return any(_close(a * each, b, other) for each in by)


def _close(a: float, b: float, written: list[_Token]) -> bool:
    if len(written) > 2 or (len(written) == 2 and written[0][0] != "operator"):
        return abs(a - b) <= 1e-6 * max(abs(a), 1)
    places = len(written[-1][1].partition(".")[2])
    return abs(a - b) <= max((0.5 if places == 0 else 1.0) * 10.0**-places * 1.000001, 1e-9 * abs(a))


def _plain(side: list[_Token], *, leading: bool) -> list[_Token] | None:
    """A side without the words around it and the units in it; `None` where something in it is unknown."""
    side = side[-_MOST_TOKENS:] if leading else side[:_MOST_TOKENS]
    first = next((at for at, (kind, _) in enumerate(side) if kind != "word"), len(side)) if leading else 0
    if first and side[first : first + 1] and side[first][0] == "operator":  # the words are a name that is reckoned with
        return None
    side = side[first:]
    if _mixed(side):
        return None
    plain: list[_Token] = []
    for at, (kind, text) in enumerate(side):
        if kind == "unknown" or (kind == "word" and (len(text) == 1 or not plain)):  # one letter is a variable
            return None
        if kind == "word":
            if plain[-1] == ("operator", "/"):  # so many a day
                plain.pop()
            elif plain[-1][0] == "operator":
                return None
        elif kind != "percent":
            plain.append((kind, text))
        elif len(side) > 2 and at and side[at - 1][0] == "number":  # beside other numbers it is a share
            plain[-1] = ("number", repr(float(plain[-1][1].replace(",", "")) / 100))
    return plain or None


def _mixed(side: list[_Token]) -> bool:
    """Whether hours and minutes, say, are added up."""
    signs = {text for kind, text in side if kind == "operator"}
    words = {text.lower().rstrip("s") for kind, text in side if kind == "word"}
    return bool(signs & {"+", "-"}) and sum(_UNIT.fullmatch(word) is not None for word in words) > 1


def _value(tokens: list[_Token]) -> float | None:
    """What an expression comes to; `None` where it is none."""
    reader = _Reader(tokens)
    try:
        value = reader.sum(0)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return value if reader.at == len(tokens) and abs(value) < 1e15 else None


class _Reader:
    """Reads an expression by recursive descent; brackets nest at most eight deep."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def _next(self, *signs: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at][0] != "number" and self.tokens[self.at][1] in signs:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def sum(self, depth: int) -> float:
        value = self._product(depth)
        while (sign := self._next("+", "-", "−", "–")) is not None:
            more = self._product(depth)
            value = value + more if sign == "+" else value - more
        return value

    def _product(self, depth: int) -> float:
        value = self._power(depth)
        while (sign := self._next("*", "x", "/")) is not None:
            more = self._power(depth)
            value = value / more if sign == "/" else value * more
        return value

    def _power(self, depth: int) -> float:
        value = self._one(depth)
        if self._next("^") is not None:
            power = self._one(depth)
            if abs(power) > 64 or value < 0:
                raise ValueError("too large")
            value = value**power
        return value

    def _one(self, depth: int) -> float:
        if self._next("-", "−", "–") is not None and depth < 8:
            return -self._one(depth + 1)
        if self._next("(") is not None and depth < 8:
            value = self.sum(depth + 1)
            if self._next(")") is None:
                raise ValueError("not closed")
            return value
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "number":
            raise ValueError("no number")
        self.at += 1
        return float(self.tokens[self.at - 1][1].replace(",", ""))
