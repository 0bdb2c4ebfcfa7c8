"""A request's words, as they go to the model that reads them: a request of its own, on behalf of the same caller.

It carries every label that the other one carries, and what rules may read of it, so that whatever keeps that one from a model keeps its
words from the model that reads. What reading would tell is not known yet: conditions on it count as the stricter answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pointsman.core.request import Content, Request
from pointsman.core.signals import Predictor, Signals, Tokens
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.masking import Mask, masked
from pointsman.signals.canonical import asked, ends
from pointsman.signals.embedding import MOST_CHARS
from pointsman.signals.known import Known, direction, under
from pointsman.signals.meaning import Meant
from pointsman.signals.tokens import count_messages
from pointsman.wire.request import read_request

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder
    from pointsman.signals.known import Vector

SUFFIX = "_e"
"""What the id of a decision to read ends with, after that of the request it is for."""

Guessers = tuple[Callable[[str], Meant] | None, Predictor | None]
"""What a request is about, and what models like it have given."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What is done with what the model that reads makes of a text."""

    name: str  #: of its vectors
    dims: int
    parts: Callable[[str], tuple[str, ...]] = field(repr=False)  #: the texts that are to be read of what is asked
    guessers: Callable[[Embedder], Guessers] = field(repr=False)


class Page(NamedTuple):
    """What is to be read for a request, and the request that asks for it; `None`: there is nothing to read."""

    texts: tuple[str, ...]
    request: Request | None = None
    signals: Signals = Signals()


class Read(NamedTuple):
    """What came of reading."""

    known: Known | None = None
    why: str = ""  #: nothing did, because of this; without a word of what was asked
    refused: bool = False  #: by a gate, or because it cannot be masked: it would be so again
    waited_s: float = 0.0
    cost_picousd: int = 0


def page(request: Request, signals: Signals, snapshot: Snapshot, mask: Mask | None, reader: Reader, tokenizers: Sequence[str]) -> Page:
    """The request that has another's words read. Raises `RequestError` where they hold what the model must not see."""
    if request.content is None or snapshot.reads is None:
        raise ValueError("there is nothing to read, or nobody to read it")
    texts = reader.parts(asked(request.content).text)
    if not any(text.strip() for text in texts):
        return Page(texts)
    sent = texts
    if mask is not None and mask.concerns(signals, snapshot.models[snapshot.reads.model]):
        # Before anything is cut: of half a value nobody could tell what it is.
        sent = reader.parts(asked(_content(masked(request, mask).request)).text)
        sent = (*sent, *sent[-1:] * len(texts))[: len(texts)]  # placeholders may be fewer words than what they stand for
    made = _request(request, [ends(text, MOST_CHARS) for text in sent])
    return Page(texts, made, _signals(made, signals, tokenizers))


def _content(request: Request) -> Content:
    """The content of a request whose body was changed."""
    assert request.content is not None
    changed = read_request(dict(request.content.body), request.digest, request.id, request.caller, {}, request.api).content
    assert changed is not None
    return changed


def _request(request: Request, texts: Sequence[str]) -> Request:
    body = {"model": request.model, "input": list(texts)}
    digest = hashlib.sha256(msgspec.json.encode(body)).hexdigest()
    made = read_request(body, digest, f"{request.id}{SUFFIX}", request.caller, {}, "embeddings")
    return replace(
        made,
        max_output_tokens=request.max_output_tokens,
        choices=request.choices,
        messages=request.messages,
        images=request.images,
        tools=request.tools,
        labels=request.labels,
        task=request.task,
        domain=request.domain,
        difficulty=request.difficulty,
        metadata=request.metadata,
        reads_for=request.id,
    )


def _signals(request: Request, signals: Signals, tokenizers: Sequence[str]) -> Signals:
    messages = () if request.content is None else request.content.messages
    counts = tuple([count_messages(messages, tokenizer) for tokenizer in tokenizers])
    return Signals(
        task=signals.task,
        task_source=signals.task_source,
        tokens=Tokens(counts, output=0, room=0),
        labels=signals.labels,
        keywords=signals.keywords,
        findings=signals.findings,
        domain=signals.domain,
        difficulty=signals.difficulty,
    )


NOT_READ = Read()


class _Embedding(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Embedding]


_decode = msgspec.json.Decoder(_Answer).decode


def known_of(body: bytes, texts: Sequence[str], reader: Reader) -> Known | str:
    """What an answer says of these texts, or why it says nothing."""
    try:
        found = _decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "it holds no lists of numbers"
    if len(found) != len(texts):
        return f"it holds {len(found):,} vectors for {len(texts):,} texts"
    ordered = sorted(found, key=lambda one: one.index or 0)
    vectors = [direction(one.embedding, reader.dims) for one in ordered]
    if any(vector is None for vector in vectors):
        sizes = " and ".join(str(size) for size in sorted({len(one.embedding) for one in found}))
        return f"it holds vectors of {sizes} numbers, `embedding.dims` says {reader.dims}: or they are no direction"
    return known(reader, texts, [vector for vector in vectors if vector is not None])


def known(reader: Reader, texts: Sequence[str], vectors: Sequence[Vector]) -> Known:
    """An embedder of these texts, and no other."""
    return Known(reader.name, reader.dims, {under(text): vector for text, vector in zip(texts, vectors, strict=True)})
