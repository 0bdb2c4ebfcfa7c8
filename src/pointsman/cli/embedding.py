"""The embedder that a command names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.build import embedding

if TYPE_CHECKING:
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
