"""A collection of outcome files with an index: realistic pools and prices beside the data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pointsman.errors import ConfigError
from pointsman.evals.read import parquet

Prices = Mapping[str, tuple[float, float]]
"""Model -> USD for one input token, and for one output token."""


def home(data: Path) -> Path:
    """The folder with `index.json` in which a data set stands. Raises `ConfigError` where there is none above it."""
    for folder in data.resolve().parents:
        if (folder / "index.json").exists():
            return folder
    raise ConfigError(f"{data}: no index.json above it: name the models of the pool instead")


def realistic_pool(data: Path) -> tuple[str, ...] | None:
    """The pool that the index gives a data set, named after its folder; `None`: no narrower one than all its models."""
    index = json.loads((home(data) / "index.json").read_text(encoding="utf-8"))
    name = data.name if data.is_dir() else data.parent.name
    if name not in index["outcomes"]:
        raise ConfigError(f"{data}: index.json knows no data set `{name}`: name the models of the pool instead")
    pool = index["outcomes"][name].get("pool")
    return tuple(pool) if pool else None


def prices(data: Path) -> Prices:
    """What the collection's `models.parquet` says of prices."""
    table = parquet().read_table(home(data) / "models.parquet", columns=["model", "input_usd_per_mtok", "output_usd_per_mtok"]).to_pylist()
    return {
        row["model"]: (row["input_usd_per_mtok"] / 1e6, row["output_usd_per_mtok"] / 1e6)
        for row in table
        if row["input_usd_per_mtok"] is not None and row["output_usd_per_mtok"] is not None
    }
