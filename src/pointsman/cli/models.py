"""List the pool: where each model is, what it costs and who says so."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pointsman.build.world import offline_world
from pointsman.cli.source import argument, source, tell
from pointsman.cli.table import table
from pointsman.core.codec import to_builtins
from pointsman.core.model import Model
from pointsman.core.prices import Price, usd


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, everything included")


def run(given: argparse.Namespace) -> int:
    """Print the models."""
    found = source(given)
    tell(found.notes)
    snapshot = offline_world(found.config).snapshot
    models = list(snapshot.models.values())
    if given.json:
        print(json.dumps([_object(model) for model in models], indent=2))
        return 0
    head = ("model", "provider", "perimeter", "context", "in $/M", "out $/M", "price from", "quality", "from", "state")
    print(table([head, *(_row(model) for model in models)], right=frozenset({3, 4, 5, 7})))
    print(f"\nroutes: {', '.join(snapshot.routes)}")
    return 0


def _row(model: Model) -> tuple[str, ...]:
    prior, price = model.prior("general"), model.price
    return (
        model.id,
        model.provider,
        model.perimeter,
        f"{model.context_tokens:,}",
        _rate(price, "input"),
        _rate(price, "output"),
        "unknown" if price is None else f"{price.source} {price.as_of}".strip(),
        f"{prior.mean:.2f}",
        f"{prior.source} (n={prior.evidence})",
        "in use" if model.disabled is None else f"off: {model.disabled}",
    )


def _rate(price: Price | None, name: str) -> str:
    if price is None:
        return "?"
    if price.per_second is not None:
        return f"{usd(price.per_second)}/s"
    rate = getattr(price, name)
    return "?" if rate is None else usd(rate * 10**6)


def _object(model: Model) -> dict[str, Any]:
    described: dict[str, Any] = to_builtins(model)
    return described
