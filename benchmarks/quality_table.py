"""The table: every measure with ours, its baseline, floor and target, out of the result files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from pointsman.cli.table import table
from pointsman.evals import frontier

FILES = ("quality", "quality-baselines", "intents", "learned_decision")
POOLS = ("mmlu-pro", "zeroeval", "ulab", "bfcl", "alpaca-eval")
CONTROLS = ("shuffled-control", "blend-shuffled")
Parts = Mapping[str, Any]


class Line(NamedTuple):
    """One measure. `holds`: whether the floor does, `reached`: whether the target is; `None`: there is no one number for it."""

    measure: str
    ours: str
    baseline: str
    floor: str = ""
    target: str = ""
    holds: bool | None = None
    reached: bool | None = None


def shown_table(files: Mapping[str, Parts]) -> str:
    """Every line for which there are figures, for a terminal."""
    head = ("measure", "ours", "baseline", "floor", "", "target", "")
    words = {True: "reached", False: "missed", None: ""}
    return table([head, *((*line[:4], verdict(line.holds), line.target, words[line.reached]) for line in lines_of(files))])


def verdict(holds: bool | None) -> str:
    """What becomes of a floor."""
    return {True: "holds", False: "MISSED", None: ""}[holds]


def lines_of(files: Mapping[str, Parts]) -> Iterator[Line]:
    """Every line for which there are figures; `files` are the result files by name."""
    found, baselines = {**files["quality"], "intents": files["intents"]}, files["quality-baselines"]
    for needs, lines in LINES:
        if all(part in found for part in needs):
            yield from lines(found, baselines)
    yield from _intents(files["intents"])
    yield from _decision(files["learned_decision"])


Lines = Callable[[Parts, Parts], Iterator[Line]]


def _over(part: str, ours: str, other: str, figure: str, floor: float, target: float, what: str) -> Lines:
    def lines(found: Parts, baselines: Parts) -> Iterator[Line]:
        mine, theirs = found[part]["ours"][ours], baselines[part]["baselines"][other][figure]
        less = mine["less"][other][figure]
        said = f"{_plain(mine[figure])}; over the baseline {signed(less)}"
        yield Line(what, said, f"{other} {_plain(theirs)}", f"{floor:+.3f}", f"{target:+.3f}", less[0] >= floor, less[0] >= target)

    return lines


def _parity(found: Parts, baselines: Parts) -> Iterator[Line]:
    mine, other = found["routerbench"]["ours"]["blend-untagged"], baselines["routerbench"]["baselines"]["tfidf-ridge"]
    parity, what = mine["cp0"][0], "RouterBench, cost at parity with the dearest model, by hindsight"
    yield Line(what, share(mine["cp0"]), f"tfidf-ridge {share(other['cp0'])}", "82 %", "70 %", parity <= 0.82, parity <= 0.70)
    kept, theirs = (f"{share(one['kept_cost_0'])} at {points(one['kept_quality_0'])}" for one in (mine, other))
    yield Line("RouterBench, cost with the dial set on the other folds to lose nothing", kept, f"tfidf-ridge {theirs}")
    yield Line("RouterBench, cost at one point less, by hindsight", share(mine["cp1"]), f"tfidf-ridge {share(other['cp1'])}")


def coin_quality(part: Parts, cost: float) -> float:
    """What the best mix of single models, known in hindsight, has over the best one at a share of that one's cost."""
    best, *_ = part["references"]
    single = [one for one in part["references"] if one["name"].startswith("always")]
    zero = frontier.hull(np.array([one["cost_usd"] for one in single]), np.array([one["quality"] for one in single]))
    return zero.at(cost * best["cost_usd"]) - best["quality"]


def _pools(found: Parts, _: Parts) -> Iterator[Line]:
    wins, beyond, losses = 0, 0, 0
    for part in POOLS:
        mine = found[part]["ours"]["blend"]
        win = mine["kept_cost_0"][2] < 1 and mine["kept_quality_0"][2] >= 0
        loss = mine["over_best"][2] < 0 or mine["over_zero_at_best_cost"][2] < 0
        coin = coin_quality(found[part], mine["kept_cost_0"][0])
        wins, losses, beyond = wins + win, losses + loss, beyond + (win and mine["kept_quality_0"][1] > coin)
        over = f"over best single at its cost {points(mine['over_best'])}, over zero mix {points(mine['over_zero_at_best_cost'])}"
        kept = f"set to keep its quality {share(mine['kept_cost_0'])} of its cost at {points(mine['kept_quality_0'])}"
        base = f"best single {found[part]['references'][0]['quality']:.3f}; zero mix at our cost {100 * coin:+.1f} pt"
        yield Line(f"{part}, realistic pool", f"{over}; {kept}", base, "no loss", "a win", not loss, win)
    said = f"{wins} wins in cost at equal quality, {beyond} of them beyond the zero mix at the same cost; {losses} losses"
    yield Line("the five pools together", said, "", "0 losses", "4 wins", losses == 0, wins >= 4)


def _calibration(found: Parts, baselines: Parts) -> Iterator[Line]:
    mine, other = found["mmlu-1500"]["ours"]["blend-untagged"]["worst_ece"], baselines["mmlu-1500"]["baselines"]["tfidf-ridge"]["worst_ece"]
    what = "expected calibration error, worst model, MMLU, 1,500 labels"
    yield Line(what, f"{mine:.3f} (mean of seeds, no interval)", f"tfidf-ridge {other:.3f}", ".035", ".025", mine <= 0.035, mine <= 0.025)


def _coverage(found: Parts, _: Parts) -> Iterator[Line]:
    for name, world in found["intervals"]["worlds"].items():
        held, each = world["coverage"], world["by_seed"]
        said = f"{held:.1%} [{min(each):.1%}, {max(each):.1%} over {len(each)} worlds]"
        kept = (0.86 <= held <= 0.94, 0.88 <= held <= 0.92)
        yield Line(f"90 % intervals hold the true quality, {name}", said, "nominal 90 %", "86-94 %", "88-92 %", *kept)


def _probes(found: Parts, _: Parts) -> Iterator[Line]:
    part = found["probes"]
    for count, floor, target in ((50, 0.010, 0.005), (100, 0.005, 0.002)):
        worst, draw = part["worst_model"][str(count)], part["worst_draw"][str(count)]
        who = max(part["lost"], key=lambda model: part["lost"][model][str(count)]["mean"])
        drawn = part["lost"][who][str(count)]["draws"]
        said = f"{worst:.4f} [{min(drawn):.4f}, {max(drawn):.4f} over {len(drawn)} draws] ({who}); worst draw of any model {draw:.4f}"
        out = f"left out {part['lost'][who]['left_out']:.4f}"
        yield Line(f"new model after {count} probes, AIQ lost", said, out, f"{floor:.3f}", f"{target:.3f}", worst <= floor, worst <= target)


def _floors(found: Parts, _: Parts) -> Iterator[Line]:
    redraws = found["floors"]["redraws"]
    for limit, mine in found["floors"]["limits"].items():
        weak, broken = mine["weak_share"], mine["broken"]
        low, high = wilson(broken, redraws)
        said = f"{weak:.1%} [SD {mine['weak_share_sd']:.1%}] on the weak model; "
        said += f"of {redraws} redraws {broken:.1%} [{low:.1%}, {high:.1%}] broken"
        line = Line(f"quality floor {100 * float(limit):g} pt at risk 10 %", said, f"by hindsight {mine['hindsight']:.1%}")
        kept = (weak >= 0.28 and broken <= 0.10, weak >= 0.34 and broken <= 0.08)
        yield Line(*line[:3], "28 %, 10 %", "34 %, 8 %", *kept) if limit == "0.02" else line


def wilson(rate: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """A 95 % interval of a rate."""
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def _unseen(found: Parts, _: Parts) -> Iterator[Line]:
    for part, worst in found["unseen"]["worst"].items():
        value = worst["over_best"]
        said = f"{worst['task']}: {points(value)}"
        yield Line(
            f"a task left out, the worst of {part}", said, "best single", "-1.0 pt", "-0.3 pt", value[0] >= -0.01, value[0] >= -0.003
        )


def _noise(found: Parts, _: Parts) -> Iterator[Line]:
    parts = {name: part for name, part in found["noise"].items() if isinstance(part, dict) and "flips" in part}
    for part, mine in parts.items():
        over_all, kinds, (mean, most_of_all, lifted) = (
            mine["flips_over_all"],
            mine["flips"],
            _as_written(found["intents"], part, mine["flips"]),
        )
        said = f"{over_all:.1%} [{mine['flips_over_all_95'][0]:.1%}, {mine['flips_over_all_95'][1]:.1%}]"
        yield Line(f"noise, {part}: choices flipped, all kinds", said, mean, "10 %", "5 %", over_all <= 0.10, over_all <= 0.05)
        worst = max(kinds, key=kinds.__getitem__)
        low, high = mine["flips_95"][worst]
        rest = ", ".join(f"{kind} {flipped:.1%}" for kind, flipped in kinds.items() if kind != worst)
        said = f"{worst} {kinds[worst]:.1%} [{low:.1%}, {high:.1%}]; {rest}"
        yield Line(
            f"noise, {part}: choices flipped, the worst kind", said, most_of_all, "10 %", "5 %", kinds[worst] <= 0.10, kinds[worst] <= 0.05
        )
        for most, one in {"12": mine, **mine.get("longer", {})}.items():
            yield _prefixed(
                f"noise, {part}: strong share under the worst of {one['tries']:,} prefixes of at most {most} words", one, lifted
            )


def _prefixed(what: str, one: Parts, baseline: str) -> Line:
    most = max(one["searches"].values(), key=lambda found: found["rise_on_all"])
    rise, (low, high) = most["rise_on_all"], most["rise_on_all_95"]
    searched = one["under_the_worst_prefix"] - one["strong_share"]
    said = f"{100 * rise:+.0f} pt [{100 * low:+.0f}, {100 * high:+.0f}]; on the {one['searched_on']} searched {100 * searched:+.0f}"
    return Line(what, said, baseline, "+20 pt", "+5 pt", rise <= 0.20, rise <= 0.05)


def _as_written(intents: Parts, part: str, kinds: Mapping[str, float]) -> tuple[str, str, str]:
    """What a linear head on words as they are written does: over all kinds of noise, under the worst, and under a prefix."""
    rows = {row["set"]: row for row in intents.get("noise", ()) if row["method"] == "words as written"}
    row = rows.get(f"routellm_{part.split('-')[0].split(',')[0]}")
    if row is None:
        return "", "", ""
    flipped = [row[kind] for kind in kinds if kind in row]
    lifted = 100 * (row["under_the_worst_prefix"] - row["strong_share"])
    said = fmean(flipped), max(flipped)
    return *(f"words as written, run of intents.py: {one:.1%}" for one in said), f"words as written, run of intents.py: {lifted:+.0f} pt"


_T99 = {2: 63.66, 3: 9.92, 4: 5.84, 5: 4.60}  # Student's t, both sides, by the number of deals


def deals(values: Sequence[float]) -> list[float]:
    """A mean over deals of labels with its 99 % interval: the luck of the deal, which draws of queries do not show."""
    half = _T99[len(values)] * stdev(values) / sqrt(len(values)) if len(values) > 1 else float("inf")
    return [fmean(values), fmean(values) - half, fmean(values) + half]


def _controls(part: str) -> Lines:
    def lines(found: Parts, baselines: Parts) -> Iterator[Line]:
        learned = baselines[part]["baselines"]
        for name in CONTROLS if "coin" in learned else ():
            mine, coin = learned[name]["by_seed"], learned["coin"]["by_seed"]
            gains = {"AIQ over the coin": deals([a - b for a, b in zip(mine["aiq"], coin["aiq"], strict=True)])}
            if "apgr" in mine:
                gains = {"APGR over .5": deals([one - 0.5 for one in mine["apgr"]])} | gains
            kept = zip(mine["kept_quality_0"], mine["kept_cost_0"], strict=True)
            gains["dial set on the other folds, over the zero mix"] = deals([q - coin_quality(found[part], c) for q, c in kept])
            said = "; ".join(f"{what} {signed(gain, 4)}" for what, gain in gains.items())
            held = all(low <= 0 for _, low, _ in gains.values()) if len(mine["aiq"]) > 1 else None
            yield Line(f"labels dealt to the wrong queries, {part}, {name}", said, "coin, zero mix", "gains nothing", "", held)

    return lines


def _intents(intents: Parts) -> Iterator[Line]:
    by_method = {(row["set"], row["method"]): row for row in intents.get("intents", ())}
    wanted = (("clinc150", "accuracy", 0.84, 0.88), ("banking77", "accuracy", 0.75, 0.80), ("clinc150", "auroc", 0.88, 0.92))
    for name, figure, floor, target in wanted:
        if (name, "intents") not in by_method:
            continue
        bounds = ("low", "high") if figure == "accuracy" else ("auroc_low", "auroc_high")
        mine, other = ([by_method[name, method][word] for word in (figure, *bounds)] for method in ("intents", "centroid"))
        what = f"intents, ten examples each, {name}" if figure == "accuracy" else f"out of scope, AUROC, {name}"
        limits = (f"{floor:.2f}", f"{target:.2f}", mine[0] >= floor, mine[0] >= target)
        yield Line(what, _plain(mine), f"centroid {_plain(other)}", *limits)


def _decision(found: Parts) -> Iterator[Line]:
    times = found.get("times", {}).get("2,000 tokens", {})
    for name in ("all", "all, tokens counted"):
        if name not in times:
            continue
        mine, bare, added = times[name], times["nothing learned"], found["memory_added_mb"][name]
        figures = (mine["cpu_p50_ms"], mine["cpu_p99_ms"], added)
        clock = f"by the clock {mine['wall_p50_ms']:.2f}, {mine['wall_p99_ms']:.2f}"
        said = f"p50 {figures[0]:.2f}, p99 {figures[1]:.2f} ms of CPU ({clock}); {added:.0f} MB"
        base = f"nothing learned: {bare['cpu_p50_ms']:.2f}, {bare['cpu_p99_ms']:.2f} ms"
        kept = tuple(all(a <= b for a, b in zip(figures, limits, strict=True)) for limits in ((1, 5, 200), (0.5, 2, 120)))
        yield Line(f"a decision, 50 models, 2,000 tokens: {name}", said, base, "1, 5 ms; 200 MB", "0.5, 2 ms; 120 MB", *kept)


def _plain(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} [{interval[1]:.3f}, {interval[2]:.3f}]"


def signed(interval: Sequence[float], digits: int = 3) -> str:
    """A difference with its interval."""
    value, low, high = (f"{round(one, digits) + 0.0:+.{digits}f}" for one in interval)
    return f"{value} [{low}, {high}]"


def points(interval: Sequence[float]) -> str:
    """A difference in percentage points."""
    value, low, high = (f"{round(100 * one, 1) + 0.0:+.1f}" for one in interval)
    return f"{value} pt [{low}, {high}]"


def share(interval: Sequence[float | None]) -> str:
    """A share with its interval; a cost that is never enough has none."""
    value, low, high = ("never" if one is None else f"{one:.0%}" for one in interval)
    return f"{value} [{low}, {high}]"


CONTROL_LINES = {part: _controls(part) for part in ("mmlu-1500", "gsm8k", "routerbench")}
LINES: tuple[tuple[tuple[str, ...], Lines], ...] = (
    (("mmlu-1500",), _over("mmlu-1500", "blend-untagged", "tfidf-ridge", "apgr", 0.010, 0.035, "MMLU pair, APGR, prompt only")),
    (("mmlu-1500",), _over("mmlu-1500", "blend", "task-table", "apgr", 0.005, 0.025, "MMLU pair, APGR, subject tag given")),
    (("gsm8k",), _over("gsm8k", "blend-untagged", "tfidf-ridge", "apgr", 0.020, 0.060, "GSM8K pair, APGR, prompt only")),
    (
        ("routerbench",),
        _over("routerbench", "blend-untagged", "tfidf-ridge", "aiq", 0.003, 0.012, "RouterBench, 11 models, AIQ, prompt only"),
    ),
    (("routerbench",), _parity),
    (POOLS, _pools),
    (("mmlu-1500",), _calibration),
    (("intervals",), _coverage),
    (("probes",), _probes),
    (("floors",), _floors),
    (("unseen",), _unseen),
    (("noise",), _noise),
    *(((part,), lines) for part, lines in CONTROL_LINES.items()),
)
