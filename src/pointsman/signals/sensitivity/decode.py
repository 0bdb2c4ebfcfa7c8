"""Encoded and spread-out text made readable, where it stands, so that the words around it still say what it is.

One pass undoes one layer of base64 (both alphabets, wrapped lines, gzip in it), hex, percent, quoted-printable, HTML entities, and the
escapes of JSON and of programs. Groups of digits in cells, lines and tags are put together.
A pass never makes a text longer, and there are at most `MOST_LAYERS`, so the work is bounded by the text's length.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from html.entities import html5
from typing import Any
from urllib.parse import unquote

from pointsman.signals.sensitivity.checks import luhn
from pointsman.signals.sensitivity.fold import folded, hidden
from pointsman.signals.sensitivity.linear import pattern
from pointsman.signals.sensitivity.view import Stretch, View, replaced, uneven

MOST_LAYERS = 3
_LEAST_CHARS = 12  # of base64 or hex, which is nine or six bytes

_ESCAPED = re.compile(
    r"((?:%[0-9A-Fa-f]{2})+)"
    r"|((?:&(?:#[xX][0-9A-Fa-f]{1,6}|#[0-9]{1,7}|[A-Za-z]{2,31});?)+)"
    r"|((?:\\x[0-9A-Fa-f]{2})+|(?:\\u[0-9A-Fa-f]{4})+|(?:\\[0-3][0-7]{2}){2,}|(?:\\[\"\\/bfnrt])+)"
    r"|((?:=[0-9A-F]{2}(?:=\r?\n)?){2,})"
)
_RUN = (
    r"((?:0[xX])?[0-9A-Fa-f]{2}(?:[ :,][0-9A-Fa-f]{2}){5,})",
    r"([A-Za-z0-9+/_-]{12,}(?:\r?\n[A-Za-z0-9+/_-]{12,})*)={0,2}",
)
_SPREAD = (
    r"([^\s](?:[ \t]{1,3}[^\s]){6,})",
    r"([0-9]{1,2}(?:[ \t._*|/-]{1,3}[0-9]{1,2}){4,})",
    r"([0-9OoIl](?:[ .-]?[0-9OoIl]){7,40})",
)
_QUOTED = re.compile(r"=[0-9A-F]{2}(?:=\r?\n)?=[0-9A-F]{2}")
# What stands between the cells of a table, the items of a list, lines, and words with an emphasis.
_CUT = r"(?:[ \t\r\n,;:|*_`~\"'()\[\]{}./\\-]|<[^<>\n]{0,40}>){1,12}"
_GROUPS = re.compile(
    rf"(?<![0-9A-Za-z])(?:[0-9]{{4}}(?:{_CUT}[0-9]{{4}}){{3,}}|3[47][0-9]{{2}}{_CUT}[0-9]{{6}}{_CUT}[0-9]{{5}}"
    rf"|[A-Z]{{2}}[0-9]{{2}}(?:{_CUT}[0-9A-Z]{{4}}){{2,7}}(?:{_CUT}[0-9A-Z]{{1,4}})?)(?![0-9A-Za-z])"
)
_GROUP = re.compile("[0-9A-Z]+")
_TAG = re.compile("<[^<>]*>")
_USUAL = re.compile("[0-9A-Z]+(?:[ -][0-9A-Z]+)+")  # is read as it is written
_CARD_GROUPS = 4
_AS_DIGITS = str.maketrans("OoIl", "0011")
_ENTITY = re.compile(r"&(#?[0-9A-Za-z]+);?")
_NOT_DIGITS = re.compile("[^0-9]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile("[\x80-\xff]")
_HIGH_CONTROL = re.compile("[\x80-\x9f]")
_MOSTLY = 0.8  # of a text in Latin-1 is ASCII
_LETTERS = {"b": " ", "f": " ", "n": "\n", "r": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Patterns of which it is quick to say that none occurs. Where some do, the standard library is quicker, and safe with these."""

    gate: Any
    exact: re.Pattern[str]

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        return self.exact.finditer(text) if self.gate.search(text) is not None else iter(())


@cache
def _patterns() -> tuple[_Pattern, _Pattern, _Pattern]:
    # Without looking behind, every letter of a word would be tried as the beginning of a run.
    runs = rf"(?<![0-9A-Za-z]){_RUN[0]}(?![0-9A-Za-z])|(?<![A-Za-z0-9+/_-]){_RUN[1]}"
    spread = "|".join(_SPREAD)
    return _Pattern(pattern("|".join(_RUN)), re.compile(runs)), _Pattern(pattern(spread), re.compile(spread)), _Pattern(_gate(), _GROUPS)


def _gate() -> Any:
    """The first groups of such a row; without bounds, which cost more than they spare."""
    cut = _CUT.replace("{0,40}", "*").replace("{1,12}", "+")
    return pattern(rf"[0-9]{{4}}{cut}[0-9]{{4}}{cut}[0-9]{{4}}|3[47][0-9]{{2}}{cut}[0-9]{{6}}|[A-Z]{{2}}[0-9]{{2}}{cut}[0-9A-Z]{{4}}")


def views(plain: View) -> Iterator[View]:
    """The text as it is meant, in every way that it could be: without disguise, pulled together, and decoded layer by layer."""
    runs, spread, groups = _patterns()
    view: View | None = plain
    message = replaced(plain, "hidden", hidden(plain.text))
    for layer in range(MOST_LAYERS + 1):
        if view is None:
            break
        view = folded(view)
        yield from _with_gaps_closed(view, spread, groups)
        if layer == MOST_LAYERS:
            break
        plainer = replaced(view, "decoded", _without_escapes(view.text))
        if plainer is not None:
            view = folded(plainer)
        decoded = replaced(view, "decoded", _decoded(view.text, runs))
        if plainer is not None and decoded is not None:
            yield from _with_gaps_closed(view, spread, groups)
        view = decoded or (view if plainer is not None else None)
    if message is not None:
        yield folded(message)


def _with_gaps_closed(view: View, spread: _Pattern, groups: _Pattern) -> Iterator[View]:
    yield view
    grouped = replaced(view, "spaced", _grouped(view.text, groups))
    if grouped is not None:
        yield grouped
    together = replaced(view, "spaced", _together(view.text, spread))
    if together is not None:
        yield replace(together, stretches=cache(partial(_letters, view.text, together.text, together.stretches)))


def _without_escapes(text: str) -> Iterator[tuple[int, int, str]]:
    if "%" not in text and "&" not in text and "\\" not in text and _QUOTED.search(text) is None:
        return
    for found in _ESCAPED.finditer(text):
        if (new := _READERS[(found.lastindex or 1) - 1](found[0])) != found[0]:
            yield found.start(), found.end(), new


def _decoded(text: str, patterns: _Pattern) -> Iterator[tuple[int, int, str]]:
    for found in patterns.matches(text):
        new = _spaced_hex(found[1]) if found.lastindex == 1 else _run(found[2])
        if new is not None:
            yield found.start(), found.end(), new


def _percent(text: str) -> str:
    return unquote(text, errors="replace")


def _entities(text: str) -> str:
    return _ENTITY.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    name = found[1]
    if name[0] != "#":
        return html5.get(name + ";", found[0])
    code = int(name.lstrip("#xX"), 16) if name[1] in "xX" else int(name[1:])
    return chr(code) if code < 0x110000 else found[0]


def _escapes(text: str) -> str:
    if text[1] == "x":
        return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "replace")
    if text[1] in "0123":
        return bytes(int(code, 8) for code in text[1:].split("\\")).decode("utf-8", "replace")
    if text[1] == "u":
        return bytes.fromhex(text.replace("\\u", "")).decode("utf-16-be", "replace")
    return "".join([_LETTERS.get(letter, letter) for letter in text[1::2]])


def _quoted_printable(text: str) -> str:
    return bytes.fromhex(text.replace("=", "")).decode("utf-8", "replace")  # which knows nothing of line breaks


def _spaced_hex(text: str) -> str | None:
    """What pairs of hex digits say; a short word before them may look like the first."""
    pairs = re.findall("[0-9A-Fa-f]{2}", text.removeprefix("0x").removeprefix("0X"))
    for skipped in (0, 1):
        if (read := _readable(bytes.fromhex("".join(pairs[skipped:])))) is not None:
            return f"{pairs[0]} {read}" if skipped else read
    return None


def _run(text: str) -> str | None:
    """What a run of letters and digits encodes, if anything that can be read."""
    if text.isalpha() and (text.islower() or text[1:].islower()):
        return None
    if (whole := _token(text)) is not None:
        return whole
    parts = re.split(r"[-+/_\r\n]", text)
    if len(parts) == 1:
        return None
    read = [_token(part) if len(part) >= _LEAST_CHARS else None for part in parts]
    if not any(read):
        return None
    return " ".join(part if new is None else new for part, new in zip(parts, read, strict=True))


def _token(text: str) -> str | None:
    text = text.removeprefix("0x").removeprefix("0X")
    if len(text) % 2 == 0:
        try:
            if (plain := _readable(bytes.fromhex(text))) is not None:
                return plain
        except ValueError:
            pass
    try:
        raw = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "==")
        if raw.startswith(b"\x1f\x8b"):
            raw = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw, len(text))
    except (binascii.Error, zlib.error):
        return None
    return _readable(raw)


def _readable(raw: bytes) -> str | None:
    if raw.count(0) * 2 >= len(raw) - 1:  # UTF-16
        raw = raw.replace(b"\0", b"")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        if _HIGH_CONTROL.search(text) or len(_HIGH.sub("", text)) < _MOSTLY * max(len(text), _LEAST_CHARS):
            return None
    return None if not text or _CONTROL.search(text) else text


_READERS = (_percent, _entities, _escapes, _quoted_printable)


def _grouped(text: str, patterns: _Pattern) -> Iterator[tuple[int, int, str]]:
    """What has the groups of a card or of an account put together, whatever stands between them."""
    matches = (found for found in patterns.matches(text) if not _USUAL.fullmatch(found[0]))
    runs = [(found.span(), _GROUP.findall(_TAG.sub(" ", found[0]))) for found in matches]
    # A row of four numbers is a card's one time in twenty, so most rows must be, else they are a table of figures.
    rows = sum(max(1, len(groups) // _CARD_GROUPS) for _, groups in runs if _are_fours(groups))
    likely = 2 * sum(len(_cards(groups)) for _, groups in runs if _are_fours(groups)) >= rows
    for (start, end), groups in runs:
        if not _are_fours(groups):
            yield uneven(start, end, f" {''.join(groups)} ")
        elif likely and (cards := _cards(groups)):
            yield uneven(start, end, f" {' , '.join(cards)} ")


def _are_fours(groups: Sequence[str]) -> bool:
    return all(len(group) == _CARD_GROUPS and group.isdigit() for group in groups)


def _cards(groups: Sequence[str]) -> list[str]:
    """Each four groups, in rows of four, that could be a card's."""
    if len(groups) % _CARD_GROUPS:
        return []
    numbers = ["".join(groups[at : at + _CARD_GROUPS]) for at in range(0, len(groups), _CARD_GROUPS)]
    return [number for number in numbers if luhn(number)]


def _together(text: str, patterns: _Pattern) -> Iterator[tuple[int, int, str]]:
    """Single characters with something between them, without what is between; beside that their digits alone."""
    for found in patterns.matches(text):
        start, end = found.span()
        if found.lastindex == 3:
            if (digits := _with_digits(text[start:end])) is not None:
                yield start, end, digits
            continue
        start, end = _whole(text, start, end)
        if (new := _without_gaps(text[start:end], pairs=found.lastindex == 2)) is not None:
            yield start, end, new


def _with_digits(run: str) -> str | None:
    """Letters O and l among digits stand for digits."""
    letters = sum(map(str.isalpha, run))
    return run.translate(_AS_DIGITS) if 0 < 2 * letters <= sum(map(str.isdigit, run)) else None


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """The run without an end or a beginning that is a part of a longer word."""
    while start < end and start and not text[start - 1].isspace() and not text[start].isspace():
        start += 1
    while end > start and end < len(text) and text[end].isalnum() and not text[end - 1].isspace():
        end -= 1
    return start, end


def _without_gaps(run: str, *, pairs: bool) -> str | None:
    digits = _NOT_DIGITS.sub("", run.translate(_AS_DIGITS))
    # Pairs with gaps and dots are several things: with the gaps closed they would look like another one.
    joined = digits if pairs else "".join(run.split())
    if len(joined) < 7:
        return None
    return f" {joined} " if digits == joined or len(digits) < 7 else f" {joined}\n{digits} "


def _letters(text: str, new: str, runs: Callable[[], Sequence[Stretch]]) -> tuple[Stretch, ...]:
    """Where each letter of what was pulled together stood."""
    letters: list[Stretch] = []
    for run in runs():
        if new[run.at] != " ":
            letters.append(run)
            continue
        at = run.at + 1
        for word in new[run.at : run.to].split():
            kept = [index for index in range(run.start, run.end) if not text[index].isspace()]
            if len(kept) != len(word):
                kept = [index for index in kept if text[index].translate(_AS_DIGITS).isdigit()]
            letters += (Stretch(index, index + 1, to, to + 1) for to, index in enumerate(kept, at))
            at += len(word) + 1
    return tuple(letters)
