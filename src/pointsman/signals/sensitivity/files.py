"""The text in a file that stands in a request: in a data URL, in base64, or as it is.

What a file is said to be never keeps it from being read, it only makes more of it read: text may call itself a picture.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_HEAD = re.compile(r"data:([^,]*),", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SHORT_CHARS = 256  # no file is shorter, but a word, a name or a number may look like base64
_TEXT = re.compile(
    r"(?:^|[\s:])text/|[/+](?:json|xml|csv|yaml|javascript|sql|x-(?:ndjson|yaml|sh|sql))\b"
    r"|\.(?:txt|text|csv|tsv|jsonl?|ndjson|xml|html?|svg|md|rst|tex|ya?ml|toml|ini|cfg|conf|env|log|eml|vcf|ics|sql|py|js|ts|java|sh)(?:\s|$)"
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;,\"']+)")
_LIKE_ASCII = re.compile(
    r"utf-?8|(?:us-)?ascii|iso-?8859-?\d+|(?:windows-|cp)125\d|latin-?\d|koi8-[ru]|gb\d+|gbk|big5|shift[-_]jis|euc-(?:jp|kr)"
)
_WIDE = {"utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32": "utf-32-le", "utf-32le": "utf-32-le"}
_WIDE |= {"utf-32be": "utf-32-be", "utf16": "utf-16-le", "utf32": "utf-32-le"}
_BOMS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NO_TEXT = (
    *(b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"OggS", b"fLaC", b"ID3"),
    *(b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf"),
)
"""How files begin of which what looks like text is not all: pictures, sound, archives."""
_CONTROLS = bytes((*range(9), *range(14, 27), *range(28, 32), 127))
_MOST_CONTROLS = 0.02  # of the bytes of a text; of those of a compressed file it is a tenth
_ESCAPED = {0xDC00 + byte: byte for byte in range(128, 256)}


class Read(NamedTuple):
    """What could be read of a file."""

    text: str | None
    whole: bool = True  #: whether that is all there is to it


def read_file(data: str, said: str = "") -> Read:
    """The text that a data URL, base64 or an address holds. `said`: its media type and its name, as far as they stand beside it.

    What is none of these is text as it stands. What an address leads to is not read.

    >>> read_file("data:text/plain;base64,aGVsbG8="), read_file("data:,a%20b"), read_file("my card")
    (Read(text='hello', whole=True), Read(text='a b', whole=True), Read(text='my card', whole=True))
    >>> read_file("https://a.b"), read_file("data:image/jpeg;base64,/9j/4AAQAAEBAQ==")
    (Read(text='https://a.b', whole=False), Read(text=None, whole=False))
    """
    if _WEB.match(data):
        return Read(data, whole=False)
    head = _HEAD.match(data)
    kind = f"{head[1]} {said}".lower() if head else said.lower()
    if head is None:
        return _base64(data, kind, cut=data, shown=len(data) <= _SHORT_CHARS)
    held = data[head.end() :]
    if not head[1].rstrip().lower().endswith("base64"):
        return _read(unquote_to_bytes(held.encode("utf-8", "surrogatepass")), kind, is_text=True)
    if "%" in held:
        held = unquote_to_bytes(held.encode("utf-8", "surrogatepass")).decode("latin-1")
    return _base64(held, kind, cut="".join(held.split()))


def _base64(data: str, kind: str, *, cut: str, shown: bool = False) -> Read:
    """What base64 holds, and the data itself where it is none, or is `shown` since it may be none. `cut` is without gaps."""
    cut = cut.translate(_LINES).rstrip("=")
    cut += "=" * (-len(cut) % 4)
    try:
        raw = binascii.a2b_base64(cut, strict_mode=True)
    except ValueError:
        return Read("\n".join(text for text in (data, _read(_whatever(cut), kind).text) if text))
    read = _read(raw, kind)
    return Read("\n".join((data, read.text or "")), read.whole) if shown else read


_LINES = {ord("\r"): None, ord("\n"): None, ord("-"): "+", ord("_"): "/"}


def _whatever(data: str) -> bytes:
    """As many readers do it: without the letters that base64 does not have, if they are few."""
    try:
        raw = binascii.a2b_base64(data + "==")
    except ValueError:
        return b""
    return raw if len(raw) * 1.5 >= len(data) else b""


def _read(raw: bytes, kind: str, *, is_text: bool = False) -> Read:
    charset = _CHARSET.search(kind)
    name = charset[1] if charset else ""
    wide = _wide(raw, name)
    spread = "" if wide is None else raw.decode(wide, "replace")
    looks = _looks_like_text(spread.encode("utf-8", "replace")) if wide else _looks_like_text(raw)
    whole = looks and not raw.lstrip().startswith(_NO_TEXT) and (name in _WIDE or not name or bool(_LIKE_ASCII.fullmatch(name)))
    if not looks and not is_text and not _TEXT.search(kind):
        return Read(None, whole=not raw)
    if wide is None:
        return Read(_narrow(raw), whole or is_text)
    # What is said of the letters' width need not be so.
    return Read(f"{spread}\n{_narrow(raw)}" if raw.count(0) * 4 < len(raw) else spread, whole or is_text)


def _wide(raw: bytes, charset: str) -> str | None:
    """How letters of several bytes are written, by their mark, by what is said, or by their zeros."""
    if (marked := next((name for mark, name in _BOMS if raw.startswith(mark)), None)) is not None:
        return marked
    if charset in _WIDE:
        return _WIDE[charset]
    zeros = [raw[at::2].count(0) / (len(raw) // 2 or 1) for at in (0, 1)]
    if zeros[1] >= 0.5 and zeros[0] <= 0.1:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] >= 0.5 and zeros[1] <= 0.1 else None


def _narrow(raw: bytes) -> str:
    """UTF-8, and what is none of it as Latin-1."""
    text = raw.decode("utf-8", "surrogateescape")
    return text if text.isascii() else text.translate(_ESCAPED)


def _looks_like_text(raw: bytes) -> bool:
    controls = len(raw) - len(raw.translate(None, _CONTROLS))
    return bool(raw) and controls <= max(1, len(raw) * _MOST_CONTROLS)
