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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from pointsman.core.request import Image, Message, Text, Tool
from pointsman.core.signals import TokenCount
from pointsman.errors import ConfigError
from pointsman.signals.characters import SCANNED_CHARS, estimated, estimated_long, windows

if TYPE_CHECKING:
    import tiktoken

CHARS = "chars"

TOKENS_PER_IMAGE = 1_105  # OpenAI's worked example of a large picture (2048 x 4096, high detail); a square one of 1024 is 765

# Up to this many UTF-8 bytes are counted whole: 7 ms for prose of this length, 30 ms for the worst text.
EXACT_BYTES = 160_000
# Longer text is counted in windows; the estimate from characters says how typical those windows are of the whole.
WINDOWS, WINDOW_CHARS = 16, 2_048
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

_COMMON = {role: math.ceil(estimated(role)) for role in ("assistant", "developer", "system", "tool", "user")}  # one a message
_COMMON_CHARS = max(map(len, _COMMON))

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
            # To look a long text up would mean to hash it.
            tokens += _COMMON[piece] if len(piece) <= _COMMON_CHARS and piece in _COMMON else math.ceil(estimated_long(piece))
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
    some = list(windows(text, WINDOWS, WINDOW_CHARS))
    counted = sum(len(encoding.encode_ordinary(_encodable(window))) for window in some)
    return math.ceil(estimated_long(text) * counted / max(sum(map(estimated, some)), 1.0))


def _encodable(text: str) -> str:
    # Half a surrogate pair is no character; tiktoken would find out by failing, slowly.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
