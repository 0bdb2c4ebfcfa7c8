"""Token counts: exact where the vocabulary ships with us, estimated from characters for everything else, never slow.

```python
from pointsman.signals.tokens import count, tokenizer_for

count("A pointsman works the points of a railway.", tokenizer_for("openai", "gpt-4o"))
```

A count is a pure function of its text. Text is data here: `<|endoftext|>` in a prompt counts as the characters it is.
A vocabulary is read on first use (0.1 to 0.2 s, once for all threads); `warm` does it beforehand.
"""

from __future__ import annotations

import binascii
import gzip
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from pointsman.core.request import Image, Message, Text, Tool
from pointsman.core.signals import TokenCount
from pointsman.errors import ConfigError

if TYPE_CHECKING:
    import tiktoken

CHARS = "chars"

TOKENS_PER_IMAGE = 1_105  # OpenAI's worked example of a large picture (2048 x 4096, high detail); a square one of 1024 is 765

# Up to this many UTF-8 bytes are counted whole: 7 ms for prose of this length, 30 ms for the worst text.
EXACT_BYTES = 160_000
# Longer text is counted in windows; the estimate from characters says how typical those windows are of the whole.
WINDOWS, WINDOW_CHARS = 16, 2_048
# Of a text that is longer than this, the estimate looks at as much, in pieces from all over it.
SCANNED_CHARS, SCANNED_PIECE_CHARS = 32_768, 512
# tiktoken recurses and allocates with the length of a run without a break; no piece handed to it is longer.
PIECE_CHARS = 8_192
_BREAK = re.compile(r"(?<=\S)(?= \S)|(?<=[^\W_])(?=\n)")  # where every pattern below ends one match and begins another
_BREAK_SEARCH_CHARS = 1_024


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a chat template adds to the texts, in tokens. The defaults are OpenAI's published arithmetic."""

    per_message: int = 3  #: around a turn, besides its role
    priming: int = 3  #: what starts the answer
    no_system: int = 0  #: the system turn that is added where the conversation begins with none


_PLAIN_CHAT = ChatFormat()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A byte-pair vocabulary in a shipped file, with the splitting pattern and special tokens of its publisher."""

    file: str
    pattern: str
    special: Mapping[str, int]
    chat: ChatFormat = ChatFormat()


VOCABULARIES: Mapping[str, Vocabulary] = {
    "o200k": Vocabulary(
        file="vocab/o200k_base.tiktoken.gz",
        pattern="|".join(
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
        special={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k": Vocabulary(
        file="vocab/cl100k_base.tiktoken.gz",
        pattern=r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        special={
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    # Counts as llama.cpp does: GPT-2's pattern, with digits split off first, so that spaces before one end a run.
    "smollm2": Vocabulary(
        file="vocab/smollm2.tiktoken.gz",
        pattern=r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+",
        special={},
        chat=ChatFormat(per_message=4, priming=4, no_system=11),  # of the local arms, in place of the template's own
    ),
}

# A model's family by its name, first match wins; the name comes without `openai/`, `ft:` and the like.
_FAMILIES = (
    (re.compile(r"(chat)?gpt-4o\b|gpt-4\.[15]\b|gpt-oss\b|gpt-([5-9]|1\d)\b|o[1-9]\b|codex-|computer-use-"), "o200k"),
    (re.compile(r"gpt-4\b|gpt-3[.-]?5|text-embedding-(3|ada-002)|(davinci|babbage)-002"), "cl100k"),
    (re.compile(r"smollm2\b"), "smollm2"),
)

_loaded: dict[str, tiktoken.Encoding] = {}
_loading = threading.Lock()


def tokenizer_for(provider: str | None, model_name: str) -> str:
    """Which tokenizer counts for a model: a name in `VOCABULARIES`, or `chars` where none of them is the model's.

    >>> tokenizer_for("openai", "gpt-4o-mini"), tokenizer_for("azure", "gpt-4"), tokenizer_for("anthropic", "claude-sonnet-5")
    ('o200k', 'cl100k', 'chars')
    """
    name = model_name.lower().removeprefix("ft:").split(":", 1)[0].rsplit("/", 1)[-1]
    for family, tokenizer in _FAMILIES:
        if family.match(name):
            return tokenizer
    return "o200k" if provider == "openai" else CHARS  # what OpenAI adds speaks its newest vocabulary


def count(text: str, tokenizer: str) -> int:
    """Tokens of a text; ConfigError for a tokenizer that does not exist."""
    return measure((text,), tokenizer).tokens


def measure(texts: Iterable[str], tokenizer: str) -> TokenCount:
    """Tokens of texts that stand apart, and whether the count is exact.

    >>> measure(["two words", "more"], "chars")
    TokenCount(tokenizer='chars', tokens=5, exact=False)
    """
    pieces = [text for text in texts if text]
    if tokenizer == CHARS:
        # As one text beyond the limit: then only a bounded part of it is looked at, however many pieces there are.
        apart = pieces if sum(map(len, pieces)) <= SCANNED_CHARS else ["\n".join(pieces)]
        tokens = 0
        for piece in apart:
            tokens += _COMMON[piece] if piece in _COMMON else math.ceil(_estimate_long(piece))
        return TokenCount(CHARS, tokens, exact=not pieces)
    encoding = _encoding(tokenizer)
    if _longer_than(pieces, EXACT_BYTES):
        return TokenCount(tokenizer, _sampled("\n".join(pieces), encoding), exact=False)
    counted = [_count_whole(piece, encoding) for piece in pieces]
    return TokenCount(tokenizer, sum(tokens for tokens, _ in counted), all(exact for _, exact in counted))


def count_messages(messages: Sequence[Message], tokenizer: str, tools: Sequence[Tool] = ()) -> TokenCount:
    """Input tokens of a chat: its texts and tool definitions, what the chat template adds, and a fixed sum for an image.

    Exact only for plain text turns: how a provider writes tools, images and files into the prompt is not published.
    """
    texts: list[str] = []
    images, plain = 0, not tools
    for message in messages:
        texts.append(message.role)
        for part in message.parts:
            if isinstance(part, Text):
                texts.append(part.text)
                continue
            plain = False
            if isinstance(part, Image):
                images += 1
            else:
                texts.append(part.kind)
        for call in message.tool_calls:
            plain = False
            texts += (call.name, call.arguments)
    counted = measure(texts + [tool.schema or tool.name for tool in tools], tokenizer)
    chat = VOCABULARIES[tokenizer].chat if tokenizer in VOCABULARIES else _PLAIN_CHAT
    tokens = counted.tokens + chat.priming + chat.per_message * len(messages) + TOKENS_PER_IMAGE * images
    if not messages or messages[0].role != "system":
        tokens += chat.no_system
    return TokenCount(tokenizer, tokens, exact=plain and counted.exact and tokenizer != CHARS)


def warm(tokenizers: Iterable[str] = tuple(VOCABULARIES)) -> None:
    """Read vocabularies now, so that no request waits for one."""
    for tokenizer in tokenizers:
        if tokenizer != CHARS:
            _encoding(tokenizer)


# --- exact counts


def _encoding(tokenizer: str) -> tiktoken.Encoding:
    if (known := _loaded.get(tokenizer)) is not None:
        return known
    with _loading:
        if tokenizer not in _loaded:
            _loaded[tokenizer] = _read(tokenizer)
        return _loaded[tokenizer]


def _read(tokenizer: str) -> tiktoken.Encoding:
    import tiktoken  # 20 ms, and not needed to estimate

    vocabulary = VOCABULARIES.get(tokenizer)
    if vocabulary is None:
        raise ConfigError(f"unknown tokenizer `{tokenizer}`: use one of {', '.join((*VOCABULARIES, CHARS))}")
    # Lines of `base64 rank`, ranks counting up from 0: the tool that writes the files checks it.
    tokens = gzip.decompress(resources.files("pointsman.catalogue").joinpath(vocabulary.file).read_bytes()).split()[::2]
    ranks = dict(zip(map(binascii.a2b_base64, tokens), range(len(tokens)), strict=True))
    return tiktoken.Encoding(tokenizer, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens=dict(vocabulary.special))


def _longer_than(texts: Sequence[str], limit: int) -> bool:
    if sum(map(len, texts)) > limit:
        return True
    return sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in texts) > limit


def _count_whole(text: str, encoding: tiktoken.Encoding) -> tuple[int, bool]:
    if len(text) <= PIECE_CHARS:
        return len(encoding.encode_ordinary(text)), True
    tokens, exact, start = 0, True, 0
    while start < len(text):
        end, clean = _end_of_piece(text, start)
        tokens += len(encoding.encode_ordinary(text[start:end]))
        exact, start = exact and clean, end
    return tokens, exact


def _end_of_piece(text: str, start: int) -> tuple[int, bool]:
    """Where the piece ends, and whether that is a place where tokens end anyway."""
    end = start + PIECE_CHARS
    if end >= len(text):
        return len(text), True
    places = [match.start() for match in _BREAK.finditer(text, end - _BREAK_SEARCH_CHARS, end)]
    return (places[-1], True) if places else (end, False)


def _sampled(text: str, encoding: tiktoken.Encoding) -> int:
    windows = list(_windows(text, WINDOWS, WINDOW_CHARS))
    counted = sum(len(encoding.encode_ordinary(_encodable(window))) for window in windows)
    return math.ceil(_estimate_long(text) * counted / max(sum(map(_estimate, windows)), 1.0))


def _windows(text: str, number: int, chars: int) -> Iterator[str]:
    last = len(text) - chars
    for index in range(number):
        start = last * index // (number - 1)
        yield text[start : start + chars]


def _encodable(text: str) -> str:
    # Half a surrogate pair is no character; tiktoken would find out by failing, slowly.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


# --- estimates from characters

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = b"0123456789"
_SPACES = b"\t\n\v\f\r"
_PUNCTUATION = bytes(set(range(128)) - set(_LETTERS + _DIGITS + _SPACES + b" "))
_CONTINUATION = bytes(range(0x80, 0xC0))

# The weights below are fitted: docs/tokens.md says to what and how well.
_TOKENS_TO_START = 0.4
# Tokens for each byte of a class. A character's first byte tells its script; the bytes that continue it weigh nothing.
_PER_BYTE: tuple[tuple[bytes, float], ...] = (
    (_LETTERS[:26], 0.08),
    (b" ", 0.10),
    (_LETTERS[26:], 0.42),
    (_PUNCTUATION, 0.39),
    (_DIGITS, 0.05),
    (_SPACES, 0.67),
    (bytes(range(0xE4, 0xEA)), 1.09),  # Chinese characters
    (bytes(range(0xD0, 0xD2)), 0.57),  # Cyrillic
    (bytes(range(0xD2, 0xE0)), 0.92),  # Armenian, Hebrew, Arabic
    (bytes(range(0xCE, 0xD0)), 0.73),  # Greek
    (bytes(range(0xC2, 0xCC)), 2.24),  # accented Latin
    (b"\xe0", 1.09),  # Indic scripts, Thai, Lao
    (b"\xe3", 0.74),  # kana
    (bytes(range(0xEA, 0xEE)), 0.84),  # Hangul
    (b"\xe1", 1.23),  # Georgian, Khmer, Vietnamese vowels
    (b"\xe2", 1.64),  # dashes, quotes, arrows, mathematics
    (bytes(range(0xF0, 0x100)), 2.12),  # emoji and rare scripts
    (bytes(range(0xEE, 0xF0)), 1.56),  # full-width forms, private use
    (bytes(range(0xCC, 0xCE)), 2.00),  # combining accents
)


def _runs_of(members: bytes) -> bytes:
    return bytes(ord("x") if byte in members else ord(" ") for byte in range(256))


_RUNS_OF_LETTERS = _runs_of(_LETTERS)
# Tokens for each run of a class (a word or a number costs something to begin), and for every 16 letters or digits in a
# row: no word is so long, keys and hashes are.
_PER_RUN: tuple[tuple[bytes, float, float], ...] = (
    (_RUNS_OF_LETTERS, 0.63, 7.32),
    (_runs_of(_DIGITS), 2.09, 5.49),
    (_runs_of(_PUNCTUATION), 0.23, 0.0),
)
_LONG_RUN = b"x" * 16


def _estimate_long(text: str) -> float:
    """Tokens of a text of any length, scanning no more than `SCANNED_CHARS` of it."""
    if len(text) <= SCANNED_CHARS:
        return _estimate(text)
    windows = list(_windows(text, SCANNED_CHARS // SCANNED_PIECE_CHARS, SCANNED_PIECE_CHARS))
    return _estimate("".join(windows)) * len(text) / sum(map(len, windows))


def _estimate(text: str) -> float:
    # Whole passes over the bytes in C: deleting a class and looking at what is left is how to count it.
    rest = text.encode() if text.isascii() else text.encode("utf-8", "replace").translate(None, _CONTINUATION)
    tokens = _TOKENS_TO_START
    for table, per_run, per_long in _PER_RUN:
        runs = rest.translate(table)
        if b"x" in runs:
            long = per_long * runs.count(_LONG_RUN) if per_long else 0.0
            # To split is quicker where there is little of a class, and to count where there is much.
            number = runs.count(b" x") + runs.startswith(b"x") if table is _RUNS_OF_LETTERS else len(runs.split())
            tokens += per_run * number + long
    for members, weight in _PER_BYTE:
        if not rest:
            break
        others = rest.translate(None, members)
        tokens += weight * (len(rest) - len(others))
        rest = others
    return tokens


_COMMON = {role: math.ceil(_estimate(role)) for role in ("assistant", "developer", "system", "tool", "user")}  # one a message
