"""What turns texts into vectors, as a configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.build.files import content
from pointsman.config.schema import Config
from pointsman.errors import ConfigError
from pointsman.signals.dense import MODEL, VOCABULARY, load

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder


def embedder_of(config: Config) -> Embedder:
    """The embedder of a configuration. Raises `ConfigError` for one that cannot be used."""
    return embedder(Path(config.embedding.path) if config.embedding.kind == "dense" else None, "embedding.path")


def embedder(folder: Path | None, setting: str) -> Embedder:
    """The encoder in a folder (0.5 s), the shipped table without one. Raises `ConfigError` with the setting that names the folder."""
    if folder is None:
        from pointsman.signals.embedding import shipped

        return shipped()
    try:
        return load(_read(folder, MODEL), _read(folder, VOCABULARY))
    except ConfigError as error:
        raise ConfigError(f"{setting}: {folder}/{error}") from error


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
