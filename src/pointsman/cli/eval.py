"""Judge routers on recorded outcomes, beside the baselines.

DATA is a file of outcomes (.parquet, .jsonl, .csv), a folder with outcomes.parquet or with RouteLLM's CSV files, or a decision log (.db).
With the word `labels` in its place: how well sensitive data is found, on made-up requests, and on marked texts if there are --texts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli import embedding
from pointsman.cli.progress import progress
from pointsman.cli.source import tell
from pointsman.cli.table import table
from pointsman.cli.train import doubted_argument, in_splits, no_quality, recorded, words_argument
from pointsman.errors import ConfigError

if TYPE_CHECKING:
    from pointsman.estimators.learned import Learner
    from pointsman.estimators.outcomes import Outcomes
    from pointsman.evals.evaluate import Evaluation, Protocol
    from pointsman.evals.report import Origin


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("data", metavar="DATA", type=Path, help="recorded outcomes; or the word `labels`")
    add(
        "--pool", metavar="MODELS", help="models to choose among, with commas; `realistic`: the pool that the collection's index.json gives"
    )
    add("--learner", metavar="NAME", action="append", default=[], help="a learner to judge beside the baselines; may be given again")
    embedding.argument(parser)
    add("--baselines", metavar="NAMES", help="the baselines, with commas; `none`: no baselines (default: all of them)")
    add("--seeds", metavar="N", default="42,999,2024,2025,3407", help="seeds, with commas (default: 42,999,2024,2025,3407)")
    add("--labels", metavar="N", type=_positive, help="queries to learn from in each fold (default: all)")
    add("--folds", metavar="N", type=_positive, default=5, help="folds, cut between groups of near-duplicates (default: 5)")
    add("--draws", metavar="N", type=_positive, default=2000, help="bootstrap draws for the intervals (default: 2000)")
    add("--splits", metavar="NAMES", help="use these splits of the data only, with commas, as in `train,val` (default: all)")
    add("--test", action="store_true", help="learn from everything but the test split, and read that; the result says that it was read")
    words_argument(parser)
    doubted_argument(parser)
    add("--drop-incomplete", action="store_true", help="leave out what lacks a quality or a cost, and say how much that is")
    add("--assume-output-tokens", metavar="N", type=_positive, help="price what has no recorded cost by this many output tokens")
    add("--all", action="store_true", help="print every figure, and how far predictions are right")
    add("--json", metavar="FILE", type=Path, help="write everything as JSON")
    add("--html", metavar="FILE", type=Path, help="write a page with all tables and a cost-quality plot")
    add("--svg", metavar="FILE", type=Path, help="write the plot by itself")
    add("--png", metavar="FILE", type=Path, help="write the plot as a picture")
    add("--texts", metavar="FILE", type=Path, help="for `labels`: texts with marked spans (.jsonl, .parquet), as docs/sensitivity.md says")
    add("--samples", metavar="N", type=_positive, default=2000, help="for `labels`: made-up requests of each sort (default: 2000)")
    add("--config", metavar="FILE", type=Path, help="for `labels`: with the recognisers of this configuration")


def run(given: argparse.Namespace) -> int:
    """Print the tables."""
    if str(given.data) == "labels":
        from pointsman.cli import eval_labels

        return eval_labels.run(given)
    from pointsman.evals.baselines import named
    from pointsman.evals.evaluate import Protocol, evaluate

    seeds = tuple(_number(seed) for seed in given.seeds.split(","))
    protocol = Protocol(seeds, given.folds, given.labels, given.draws, given.test)
    names = _baselines(given.baselines)
    learners = [_reading(named(name), given) for name in (*given.learner, *(name for name in names if name not in given.learner))]
    if not learners:
        raise ConfigError("nothing to judge: name a learner, or leave the baselines in")
    outcomes, origin = _outcomes(given, protocol)
    with progress() as tell_step:
        found = evaluate(outcomes, learners, protocol, tell_step)
    _tell_data(found, origin)
    _tell_figures(found, everything=given.all)
    _write(given, found, origin)
    return 0


def _tell_figures(found: Evaluation, *, everything: bool) -> None:
    from pointsman.evals.report import further, point_rows, rows

    right = frozenset(range(1, 10))
    print(table(list(rows(found)), right))
    for more in further(found) if everything else ():
        print(f"\n{table(more, right)}")
    if not found.share_of:
        print(f"\nzero router (best coin-mix of single models): AIQ {found.zero_aiq:.4f}; oracle: AIQ {found.oracle_aiq:.4f}")
    print(f"\n{table(list(point_rows(found)), right)}\n\nwhat they mean: docs/evals.md#figures")


def _write(given: argparse.Namespace, found: Evaluation, origin: Origin) -> None:
    """The files that were asked for."""
    from pointsman.evals.page import page
    from pointsman.evals.plot import bitmap, picture
    from pointsman.evals.report import document

    if given.json:
        given.json.write_text(json.dumps(document(found, origin), indent=1) + "\n", encoding="utf-8")
    if given.html:
        given.html.write_text(page(found, origin), encoding="utf-8")
    if given.svg:
        given.svg.write_text(picture(found, alone=True) + "\n", encoding="utf-8")
    if given.png:
        given.png.write_bytes(bitmap(found))


def _reading(learner: Learner, given: argparse.Namespace) -> Learner:
    """The learner, with the embedder that was asked for if it has one."""
    from pointsman.estimators.blend import Blend

    if given.embedding is None or not isinstance(learner, Blend):
        return learner
    return replace(learner, embedder=embedding.embedder(given))


def _baselines(asked: str | None) -> list[str]:
    """The baselines asked for; without a word of it all that can run here."""
    from pointsman.evals.baselines import BASELINES, available

    if asked is not None:
        return [] if asked == "none" else asked.split(",")
    if left_out := [name for name in BASELINES if name not in available()]:
        tell((f"left out {', '.join(left_out)}: they need scikit-learn: pip install 'pointsman[learn]'",))
    return list(available())


def _outcomes(given: argparse.Namespace, protocol: Protocol) -> tuple[Outcomes, Origin]:
    """The table that was asked for, and where it came from."""
    import numpy as np

    from pointsman.evals import collection
    from pointsman.evals.report import Origin
    from pointsman.evals.rows import assume_cost, whole

    outcomes = recorded(given.data, given.content_keys, drop_doubted=given.drop_doubted)
    pool = _pool(given, collection.realistic_pool)
    outcomes = outcomes.pool(pool) if pool else outcomes
    splits = tuple(given.splits.split(",")) if given.splits else ()
    outcomes = in_splits(outcomes, given.splits, given.data)
    if not outcomes.queries or len(outcomes.models) < 2:
        raise ConfigError(
            f"{given.data}: {len(outcomes.queries)} queries, {len(outcomes.models)} models: there is nothing to choose between"
        )
    if given.assume_output_tokens:
        outcomes = assume_cost(outcomes, collection.prices(given.data), given.assume_output_tokens)
    if np.isnan(outcomes.quality).all():
        raise ConfigError(no_quality(given.data))
    kept = whole(outcomes, drop=given.drop_incomplete, shares=given.assume_output_tokens is None)
    return kept.outcomes, Origin(str(given.data), kept.outcomes.models, kept.models, kept.queries, splits)


def _pool(given: argparse.Namespace, realistic: Callable[[Path], tuple[str, ...] | None]) -> tuple[str, ...] | None:
    if given.pool is None:
        return None
    return realistic(given.data) if given.pool == "realistic" else tuple(given.pool.split(","))


def _tell_data(found: Evaluation, origin: Origin) -> None:
    from pointsman.evals.report import about_costs

    dropped = f"; left out: {len(origin.dropped_models)} models, {origin.dropped_queries:,} queries with missing cells"
    print(f"{origin.source}: {found.queries:,} queries judged, {len(found.models)} models, sha256 {found.data[:16]}{dropped}")
    print(f"{about_costs(found)}\n" if found.share_of else "")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not at least 1")
    return number


def _number(text: str) -> int:
    if not text.strip().isdigit():
        raise ConfigError(f"`{text}` is no seed: write whole numbers with commas between them")
    return int(text)
