"""`pointsman calibrate --lose-at-most`: the boldest dial that keeps a floor of quality, at a stated risk."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from pointsman.core.codec import to_builtins
from pointsman.errors import ConfigError

if TYPE_CHECKING:
    from pointsman.estimators.blend import Blended
    from pointsman.estimators.learned import Predicted
    from pointsman.estimators.outcomes import Outcomes
    from pointsman.evals.dial_floor import Floored, Lost
    from pointsman.evals.ranking import Vector
    from pointsman.evals.resample import Interval

RISK = 0.1


def arguments(parser: argparse.ArgumentParser, goal: argparse._MutuallyExclusiveGroup) -> None:
    """Declare `--lose-at-most` as a goal, and `--risk`."""
    goal.add_argument(
        "--lose-at-most",
        type=float,
        metavar="LOSS",
        help="mean quality, 0 to 1, below the best single model's: the boldest dial that keeps it",
    )
    parser.add_argument(
        "--risk",
        type=float,
        metavar="SHARE",
        help=f"with --lose-at-most: of promises like this, the share that may be wrong (default: {RISK})",
    )


def check(given: argparse.Namespace, *, cascade: bool) -> None:
    """Raise `ConfigError` where what is asked makes no sense."""
    limit: float | None = given.lose_at_most
    if limit is None and given.risk is not None:
        raise ConfigError("--risk: is of --lose-at-most alone: what other goals find is sure to 95 %")
    if limit is not None and cascade:
        raise ConfigError("--lose-at-most: is about dials: for a cascade's threshold give --keep-quality")
    if limit is not None and not 0 < limit < 1:
        raise ConfigError(f"--lose-at-most: {limit:g} is no loss of quality: give more than 0, less than 1, such as 0.02")
    if given.risk is not None and not 0 < given.risk < 1:
        raise ConfigError(f"--risk: {given.risk:g} is no share: give more than 0, less than 1")


def predictions(outcomes: Outcomes, fitted: Blended) -> Predicted | None:
    """What the bundle itself says of queries that it never saw; `None` where it was fitted on some of them, or knows no costs."""
    import numpy as np

    from pointsman.estimators.learned import Predicted

    if not {query.id for query in outcomes.queries}.isdisjoint(fitted.ids):
        return None
    told, columns = fitted.predict(outcomes.queries), [fitted.models.index(model) for model in outcomes.models]
    predicted = Predicted(*(getattr(told, part.name)[:, columns] for part in fields(told)))
    return predicted if np.isfinite(predicted.cost_usd).all() else None


def mean_qualities(outcomes: Outcomes, fitted: Blended) -> Vector | None:
    """The qualities, by model, that the bundle gives every query; `None` where they differ from query to query."""
    if fitted.verdict.routes or fitted.mixture is None:
        return None
    columns = [fitted.models.index(model) for model in outcomes.models]
    quality: Vector = fitted.predict(outcomes.queries[:1]).quality[0, columns]
    return quality


def bounded(
    given: argparse.Namespace, outcomes: Outcomes, predicted: Predicted, first: Sequence[str], *, itself: bool, doubted: int
) -> int:
    """Print the dial after the `first` lines; 1 if the data support none. `itself`: it is the bundle whose predictions these are."""
    from pointsman.evals.dial_floor import floor

    found = floor(outcomes, predicted, given.lose_at_most, RISK if given.risk is None else given.risk, given.seed)
    lines = [*first, *said(found, itself=itself, doubted=doubted > 0), *no_promise(doubted, found.queries)]
    told = {**to_builtins(found), "bundle_itself": itself, "doubted": doubted, "said": lines}
    print(json.dumps(told, indent=2) if given.json else "\n".join(lines))
    return 1 if found.found is None or doubted else 0


def no_promise(doubted: int, queries: int) -> Sequence[str]:
    """Why nothing is promised of requests that people saw because something had gone wrong with them; nothing where there are none."""
    if not doubted:
        return ()
    why = f"no promise: {doubted:,} of these {queries:,} requests are judged because an earlier answer was doubted or had failed"
    return (f"{why}, so they are no sample of what comes, and these figures are biased; `--drop-doubted` leaves them out",)


def said(found: Floored, *, itself: bool, doubted: bool = False) -> list[str]:
    """What came out, in sentences."""
    best = f"best single model `{found.best}`: quality {found.best_quality:.4f}, ${found.best_cost_usd:.6f} a request"
    lines = [f"{found.queries:,} queries; {best}"]
    terms = f"a mean loss of quality of at most {found.limit:g} beside `{found.best}`"
    if found.found is None:
        asked = f"{terms} at a risk of {found.risk:.0%}"
        refused = f"no dial can be promised to keep {asked}: allow more loss or risk, record more, or use `{found.best}` alone"
        return [*lines, refused, f"  nearest: dial {found.nearest.dial:g} {_figures(found.nearest)}"]
    where = "" if found.groups == found.queries else f", each of {found.groups:,} groups of near-duplicates counted once"
    judge = (
        "  judged by the bundle itself, which was fitted on none of these queries"
        if itself
        else "  judged by five fits, each without the groups that it was asked about: the bundle itself, fitted on more, was not tested"
    )
    told = [*lines, f"dial: {found.found.dial:g}", f"  {_figures(found.found)}"]
    if doubted:
        return [*told, judge]
    return [
        *told,
        f"  promised: {terms}, over requests like these{where}; of promises made like this at most {found.risk:.0%} are wrong",
        "  not promised: anything of a single request, or of other traffic; figures in brackets are 95 %, two-sided",
        judge,
    ]


def _figures(one: Lost) -> str:
    lost = f"loses {one.lost.value:.4f} [{one.lost.low:.4f}, {one.lost.high:.4f}] of quality (keeps {_share(one.kept)})"
    over = f"{one.over_mix.value:+.4f} [{one.over_mix.low:+.4f}, {one.over_mix.high:+.4f}] over the best mix of single models at that cost"
    return f"{lost}, saves {_share(one.saved)} of the cost, asks another model for {one.elsewhere:.1%} of the queries, {over}"


def _share(of: Interval) -> str:
    return f"{of.value:.1%} [{of.low:.1%}, {of.high:.1%}]"
