"""Text without disguise: characters that look like ASCII become it, and those that are not seen disappear.

Every character is folded by itself, which is linear in any text: compatibility forms (full width, mathematical, circled), accents, digits
of all scripts, letters of other alphabets with the look of Latin ones, dashes and spaces of all kinds. Hidden messages in tag characters
and variation selectors are read as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, partial

from pointsman.signals.sensitivity.view import Stretch, View, uneven

_LOOKALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХѴԌԚԜҮԁԛԝԍһҺӀавеѕіјкмнорстухѵгпυνικροΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳϲαγτωєҽƖɩıȷɑɡᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢօսոհցԼՏՍᎪᏴᏟᎬᏀᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃЗбƷ",
    "ABESIJKMHOPCTYXVGQWYdqwGhHIabesijkmhopctyxvrnuvikpoABEZHIKMNOPTYXCjcaytweeIiijagACDEJKMOPTUVWZounhgLSUABCEGHJKLMPRSTVWZ363",
)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－ー⁃˗"), "-")
_LETTERS = dict(zip(map(ord, "øØłŁđĐßẞæÆœŒ"), ("o", "O", "l", "L", "d", "D", "ss", "SS", "ae", "AE", "oe", "OE"), strict=True))
_QUOTES = dict(zip(map(ord, "‘’ʼʹ＇“”„"), "'''''\"\"\"", strict=True))
_OTHERS = {**dict.fromkeys(map(ord, "∙·•․ꞏ"), "."), ord("。"): ". ", ord("、"): ",", ord("﹫"): "@", 0x0131: "i"}
_SPACES = dict.fromkeys((0x2028, 0x2029, 0x85), "\n")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_DISGUISED = re.compile("[^\t\n\r -~]")
_HIDDEN = re.compile("[\ufe00-\ufe0f\U000e0020-\U000e007e\U000e0100-\U000e01ef]{4,}")
_MARKS = ("Mn", "Me")
_LONGEST = 4  # of what one character becomes; beyond that are only ligatures of whole phrases
_UNREADABLE = "\ufffd"


class _Table(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


def _folded(character: str) -> str:
    if _INVISIBLE.match(character):
        return ""
    category = unicodedata.category(character)
    if category == "Cs":
        return _UNREADABLE
    if category == "Zs":
        return " "
    if (digit := unicodedata.digit(character, None)) is not None:
        return str(digit)
    apart = unicodedata.normalize("NFKD", character).translate(_LOOKALIKES)[:_LONGEST]
    return "".join(_TABLE[ord(part)] if part != character else part for part in apart if unicodedata.category(part) not in _MARKS)


_TABLE = _Table({code: chr(code) for code in range(128) if not _INVISIBLE.match(chr(code))})
_TABLE.update({ord("\x0b"): "\n", ord("\x0c"): "\n", **_DASHES, **_LETTERS, **_QUOTES, **_OTHERS, **_SPACES})


def fold(text: str) -> str:
    """The text as ASCII where it can be.

    >>> fold("ＦＵＬＬ wi\\u200bdth 𝟒𝟏 Ёлка раураl café ٤١")
    'FULL width 41 Eлka paypal cafe 41'
    """
    return text if _is_plain(text) else text.translate(_TABLE)


def _is_plain(text: str) -> bool:
    return text.isascii() and _DISGUISED.search(text) is None


def folded(view: View) -> View:
    """The view without disguise, and the same one when there is none."""
    text = view.text
    if _is_plain(text):
        return view
    return View(text.translate(_TABLE), (*view.ways, "folded"), view, cache(partial(_resized, text)))


def _resized(text: str) -> tuple[Stretch, ...]:
    """Characters that folding made longer or shorter."""
    resized: list[Stretch] = []
    at = done = 0
    for found in _DISGUISED.finditer(text):
        start = found.start()
        length = len(_TABLE[ord(found[0])])
        at += start - done
        if length != 1:
            resized.append(Stretch(start, start + 1, at, at + length))
        at += length
        done = start + 1
    return tuple(resized)


def hidden(text: str) -> Iterator[tuple[int, int, str]]:
    """Messages in characters that are not seen: tags stand for ASCII, variation selectors for bytes.

    >>> list(hidden("x" + "".join(chr(0xE0000 + ord(c)) for c in "4111")))
    [(1, 5, ' 4111 ')]
    """
    if text.isascii():
        return
    for found in _HIDDEN.finditer(text):
        message = bytes(_byte(ord(character)) for character in found[0]).decode("utf-8", "replace")
        yield uneven(*found.span(), f" {message} ")


def _byte(code: int) -> int:
    if code < 0x10000:
        return code - 0xFE00
    return code - 0xE0000 if code < 0xE0100 else code - 0xE0100 + 16
