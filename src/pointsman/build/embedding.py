"""What turns texts into vectors, as a configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.build.files import content
from pointsman.config.schema import Config
from pointsman.errors import ConfigError
from pointsman.signals.dense import MODEL, VOCABULARY, load
from pointsman.signals.embedding import MOST_CHARS
from pointsman.signals.known import Known

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder


def embedder_of(config: Config) -> Embedder:
    """The embedder of a configuration. Raises `ConfigError` for one that cannot be used."""
    said = config.embedding
    if said.kind == "remote":
        return _remote(config)
    return embedder(Path(said.path) if said.kind == "dense" else None, "embedding.path")


def embedder(folder: Path | None, setting: str) -> Embedder:
    """The encoder in a folder (0.5 s), the shipped table without one. Raises `ConfigError` with the setting that names the folder."""
    if folder is None:
        from pointsman.signals.embedding import shipped

        return shipped()
    try:
        return load(_read(folder, MODEL), _read(folder, VOCABULARY))
    except ConfigError as error:
        raise ConfigError(f"{setting}: {folder}/{error}") from error


def _remote(config: Config) -> Known:
    """An embedder that has read nothing yet: its vectors come with each request. A server can change what it gives under the same name."""
    said = config.embedding
    model = next(model for model in config.models if model.id == said.model)
    assert said.dims is not None
    return Known(f"remote-{said.dims}-{MOST_CHARS}-{model.provider}/{model.model or model.id}", said.dims, strict=False)


def whole(text: str) -> tuple[str, ...]:
    """What a classifier reads of a text."""
    return (text,)


def whole_and_end(text: str) -> tuple[str, ...]:
    """What a bundle of estimates reads of a text, where it holds the whole to what the end says."""
    from pointsman.estimators.steady import ending  # it brings numpy, which is there where a bundle is

    return (text,) if (end := ending(text)) is None else (text, end)


def embedder_files(config: Config) -> tuple[Path, ...]:
    """The files that `embedder_of` reads, besides those that ship."""
    said = config.embedding
    return tuple(Path(said.path) / name for name in (MODEL, VOCABULARY)) if said.kind == "dense" else ()


def _read(folder: Path, name: str) -> bytes:
    try:
        return content(folder / name)
    except OSError as error:
        cure = f"name a folder that holds `{MODEL}` and `{VOCABULARY}`"
        raise ConfigError(f"{name}: cannot be read: {error.strerror}: {cure}") from error
