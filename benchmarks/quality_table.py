"""The table: every measure with ours, its baseline, floor and target, out of the result files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pointsman.cli.table import table

POOLS = ("mmlu-pro", "zeroeval", "ulab", "bfcl", "alpaca-eval")
Parts = Mapping[str, Any]


class Line(NamedTuple):
    """One measure. `holds`: whether the floor does; `None`: there is no one number for it."""

    measure: str
    ours: str
    baseline: str
    floor: str
    target: str
    holds: bool | None


def shown_table(found: Parts, baselines: Parts, intents: Parts) -> str:
    """Every line for which there are figures."""
    said: list[tuple[str, ...]] = [("measure", "ours", "baseline", "floor", "target", "floor holds")]
    for needs, of in LINES:
        if all(part in found for part in needs):
            said += [(*line[:5], {True: "yes", False: "no", None: ""}[line.holds]) for line in of(found, baselines)]
    for line in _intents(intents):
        said.append((*line[:5], "yes" if line.holds else "no"))
    return table(said)


Lines = Callable[[Parts, Parts], Iterator[Line]]


def _over(part: str, ours: str, other: str, figure: str, floor: float, target: float, what: str) -> Lines:
    def lines(found: Parts, baselines: Parts) -> Iterator[Line]:
        mine, less = found[part]["ours"][ours], found[part]["ours"][ours]["less"][other][figure]
        theirs = baselines[part]["baselines"][other][figure]
        shown = f"{mine[figure][0]:.3f}: {_signed(less)}"
        yield Line(what, shown, f"{other} {theirs[0]:.3f}", f"{floor:+.3f}", f"{target:+.3f}", less[0] >= floor)

    return lines


def _parity(found: Parts, baselines: Parts) -> Iterator[Line]:
    mine, other = found["routerbench"]["ours"]["blend-untagged"], baselines["routerbench"]["baselines"]["tfidf-ridge"]
    held = f"dial set on other folds: {_share(mine['kept_cost_0'])} at {_points(mine['kept_quality_0'])}"
    yield Line(
        "RouterBench, cost at parity, hindsight",
        _share(mine["cp0"]),
        f"tfidf-ridge {_share(other['cp0'])}",
        "82 %",
        "70 %",
        mine["cp0"][0] <= 0.82,
    )
    yield Line("RouterBench, the same without hindsight", held, "", "", "", None)
    yield Line("RouterBench, cost at 1 point below, hindsight", _share(mine["cp1"]), f"tfidf-ridge {_share(other['cp1'])}", "", "", None)


def _pools(found: Parts, _: Parts) -> Iterator[Line]:
    wins, losses = 0, 0
    for part in POOLS:
        mine = found[part]["ours"]["blend"]
        win = mine["kept_cost_0"][2] < 1 and mine["kept_quality_0"][2] >= 0
        loss = mine["over_best"][2] < 0 or mine["over_zero_at_best_cost"][2] < 0
        wins, losses = wins + win, losses + loss
        ours = (
            f"over best single at its cost {_points(mine['over_best'])}, over zero mix {_points(mine['over_zero_at_best_cost'])}; "
            f"keeping its quality {_share(mine['kept_cost_0'])} of its cost at {_points(mine['kept_quality_0'])}"
        )
        yield Line(part, ours, "best single, zero mix", "no loss", "a win", not loss)
    yield Line("realistic pools", f"{wins} wins in cost at equal quality, {losses} losses", "", "0 losses", "4 wins", losses == 0)


def _calibration(found: Parts, baselines: Parts) -> Iterator[Line]:
    mine, other = found["mmlu-1500"]["ours"]["blend-untagged"]["worst_ece"], baselines["mmlu-1500"]["baselines"]["tfidf-ridge"]["worst_ece"]
    yield Line("expected calibration error, worst model", f"{mine:.3f}", f"tfidf-ridge {other:.3f}", ".035", ".025", mine <= 0.035)


def _coverage(found: Parts, _: Parts) -> Iterator[Line]:
    for name, world in found["intervals"]["worlds"].items():
        held = world["coverage"]
        yield Line(f"90 % bounds hold, {name}", f"{held:.1%}", "nominal 90 %", "86 to 94 %", "88 to 92 %", 0.86 <= held <= 0.94)


def _probes(found: Parts, _: Parts) -> Iterator[Line]:
    part = found["probes"]
    for count, floor, target in ((50, 0.010, 0.005), (100, 0.005, 0.002)):
        worst, draw = part["worst_model"][str(count)], part["worst_draw"][str(count)]
        who = max(part["lost"], key=lambda model: part["lost"][model][str(count)]["mean"])
        out = f"left out {part['lost'][who]['left_out']:.4f}"
        shown = f"{worst:.4f} ({who}); worst draw of any {draw:.4f}"
        yield Line(f"new model after {count} probes, AIQ lost", shown, out, f"{floor:.3f}", f"{target:.3f}", worst <= floor)


def _floors(found: Parts, _: Parts) -> Iterator[Line]:
    mine = found["floors"]["limits"]["0.02"]
    shown = f"{mine['weak_share']:.1%} on the weak model, broken in {mine['broken']:.1%}"
    held = mine["weak_share"] >= 0.28 and mine["broken"] <= 0.10
    yield Line("quality floor 2 pt at risk 10 %", shown, f"hindsight {mine['hindsight']:.1%}", "28 %, 10 %", "34 %, 8 %", held)


def _unseen(found: Parts, _: Parts) -> Iterator[Line]:
    for part, worst in found["unseen"]["worst"].items():
        value = worst["over_best"]
        yield Line(
            f"one task left out, {part}", f"{worst['task']}: {_points(value)}", "best single", "-1.0 pt", "-0.3 pt", value[0] >= -0.01
        )


def _noise(found: Parts, _: Parts) -> Iterator[Line]:
    parts = {name: part for name, part in found["noise"].items() if isinstance(part, dict) and "flips" in part}
    for part, mine in parts.items():
        low, high = mine["flips_over_all_95"]
        shown = f"{mine['flips_over_all']:.1%} [{low:.1%}, {high:.1%}]"
        yield Line(f"choices flipped, {part}, over all kinds of noise", shown, "", "10 %", "5 %", mine["flips_over_all"] <= 0.10)
        worst = max(mine["flips"].values())
        shown = ", ".join(f"{kind} {share:.1%}" for kind, share in mine["flips"].items())
        yield Line(f"choices flipped, {part}, by kind", shown, "", "10 %", "5 %", worst <= 0.10)
        worst_search = max(mine["searches"].values(), key=lambda one: one["rise_on_all"])
        rise, (low, high) = worst_search["rise_on_all"], worst_search["rise_on_all_95"]
        searched = mine["under_the_worst_prefix"] - mine["strong_share"]
        shown = f"{100 * rise:+.0f} pt [{100 * low:+.0f}, {100 * high:+.0f}]; on the {mine['searched_on']} searched {100 * searched:+.0f}"
        yield Line(f"strong share under the worst of 1,000 prefixes, {part}", shown, "", "+20 pt", "+5 pt", rise <= 0.20)


def _intents(intents: Parts) -> Iterator[Line]:
    floors = {"clinc150": (0.84, 0.88), "banking77": (0.75, 0.80)}
    by_method = {(row["set"], row["method"]): row for row in intents.get("intents", ())}
    for name, (floor, target) in floors.items():
        mine, other = by_method.get((name, "intents")), by_method.get((name, "centroid"))
        if not mine or not other:
            continue
        shown = f"{mine['accuracy']:.3f} [{mine['low']:.3f}, {mine['high']:.3f}]"
        baseline = f"centroid {other['accuracy']:.3f}"
        yield Line(f"intents, 10 examples each, {name}", shown, baseline, f"{floor:.2f}", f"{target:.2f}", mine["accuracy"] >= floor)
        if name == "clinc150":
            shown = f"{mine['auroc']:.3f} [{mine['auroc_low']:.3f}, {mine['auroc_high']:.3f}]"
            yield Line("out of scope, AUROC", shown, f"centroid {other['auroc']:.3f}", "0.88", "0.92", mine["auroc"] >= 0.88)


def _signed(interval: list[float]) -> str:
    return f"{interval[0]:+.3f} [{interval[1]:+.3f}, {interval[2]:+.3f}]"


def _points(interval: list[float]) -> str:
    return f"{100 * interval[0]:+.1f} pt [{100 * interval[1]:+.1f}, {100 * interval[2]:+.1f}]"


def _share(interval: list[float | None]) -> str:
    value, low, high = ("never" if one is None else f"{one:.0%}" for one in interval)
    return f"{value} [{low}, {high}]"


LINES: tuple[tuple[tuple[str, ...], Lines], ...] = (
    (("mmlu-1500",), _over("mmlu-1500", "blend-untagged", "tfidf-ridge", "apgr", 0.010, 0.035, "MMLU pair, APGR, prompt only")),
    (("mmlu-1500",), _over("mmlu-1500", "blend", "task-table", "apgr", 0.005, 0.025, "MMLU pair, APGR, subject tag given")),
    (("gsm8k",), _over("gsm8k", "blend-untagged", "tfidf-ridge", "apgr", 0.020, 0.060, "GSM8K pair, APGR, prompt only")),
    (("routerbench",), _over("routerbench", "blend-untagged", "tfidf-ridge", "aiq", 0.003, 0.012, "RouterBench, 11 models, AIQ")),
    (("routerbench",), _parity),
    (POOLS, _pools),
    (("mmlu-1500",), _calibration),
    (("intervals",), _coverage),
    (("probes",), _probes),
    (("floors",), _floors),
    (("unseen",), _unseen),
    (("noise",), _noise),
)
