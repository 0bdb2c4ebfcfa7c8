"""The short way for a stream's usual chunks, which differ in nothing but a few words of text.

Reading a chunk takes longer than all else that is done for it. Once one has been read in full, those that equal it but for the text need
no reading: they are well-formed, say one more piece, and end nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# The inside of a JSON string, of what is surely right: UTF-8, and the escapes that need no second look.
_ASCII = rb'[^"\\\x00-\x1f\x80-\xff]*'
_UTF_8 = (
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_PLAIN = re.compile(_ASCII + rb'(?:(?:\\["\\/bfnrt]|' + _UTF_8 + b")" + _ASCII + b")*").match
# Of OpenAI's: a text of no meaning that hides from eavesdroppers how long the other is.
_OBFUSCATION = re.compile(rb'(?<="obfuscation":")[A-Za-z0-9]*(?=")')
_MOST_BYTES = 1_000_000  # at once: an event must not grow past its limit by this way


@dataclass(frozen=True, slots=True)
class Alike:
    """What stands before the text, and after it and any other that changes: as the upstream sends it, and as the client gets it."""

    before: bytes
    afters: tuple[tuple[bytes, bytes], ...]
    passed_before: bytes

    def take(self, data: bytes) -> tuple[bytes, int, int]:
        """From the start of `data`: what the client gets, how many bytes of `data` that was, and how many chunks.

        >>> Alike(b'data: {"text":"', ((b'"}\\n\\n', b'"}\\n\\n'),), b'data: {"t":"').take(b'data: {"text":"hi"}\\n\\ndata: [DONE]')
        (b'data: {"t":"hi"}\\n\\n', 21, 1)
        """
        passed: list[bytes] = []
        at = chunks = 0
        while data.startswith(self.before, at) and len(data) <= _MOST_BYTES:
            end = start = at + len(self.before)
            pieces = [self.passed_before]
            for after, passed_after in self.afters:
                found = _PLAIN(data, end)
                text = b"" if found is None else found[0]
                end += len(text)
                if not data.startswith(after, end) or end == start:
                    return b"".join(passed), at, chunks
                end += len(after)
                pieces += (text, passed_after)
            passed += pieces
            at = end
            chunks += 1
        return b"".join(passed), at, chunks


def learn(raw: bytes, passed: bytes, text: str) -> Alike | None:
    """From a chunk that carries `text`, as it came and as it was passed on; `None` where the text does not stand out."""
    quoted = b'"' + text.encode() + b'"'
    found = _PLAIN(quoted, 1)
    if not text or found is None or found.end() != len(quoted) - 1 or b"\\" in quoted or not raw.endswith(b"\n"):
        return None
    came, goes = _between(raw, quoted), _between(passed, quoted)
    if came is None or goes is None or len(came) != len(goes):
        return None
    return Alike(came[0], tuple(zip(came[1:], goes[1:], strict=True)), goes[0])


def _between(chunk: bytes, quoted: bytes) -> Sequence[bytes] | None:
    """The pieces of a chunk between its texts."""
    if chunk.count(quoted) != 1:
        return None
    before, after = chunk.split(quoted)
    return [before + b'"', *_OBFUSCATION.split(b'"' + after)]
