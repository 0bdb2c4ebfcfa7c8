"""WordPiece: text as the ids of a vocabulary's pieces, longest piece first (Schuster and Nakajima 2012), spelt as uncased BERT spells.

Text is data here: `[UNK]` in a prompt is the five characters it is. What the vocabulary cannot spell is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from zlib import crc32

from pointsman.native import core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_WORD_CHARS = 100  # a longer word counts as one that cannot be spelt, as it does for BERT
_MOST_REMEMBERED = 32_768  # characters; there are a million, and a text may hold any
_MOST_WORDS_REMEMBERED, _LONGEST_REMEMBERED = 4_096, 24
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_LETTERS = bytes(code for code in range(256) if code >= 128 or chr(code).isalnum() or code in b" \t\n\r")  # and what parts words
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})  # categories: control, format, private, half of a pair
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class Characters(dict[int, str]):
    """A table for `str.translate` that is filled as characters are met: one pass over a text, whatever becomes of each."""

    def __init__(self, become: Callable[[str], str]) -> None:
        super().__init__()
        self._become = become

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        becomes = self[code] = self._become(chr(code))
        return becomes


def words(text: str) -> list[str]:
    """Words and marks of punctuation, in lower case and without accents.

    >>> words("Déjà-vu?")
    ['deja', '-', 'vu', '?']
    """
    text = spelt(text).lower()
    # Of ASCII's marks a text holds a few: to replace those is quicker than to look at every character.
    for mark in set(text.encode("utf-8", "replace").translate(None, _LETTERS)):
        text = text.replace(chr(mark), _spelling[mark])
    return text.split()


def spelt(text: str) -> str:
    """What is beyond ASCII without accents, spaces around punctuation and ideographs.

    >>> spelt("Déjà-vu?—No.")
    'Deja-vu? — No.'
    """
    return text if text.isascii() else _BEYOND_ASCII.sub(lambda run: run[0].translate(_spelling), text)


class Lexicon(dict[str, int]):
    """Of each word its CRC-32 and, above that, the number of the piece that it is plus one, 0 if it is none; filled as words are met."""

    def __init__(self, whole: Mapping[str, int]) -> None:
        super().__init__()
        self._whole = whole

    def __missing__(self, word: str) -> int:
        number = crc32(word.encode("utf-8", "surrogatepass")) | (self._whole.get(word, -1) + 1) << 32
        if len(word) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_WORDS_REMEMBERED:
                self.clear()
            self[word] = number
        return number


class WordPiece:
    """Spells words with the pieces of one vocabulary; a piece that goes on a word is written `##piece` there."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._begin: dict[str, int] = {}
        self._go_on: dict[str, int] = {}
        for number, piece in enumerate(vocabulary):
            if piece.startswith("##"):
                self._go_on[piece[2:]] = number
            elif not (piece.startswith("[") and len(piece) > 1):  # [PAD] and the like stand for no text
                self._begin[piece] = number
        self._known: dict[str, tuple[int, ...]] = {}  # words that are no piece by themselves, as they were met
        self._met = Lexicon(self._begin)
        self._longest = max(map(len, self._go_on), default=0)
        self._longest_first = max(map(len, self._begin), default=0)

    def ids(self, text: str) -> list[int]:
        """The pieces of a text, in order.

        >>> WordPiece(["rout", "##er", "##s"]).ids("Routers zzz rout")
        [0, 1, 2, 0]
        """
        found: list[int] = []
        whole = self._begin
        for word in words(text):
            number = whole.get(word)
            if number is None:
                found += self._spelt(word)
            else:
                found.append(number)
        return found

    def look_up(self, words: list[str]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The pieces of words, as often as they occur and in ascending order, and the CRC-32 of each word: quicker than `ids`.

        >>> WordPiece(["rout", "##er", "##s"]).look_up(words("Routers zzz rout"))[0].tolist()
        [0, 0, 1, 2]
        """
        import numpy as np  # 0.1 s, and not needed to route by price

        pieces, hashes, several = self._looked_up(words)
        if several:
            pieces = np.concatenate((pieces, np.array([piece for at in several for piece in self._spelt(words[at])], np.intp)))
        pieces.sort()
        return pieces, hashes

    def _looked_up(self, words: list[str]) -> tuple[NDArray[np.intp], NDArray[np.int64], list[int]]:
        """Pieces that are words by themselves, the CRC-32 of each word, and places of the words that are none."""
        import numpy as np

        if core is not None:
            own, hashes = np.empty(len(words), np.intp), np.empty(len(words), np.int64)
            whole, several = core.spelled(words, self._met, own, hashes)
            return own[:whole], hashes, several
        met = np.array([self._met[word] for word in words], np.int64)
        pieces = (met >> 32) - 1
        return pieces[pieces >= 0].astype(np.intp), met & 0xFFFFFFFF, (pieces < 0).nonzero()[0].tolist()

    def _spelt(self, word: str) -> tuple[int, ...]:
        known = self._known.get(word)
        if known is None:
            known = tuple(self._pieces(word))
            if len(word) <= _LONGEST_REMEMBERED:
                if len(self._known) >= _MOST_WORDS_REMEMBERED:
                    self._known.clear()
                self._known[word] = known
        return known

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        if len(word) > _MOST_WORD_CHARS:
            return found
        known, longest, start = self._begin, self._longest_first, 0
        while start < len(word):
            for end in range(min(len(word), start + longest), start, -1):
                number = known.get(word[start:end])
                if number is not None:
                    found.append(number)
                    break
            else:
                return []
            known, longest, start = self._go_on, self._longest, end
        return found


def _spell(character: str) -> str:
    """Lower case without accents, spaces around punctuation and ideographs, nothing for what is not seen."""
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) in _UNSEEN or character == "\ufffd":
        return ""
    if character.isspace():
        return " "
    code = ord(character)
    parts = unicodedata.normalize("NFD", character)
    if any(first <= code <= last for first, last in _IDEOGRAPHS):
        return f" {parts} "
    return "".join(_lower(part) for part in parts if unicodedata.category(part) != "Mn")


def _lower(character: str) -> str:
    lowered = character.lower()
    return f" {lowered} " if _is_punctuation(lowered) else lowered


def _is_punctuation(character: str) -> bool:
    """As BERT has it: all of ASCII that is neither letter nor digit, `$` and `+` among it, and what Unicode calls punctuation."""
    if character.isascii():
        return character.isprintable() and not character.isalnum()
    return any(unicodedata.category(each).startswith("P") for each in character)


_spelling = Characters(_spell)
