"""The embedder that a command names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.build import embedding
from pointsman.cli.source import tell
from pointsman.config.load import load_file
from pointsman.errors import ConfigError

if TYPE_CHECKING:
    from pointsman.build.read_texts import Parts
    from pointsman.catalogue.embedder import Embedder


def argument(parser: argparse.ArgumentParser) -> None:
    """Add `--embedding`."""
    parser.add_argument(
        "--embedding",
        metavar="FOLDER",
        type=Path,
        help="read texts with the encoder there, as the configuration's `embedding.path` does (default: with the shipped table)",
    )


def embedder(given: argparse.Namespace) -> Embedder:
    """The embedder that the arguments name. Raises `ConfigError` for one that cannot be used."""
    return embedding.embedder(given.embedding, "--embedding")


def config_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config`, for what is read as a configuration says."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="read texts as this configuration does; with `kind: remote` its model is called, and vectors are kept beside OUTPUT",
    )


def embedder_for(given: argparse.Namespace, texts: Sequence[str], parts: Parts, step: Callable[[str], None]) -> Embedder:
    """The embedder that the arguments name, with these texts read where that takes calls. Raises `ConfigError`."""
    if given.config is None:
        return embedder(given)
    if given.embedding is not None:
        raise ConfigError("--embedding: stands beside --config, which says how texts are read: leave one of them out")
    config = load_file(given.config, os.environ)
    if config.embedding.kind != "remote":
        return embedding.embedder_of(config)
    from pointsman.build.read_texts import read_texts

    found = read_texts(config, texts, parts, given.output.with_name(f"{given.output.name}.vectors"), step)
    if found.refused:
        tell((f"{found.refused:,} texts were not read, the first since {found.why}: nothing is known of their meaning",))
    return found.known
