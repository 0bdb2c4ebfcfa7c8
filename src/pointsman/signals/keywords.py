"""Word lists: which of the configured ones occur in what the model will read.

Nothing here may take long, whatever the text: normalisation is done word by word in bounded pieces (over a whole text it is quadratic in
runs of combining marks), and a text too long to be searched counts as containing every list, which is the stricter answer.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pointsman.core.request import Content

MOST_CHARS = 1_000_000  # of text that is searched; about a quarter of a million tokens
_PIECE_CHARS = 64  # of a word that is normalised at once; no word of a list is near it
_NO_SPACES_BETWEEN_WORDS = "Lo"  # letters without case: Chinese, Japanese, Thai and others, some of which write without spaces

_NOT_READ = frozenset({"metadata", "model", "user"})
_MARKS = frozenset({"role", "type"})
_BINARY = frozenset({("file", "file_data"), ("image_url", "url"), ("input_audio", "data")})
# Characters that are not seen, and would part a word or join two.
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001b\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_WORD = re.compile(r"\S+")
# The same for ASCII, where there is a quicker way.
_UNSEEN = dict.fromkeys(code for code in range(128) if _INVISIBLE.match(chr(code)))
_JOINED = {**_UNSEEN, ord("_"): " "}
_SPACED = {**dict.fromkeys(_UNSEEN, " "), ord("_"): " "}


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
    """Nothing of a word may stand beside a word. Underscores are emphasis, not part of it; without spaces there are no edges."""
    if not character.isalnum() or unicodedata.category(character) == _NO_SPACES_BETWEEN_WORDS:
        return ""
    return rf"(?{kind}[^\W_])"


def plain(text: str, invisible: str = "") -> str:
    """Text as word lists see it: compatibility forms folded, invisible characters gone, underscores and runs of spaces one space, no case.

    >>> plain("ＦＵＬＬ\\u00adwidth\\n\\t_Text_")
    'fullwidth text'
    """
    if text.isascii():
        text = text.translate(_SPACED if invisible else _JOINED)
    else:
        text = _INVISIBLE.sub(invisible, text.replace("_", " "))
        text = " ".join(_normalised(word[0]) for word in _WORD.finditer(text))
    return " ".join(text.split()).casefold()


def _normalised(word: str) -> str:
    return "".join(unicodedata.normalize("NFKC", word[at : at + _PIECE_CHARS]) for at in range(0, len(word), _PIECE_CHARS))


def found(content: Content, lists: Mapping[str, WordList]) -> tuple[str, ...]:
    """Names of the lists of which a word occurs, sorted."""
    if not lists:
        return ()
    pieces: list[str] = []
    length = 0
    for piece in _readable(content):
        length += len(piece)
        if length > MOST_CHARS:
            return tuple(sorted(lists))
        pieces.append(piece)
    raw = " ".join(pieces)
    if raw.isascii():
        seen = raw.translate(_UNSEEN)
        hidden = len(seen) < len(raw)
        lowered = seen.lower()
        lists = {name: words for name, words in lists.items() if words.may_occur(lowered)}
        if not lists:
            return ()
    else:
        hidden = _INVISIBLE.search(raw) is not None
    texts = [plain(raw), plain(raw, invisible=" ")] if hidden else [plain(raw)]
    return tuple(sorted(name for name, words in lists.items() if any(words.occurs(text) for text in texts)))


def _readable(content: Content) -> Iterator[str]:
    """All text that the model may read, wherever in the body it stands: what a list looks for must not hide in an unusual field."""
    body = content.body or {"messages": [message.text for message in content.messages], "tools": [tool.schema for tool in content.tools]}
    for name, value in body.items():
        if name not in _NOT_READ and isinstance(value, (str, list, dict)):
            for text in _strings(value, names=name != "messages"):
                yield text
                yield from _quoted(text)


def _quoted(text: str) -> Iterable[str]:
    """The strings within JSON that is itself in a string, as tool arguments and results are: escapes would hide words in it."""
    if "\\" not in text or text.lstrip()[:1] not in ("{", "[", '"'):
        return ()
    try:
        return _strings(json.loads(text), names=True)
    except (ValueError, RecursionError):
        return ()


def _strings(value: object, *, names: bool) -> Iterator[str]:
    """Every string within, in order; names of fields too, where these are the user's own. Not the data of files in messages."""
    level: list[tuple[str, object]] = [("", value)]
    while level:
        parent, item = level.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            level.extend((parent, inner) for inner in reversed(item))
        elif isinstance(item, dict):
            if names:
                yield from item
            kept = ((name, inner) for name, inner in item.items() if names or not (name in _MARKS or (parent, name) in _BINARY))
            level.extend(reversed(tuple(kept)))
