"""Texts to learn from, read by the model that reads requests: through the same gates, the same egress and the same log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pointsman.build.embedding import embedder_of
from pointsman.build.service import open_service
from pointsman.config.schema import ClassifiersConfig, Config
from pointsman.core.request import Caller
from pointsman.errors import ConfigError, RequestError
from pointsman.gateway import Gateway, Inquiry
from pointsman.gateway.reading import Read, Reader
from pointsman.gateway.understand import understand
from pointsman.signals.canonical import asked
from pointsman.signals.known import Known, under

if TYPE_CHECKING:
    from pointsman.signals.known import Vector

Parts = Callable[[str], tuple[str, ...]]

OPERATOR = Caller("train")
_TOGETHER = 8
_TOLD_EVERY = 512
_TIMEOUT_MS = 30_000.0  # nobody waits for it


class Texts(NamedTuple):
    """An embedder of texts that were read; of those that were refused it knows nothing."""

    known: Known
    refused: int = 0
    why: str = ""  #: the first was


def read_texts(config: Config, texts: Iterable[str], parts: Parts, file: Path, step: Callable[[str], None]) -> Texts:
    """Have texts read (`parts` of each) that are not in `file` yet, and keep them there.

    Each is asked for as a request for the model by its name, by the key `train`. Raises `ConfigError` where a call fails: what was read
    until then is kept.
    """
    embedder = embedder_of(config)
    kept = _kept(file, embedder.name, embedder.dims)
    missing = [text for text in dict.fromkeys(texts) if any(_key(part) not in kept for part in parts(text) if part.strip())]
    made = asyncio.run(_read(config, missing, Reader(embedder.name, embedder.dims, parts, _nothing), file, step)) if missing else _NONE
    vectors = {**kept, **made.vectors}
    wanted = {under(part): vectors.get(_key(part)) for text in texts for part in parts(text)}
    known = {name: vector for name, vector in wanted.items() if vector is not None}
    return Texts(Known(embedder.name, embedder.dims, known, strict=False), made.refused, made.why)


class _Made(NamedTuple):
    vectors: Mapping[str, Vector]
    refused: int = 0
    why: str = ""


_NONE = _Made({})


async def _read(config: Config, texts: Sequence[str], reader: Reader, file: Path, step: Callable[[str], None]) -> _Made:
    # What is to be trained may not be there yet.
    bare = replace(config, classifiers=ClassifiersConfig(), learned=None, embedding=replace(config.embedding, timeout_ms=_TIMEOUT_MS))
    service = await open_service(bare)
    try:
        gateway = service.gateway
        gateway.live = replace(gateway.live, world=replace(gateway.live.world, reader=reader))
        vectors: dict[str, Vector] = {}
        refused: list[str] = []
        together = _together(config)
        for at in range(0, len(texts), together):
            some = texts[at : at + together]
            questions, found = zip(*await asyncio.gather(*(_one(gateway, config.embedding.model, text) for text in some)), strict=True)
            pairs = chain.from_iterable(_vectors(*each, parts=reader.parts) for each in zip(some, questions, found, strict=True))
            new = {_key(part): vector for part, vector in pairs}
            _append(file, reader.name, new)
            vectors |= new
            refused += [one.why for one in found if one.refused]
            failed = next((one.why for one in found if one.known is None and not one.refused), None)
            if failed is not None:
                raise ConfigError(f"a text could not be read: {failed}: what was read until then is in {file}: run it again")
            if (at + len(some)) % _TOLD_EVERY < together:
                step(f"read {at + len(some):,} of {len(texts):,} texts")
        return _Made(vectors, len(refused), refused[0] if refused else "")
    finally:
        await service.aclose()


def _together(config: Config) -> int:
    """How many are asked for at once: no more than the model's account allows."""
    limits = (model.limits.concurrent for model in config.models if model.id == config.embedding.model)
    return min(_TOGETHER, next(limits, None) or _TOGETHER)


async def _one(gateway: Gateway, model: str, text: str) -> tuple[str, Read]:
    """What is read of a text as if it were asked now, and what came of it."""
    body, live = {"model": model, "messages": [{"role": "user", "content": text}]}, gateway.live
    try:
        request, signals = await asyncio.to_thread(understand, Inquiry(json.dumps(body).encode(), OPERATOR, {}), live.world)
    except RequestError as error:
        return "", Read(why=error.message, refused=True)
    assert request.content is not None
    return asked(request.content).text, await gateway.read(request, signals, live)


def _vectors(text: str, question: str, read: Read, parts: Parts) -> Iterator[tuple[str, Vector]]:
    if read.known is not None:
        rows = read.known.embed(parts(question))
        yield from ((part, row) for part, row in zip(parts(text), rows, strict=False) if part.strip())


def _nothing(_: object) -> tuple[None, None]:
    return None, None


def _key(text: str) -> str:
    return hashlib.sha256(under(text).encode("utf-8", "replace")).hexdigest()


def _kept(file: Path, name: str, dims: int) -> dict[str, Vector]:
    """The vectors in a file, by the SHA-256 of their texts. A last line that was cut short is left out."""
    import numpy as np

    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    found: dict[str, Vector] = {}
    for line in lines:
        try:
            said = json.loads(line)
            if said["embedder"] != name:
                raise ConfigError(
                    f"{file}: holds vectors of `{said['embedder']}`, these are of `{name}`: remove it, or name another output"
                )
            vector = np.frombuffer(base64.b64decode(said["vector"]), "<f4")
            if vector.shape == (dims,):
                found[said["text"]] = vector
        except (ValueError, KeyError, TypeError) as error:
            if line is not lines[-1]:
                raise ConfigError(f"{file}: is damaged: remove it: {error}") from error
    return found


def _append(file: Path, name: str, vectors: Mapping[str, Vector]) -> None:
    try:
        with file.open("a", encoding="utf-8") as out:
            for key, vector in vectors.items():
                packed = base64.b64encode(vector.astype("<f4").tobytes()).decode()
                out.write(json.dumps({"embedder": name, "text": key, "vector": packed}) + "\n")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
