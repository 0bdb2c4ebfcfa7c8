"""Set the dial from recorded outcomes: keep a share of quality at the least cost, or save a share of cost at the best quality.

pointsman calibrate outcomes.jsonl --bundle quality.bundle --keep-quality 0.98
pointsman calibrate outcomes.jsonl --bundle quality.bundle --lose-at-most 0.02 --risk 0.1
pointsman calibrate cascade outcomes.jsonl --tiers small,large --keep-quality 0.98

Every query is judged by what was learned from other groups of queries. The dial that is printed kept the promise at the one-sided 95 %
bound (intervals in brackets are two-sided and reach lower); where none did, or where one model is simply best, that is what is said.
Where the bundle gives every request mean qualities, that is what is tested, and a dial that saves nothing is none.
With `--lose-at-most` it is the boldest dial that keeps a floor of quality at a stated risk, tested on the bundle itself where it was fitted
on none of these queries. With `cascade`, what is set is the confidence below which a cascade goes on; the outcomes must hold the answers,
as `response`. The file that is to go with it is written by `pointsman train confidence`. Nothing is promised of a decision log's requests
that people saw because an answer was doubted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli import calibrate_floor, embedding
from pointsman.cli.source import tell
from pointsman.cli.train import doubted_argument, read_outcomes, selected_in, whole_outcomes, words_argument
from pointsman.core.codec import to_builtins
from pointsman.errors import ConfigError

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder
    from pointsman.estimators.blend import Blended
    from pointsman.evals.cascade_dial import Calibrated as Threshold
    from pointsman.evals.cascade_dial import Reached
    from pointsman.evals.dial import Calibrated, Given, Goal
    from pointsman.evals.resample import Interval

_KEEP = 0.98
_HELD = "by these qualities, with costs from fits on parts"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="recorded outcomes, as `pointsman eval` reads them; before them `cascade` for a cascade"
    )
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="the bundle that the dial is for: its models are compared")
    parser.add_argument(
        "--tiers", metavar="MODELS", help="of a cascade, with commas (default: three at most, each better than every cheaper one)"
    )
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--keep-quality", type=float, metavar="SHARE", help=f"of the best single model's quality (default: {_KEEP})")
    goal.add_argument("--save-cost", type=float, metavar="SHARE", help="of the best single model's cost")
    calibrate_floor.arguments(parser, goal)
    embedding.argument(parser)
    parser.add_argument(
        "--splits", metavar="NAMES", help="use these splits of the data only, with commas, as in `train,val` (default: all)"
    )
    words_argument(parser)
    doubted_argument(parser)
    parser.add_argument("--drop-incomplete", action="store_true", help="leave out what lacks a quality or a cost, and say how much that is")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn by chance; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print the dial, or the threshold; 1 if the data support none."""
    *kind, data = given.data
    if kind not in ([], ["cascade"]):
        raise ConfigError(f"`{kind[0]}` is nothing that can be calibrated: write `cascade` before the outcomes, or nothing")
    saving = given.save_cost is not None
    wanted = given.save_cost if saving else _KEEP if given.keep_quality is None else given.keep_quality
    if not 0 < wanted <= 1:
        raise ConfigError(f"--{'save-cost' if saving else 'keep-quality'}: {wanted:g} is no share: give more than 0, at most 1")
    if given.seed < 0:
        raise ConfigError(f"--seed: {given.seed} is below 0")
    calibrate_floor.check(given, cascade=bool(kind))
    goal: Goal = "save_cost" if saving else "keep_quality"
    return _cascade(given, Path(data), goal, wanted) if kind else _dial(given, Path(data), goal, wanted)


def _dial(given: argparse.Namespace, data: Path, goal: Goal, wanted: float) -> int:
    from pointsman.estimators.blend import Blend
    from pointsman.evals.dial import calibrate, unseen
    from pointsman.evals.rows import whole

    if given.bundle is None:
        raise ConfigError("--bundle is missing: give the bundle that the dial is for, or write `cascade` before the outcomes")
    embedder = embedding.embedder(given)
    fitted = _bundle(given.bundle, embedder)
    read = read_outcomes(data, None, given.splits, keys=given.content_keys, drop_doubted=given.drop_doubted)
    kept = whole(read.pool(fitted.models), drop=given.drop_incomplete)
    if len(kept.outcomes.models) < 2:
        raise ConfigError(f"{data}: {len(kept.outcomes.models)} model: there is nothing to choose between")
    if kept.models or kept.queries:
        tell((f"left out: {', '.join(kept.models) or 'no model'}; {kept.queries:,} queries with missing cells",))
    means, doubted = not fitted.verdict.routes, len(selected_in(data).among(kept.outcomes).ids)
    own = calibrate_floor.predictions(kept.outcomes, fitted) if means or given.lose_at_most is not None else None
    held = calibrate_floor.mean_qualities(kept.outcomes, fitted)
    predicted = own or unseen(kept.outcomes, Blend(embedder), given.seed, lambda line: tell((line,)), held)
    whose = "its own" if own else "of fits on parts, which may route" if held is None else _HELD
    first = [of_means(whose, by_task=fitted.mixture is None)] if means else []
    if given.lose_at_most is not None:
        return calibrate_floor.bounded(given, kept.outcomes, predicted, first, itself=own is not None, doubted=doubted)
    found = calibrate(kept.outcomes, predicted, goal, wanted, given.seed)
    lines = [*first, *said(found, means=means, doubted=doubted > 0), *calibrate_floor.no_promise(doubted, found.queries)]
    if given.json:
        told = {**to_builtins(found), "worth_it": found.worth_it, "one_model": found.one_model, "doubted": doubted, "said": lines}
        print(json.dumps(told, indent=2))
    else:
        print("\n".join((*lines, f"the bundle's own verdict: {fitted.verdict.said}")))
    return 1 if found.found is None or doubted or (means and saves_nothing(found)) else 0


def of_means(whose: str, *, by_task: bool) -> str:
    """What a bundle does to which choosing by query was not worth it, and whose the figures are."""
    qualities = "mean qualities by task" if by_task else "mean qualities"
    does = f"this bundle gives every request the models' {qualities}, as choosing by query was not shown to be worth it"
    return f"{does}: a dial saves what costs by query give, if anything; the figures below are {whose}"


def saves_nothing(found: Calibrated) -> bool:
    """Whether what it found is not shown to cost less than the best single model."""
    return found.found is not None and round(found.found.saved.low, 6) <= 0


def _cascade(given: argparse.Namespace, data: Path, goal: Goal, wanted: float) -> int:
    from pointsman.evals import cascade_dial

    outcomes = whole_outcomes(
        data, None, given.splits, drop=given.drop_incomplete, keys=given.content_keys, drop_doubted=given.drop_doubted
    )
    tiers = tuple(given.tiers.split(",")) if given.tiers else cascade_dial.tiers_of(outcomes)
    outcomes.pool(tiers)
    if len(tiers) < 2:
        raise ConfigError(f"`{tiers[0]}` alone is no cascade: name two tiers with --tiers, or use it alone")
    doubted = len(selected_in(data).among(outcomes).ids)
    found = cascade_dial.calibrate(outcomes, tiers, goal, wanted, given.seed, lambda line: tell((line,)))
    lines = [*said_of_cascade(found, doubted=doubted > 0), *calibrate_floor.no_promise(doubted, found.queries)]
    print(json.dumps({**to_builtins(found), "doubted": doubted, "said": lines}, indent=2) if given.json else "\n".join(lines))
    return 1 if found.found is None or doubted else 0


def said_of_cascade(found: Threshold, *, doubted: bool = False) -> list[str]:
    """What came out, in sentences."""
    best = f"best single model `{found.best}`: quality {found.best_quality:.4f}, ${found.best_cost_usd:.6f} a request"
    lines = [f"{found.queries:,} queries; {best}", f"tiers: {', '.join(found.tiers)}"]
    if not found.saves:
        dearer = -found.nearest.saved.value
        costs = f"costs {dearer:.1%} more" if dearer >= 0.0005 else "costs as much"
        none = f"no threshold saves anything here: ask `{found.best}` alone (the nearest, {found.nearest.threshold:g}, {costs})"
        return [*lines, none, f"  nearest: {_reached(found.nearest)}"]
    if found.found is None:
        share = f"keep {found.wanted:.1%} of its quality" if found.goal == "keep_quality" else f"save {found.wanted:.1%} of its cost"
        refused = f"the data cannot support a threshold that is sure to {share}: ask for less, record more, or use `{found.best}` alone"
        return [*lines, refused, f"  nearest: {_reached(found.nearest)}"]
    where = (
        "for a route's `cascade`, with the file of `pointsman train confidence` on these outcomes under `learned.confidence`,"
        " and that of `pointsman train quality` on the same outcomes under `learned.bundle`:"
    )
    sure = () if doubted else (f"  {_sure(found.goal, found.found.sure)}",)
    told = (f"  {_reached(found.found)}", *sure)
    return [*lines, where, f"  accept: {{confidence: {found.found.threshold:g}}}", *told]


def _reached(one: Reached) -> str:
    gained = f"keeps {_share(one.kept)} of its quality, saves {_share(one.saved)} of its cost"
    return f"threshold {one.threshold:g} {gained}, with {one.calls:.2f} calls a query"


def _bundle(path: Path, embedder: Embedder) -> Blended:
    from pointsman.estimators import bundle
    from pointsman.estimators.blend import Blended

    try:
        fitted = bundle.load(path.read_bytes(), embedder)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}: write it with `pointsman train quality`") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(fitted, Blended):
        raise ConfigError(f"{path}: holds no blend: write it with `pointsman train quality`")
    return fitted


def said(found: Calibrated, *, means: bool = False, doubted: bool = False) -> list[str]:
    """What came out, in sentences."""
    best = f"best single model `{found.best}`: quality {found.best_quality:.4f}, ${found.best_cost_usd:.6f} a request"
    lines = [f"{found.queries:,} queries; {best}"]
    if found.one_model:
        lines.append(f"one model is simply best: `{found.best}` is also the cheapest: use it alone")
    if found.found is None:
        share = f"keep {found.wanted:.1%} of its quality" if found.goal == "keep_quality" else f"save {found.wanted:.1%} of its cost"
        refused = f"the data cannot support a dial that is sure to {share}: ask for less, record more, or use `{found.best}` alone"
        return [*lines, refused, f"  nearest: {_figures(found.nearest)}"]
    if means and saves_nothing(found):
        nothing = f"no dial of this bundle is shown to save anything and keep {found.wanted:.1%} of its quality: use `{found.best}` alone"
        return [*lines, nothing, f"  nearest: {_figures(found.found)}"]
    sure = () if doubted else (f"  {_sure(found.goal, found.found.sure)}",)
    lines += [f"dial: {found.found.dial:g}", f"  {_figures(found.found)}", *sure]
    if found.between is not None and not doubted:
        low, high = found.between
        lines.append(f"  without being sure of it, on average: the boldest dial that does lies from {low:g} to {high:g} (95 %, two-sided)")
    if not found.worth_it and not found.one_model:
        lines.append("  choosing by query is not shown to be worth it yet: a mix of single models at the same cost may be as good")
    return lines


def _figures(one: Given) -> str:
    over = f"{one.over_mix.value:+.4f} [{one.over_mix.low:+.4f}, {one.over_mix.high:+.4f}] over the best mix of single models at that cost"
    return f"dial {one.dial:g} keeps {_share(one.kept)} of its quality, saves {_share(one.saved)} of its cost, {over}"


def _sure(goal: Goal, share: float) -> str:
    does = "keeps" if goal == "keep_quality" else "saves"
    return f"so it {does} at least {share:.1%} with 95 % confidence, one-sided; figures in brackets are 95 %, two-sided"


def _share(of: Interval) -> str:
    return f"{of.value:.1%} [{of.low:.1%}, {of.high:.1%}]"
