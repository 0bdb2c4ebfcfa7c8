"""Word lists: which of the configured ones occur in what the model will read.

Nothing here may take long, whatever the text: normalisation is done word by word in bounded pieces (over a whole text it is quadratic in
runs of combining marks), and a text too long to be searched, or one in token numbers, counts as containing every list, which is the
stricter answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from pointsman.core.request import Content
from pointsman.signals.sensitivity.texts import MARKS, TURNS, pieces

MOST_CHARS = 1_000_000  # of text that is searched; about a quarter of a million tokens
_PIECE_CHARS = 64  # of a word that is normalised at once; no word of a list is near it
_NO_SPACES_BETWEEN_WORDS = "Lo"  # letters without case: Chinese, Japanese, Thai and others, some of which write without spaces
_TEXT_TURN = frozenset({"role", "content"})
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MOST_ESCAPES = 3  # JSON in a string in JSON in a string in JSON
# Characters that are not seen, or are emphasis, and would part a word or join two.
_INVISIBLE = re.compile(
    "[*`~\u0000-\u0008\u000e-\u001b\u007f-\u009f\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_BEYOND_ASCII = bytes([32] * 128 + [*range(128, 256)])  # nothing else but spaces is left
_ASCII_CHARS = 8  # beside each run of others: where there are fewer, it is quicker to go word by word
_EMPHASIS, _GAPS = "*`~", "_-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_UNSEEN = "".join(chr(code) for code in range(128) if _INVISIBLE.match(chr(code)))
_UNSEEN_SPACED = bytes(32 if chr(code) in _UNSEEN else code for code in range(256))
# The same for texts of ASCII alone, where one pass is quickest.
_LOWERED = bytes(range(256)).lower()
_JOINED = str.maketrans("", "", _UNSEEN) | str.maketrans(dict.fromkeys(_GAPS, " "))
_SPACED = str.maketrans(dict.fromkeys(_UNSEEN + _GAPS, " "))


@dataclass(frozen=True, slots=True)
class WordList:
    """Words and phrases that are looked for, in `plain` spelling."""

    parts: tuple[str, ...]  #: of each the longest piece without a space: where none of them is, nothing is
    whole: re.Pattern[str]

    def may_occur(self, text: str) -> bool:
        """Quick, and never wrong when it says no. `text` is in lower case and without invisible characters."""
        return any(part in text for part in self.parts)

    def occurs(self, text: str) -> bool:
        """Whether any stands in a `plain` text, as a whole word."""
        return self.may_occur(text) and self.whole.search(text) is not None


def word_list(words: tuple[str, ...]) -> WordList:
    """What finds any of the words or phrases.

    >>> word_list(("internal only",)).occurs(plain("_INTER\\u200bNAL_   __Only__!"))
    True
    >>> word_list(("art",)).occurs("party")
    False
    >>> word_list(("内部",)).occurs("这是内部机密")
    True
    """
    spelt = tuple(sorted({plain(word) for word in words}, key=len, reverse=True))
    parts = tuple({max(word.split(), key=len) for word in spelt})
    return WordList(parts, re.compile("|".join(f"{_edge(word[0], '<!')}{re.escape(word)}{_edge(word[-1], '!')}" for word in spelt)))


def _edge(character: str, kind: str) -> str:
    """Nothing of a word may stand beside a word; without spaces there are no edges."""
    if not character.isalnum() or unicodedata.category(character) == _NO_SPACES_BETWEEN_WORDS:
        return ""
    return rf"(?{kind}\w)"


def plain(text: str, invisible: str = "") -> str:
    """Text as word lists see it: compatibility forms folded, no invisible characters, no emphasis, no case; dashes and gaps are one space.

    >>> plain("ＦＵＬＬ\\u00adwidth\\n\\t_Te**xt**-like_")
    'fullwidth text like'
    """
    if text.isascii():
        text = text.translate(_SPACED if invisible else _JOINED)
    else:
        text = _replaced(_normal(text, invisible), _EMPHASIS, invisible)
        text = _replaced(text, _GAPS, " ")
    return " ".join(text.split()).casefold()


def _normal(text: str, invisible: str, *, folded: bool = False) -> str:
    """Compatibility forms folded, and nothing invisible. Of ASCII only a letter is looked at, to which an accent may belong.

    `folded`: without case, too.
    """
    whole = text.encode("utf-8", "surrogatepass")
    raw = whole.translate(_UNSEEN_SPACED) if invisible else whole.translate(None, _UNSEEN.encode())
    parts = _parted(raw)
    if _ASCII_CHARS * len(parts) > len(text) - (len(whole) - len(raw)):
        text = _INVISIBLE.sub(invisible, raw.decode("utf-8", "surrogatepass"))
        text = " ".join([word if word.isascii() else _normalised(word) for word in text.split()])
        return text.casefold() if folded else text
    for at in range(1, len(parts), 2):
        before = parts[at - 1]
        parts[at - 1], parts[at] = before[:-1], _normalised(before[-1:] + _INVISIBLE.sub(invisible, parts[at]))
    return "".join([part.casefold() for part in parts] if folded else parts)  # one by one: of ASCII that is quick


def _parted(raw: bytes) -> list[str]:
    """ASCII and what is beyond it in turns, ASCII first and last, though it be empty. A quarter of the time that a pattern takes.

    >>> _parted("naïve über".encode())
    ['na', 'ï', 've ', 'ü', 'ber']
    """
    cuts = [0]
    for run in raw.translate(_BEYOND_ASCII).split():
        begin = raw.index(run, cuts[-1])
        cuts += (begin, begin + len(run))
    return [raw[begin:end].decode("utf-8", "surrogatepass") for begin, end in pairwise((*cuts, len(raw)))]


def _normalised(word: str) -> str:
    return "".join([unicodedata.normalize("NFKC", word[at : at + _PIECE_CHARS]) for at in range(0, len(word), _PIECE_CHARS)])


def _replaced(text: str, characters: Iterable[str], by: str) -> str:
    """Of a few characters, which a text hardly holds, this is ten times as quick as a pass over the text."""
    for character in characters:
        if character in text:
            text = text.replace(character, by)
    return text


def found(content: Content, lists: Mapping[str, WordList]) -> tuple[str, ...]:
    """Names of the lists of which a word occurs, sorted."""
    if not lists:
        return ()
    names = _found_in(readable(content), lists)
    if content.translated is not None:  # which may join texts that the client had cut
        names |= _found_in(content.translated, lists)
    return tuple(sorted(names))


def readable(content: Content) -> Mapping[str, object]:
    """The client's body, or what there is of one."""
    return content.body or {"messages": [message.text for message in content.messages], "tools": [tool.schema for tool in content.tools]}


def _found_in(body: Mapping[str, object], lists: Mapping[str, WordList]) -> set[str]:
    texts: list[str] = []
    length = 0
    for text in _readable(body):
        if text is None or (length := length + len(text)) > MOST_CHARS:
            return set(lists)
        texts.append(text)
    raw = " ".join(texts)
    names = _occurring(raw, lists)
    if "\\" in raw:
        for text in _unescaped(" ".join(text for text in texts if "\\" in text)):
            names |= _occurring(text, lists)
    return names


def _occurring(raw: str, lists: Mapping[str, WordList]) -> set[str]:
    if raw.isascii():
        lowered = raw.encode().translate(_LOWERED, _UNSEEN.encode()).decode()
        hidden = len(lowered) < len(raw)
    else:
        lowered, hidden = _normal(raw, "", folded=True), True
    lists = {name: words for name, words in lists.items() if words.may_occur(lowered)}
    if not lists:
        return set()
    texts = [plain(raw), plain(raw, invisible=" ")] if hidden else [plain(raw)]
    return {name for name, words in lists.items() if any(words.occurs(text) for text in texts)}


def _unescaped(text: str) -> Iterator[str]:
    """The text without the escapes of JSON, and of JSON within that. Nothing is parsed: what is almost JSON is read by models as well."""
    for _ in range(_MOST_ESCAPES):
        text, undone = _ESCAPE.subn(_character, text)
        if not undone:
            return
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins pairs of surrogates
        yield text


def _character(escape: re.Match[str]) -> str:
    code, letter = escape.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(letter, letter)


def _readable(body: Mapping[str, object]) -> Iterator[str | None]:
    """Every text of the request, in order, wherever it stands; `None` for one that came as token numbers."""
    for name, value in body.items():
        if name in TURNS and (turns := _text_turns(value)) is not None:
            yield from turns
        else:
            yield from (None if piece.form == "tokens" else piece.text for piece in pieces({name: value}))


def _text_turns(value: object) -> list[str] | None:
    """What there is to read of turns that are nothing but text; `None` where they are more."""
    if not isinstance(value, list):
        return None
    texts: list[str] = []
    for turn in value:
        if type(turn) is not dict or turn.keys() != _TEXT_TURN:
            return None
        role, text = turn["role"], turn["content"]
        if type(text) is not str or type(role) is not str or role not in MARKS["role"]:
            return None
        texts.append(text)
    return texts
