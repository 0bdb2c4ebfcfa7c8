"""The benchmark page's figures, from the result files of `make bench-quality`. `tools/build_docs.py` writes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmarks import quality_table as lines
from tools.build_figures import RESULTS, cascades

TRACKS = {
    "mmlu-1500": "RouteLLM's MMLU pair",
    "mmlu-5000": "RouteLLM's MMLU pair, 5,000 labels",
    "gsm8k": "RouteLLM's GSM8K pair",
    "routerbench": "RouterBench subset",
    "mmlu-pro": "MMLU-Pro, realistic pool",
    "zeroeval": "ZeroEval, realistic pool",
    "ulab": "ulab, realistic pool",
    "bfcl": "BFCL, realistic pool",
    "alpaca-eval": "AlpacaEval, realistic pool",
}


def parts() -> dict[str, Iterator[str]]:
    """The page's generated parts by name."""
    return {
        "short": short(),
        "verdict": verdict(),
        "table": table(),
        "tracks": tracks(),
        "reproduction": reproduction(),
        "tried": tried(),
        "cascades": cascades(),
    }


def short() -> Iterator[str]:
    """Where routing pays and where it does not, in five lines."""
    found, looked = _read("quality"), _read("cascade")["tracks"]
    pools = sorted((name for name in lines.POOLS if name in found), key=lambda name: _kept(found[name], "blend"))
    pays = [name for name in pools if _wins(found[name]["ours"]["blend"])]
    beyond = ", ".join(name for name in pays if _beats_the_coin(found[name])) or "none"
    yield "- **Several models, by the prompt alone: it pays** where different models are good at different requests. The cost that is left:"
    yield f"  {_costs(found, pays, 'blend')}. Beyond what a coin between two models has at that cost: {beyond}."
    pairs = [name for name in ("mmlu-1500", "gsm8k", "routerbench") if name in found]
    yield "- **A weak and a strong model, or one that is best at everything, by the prompt alone: it pays a little**:"
    yield f"  {_costs(found, pairs, 'blend-untagged')}."
    gains = [name for name, one in looked.items() if one["figures"]["kept_cost_0"]["difference"]["high"] < 0]
    yield "- **Looking at the cheap answer first pays most**, every call counted; by the prompt alone, and so:"
    yield f"  {', '.join(f'{name} {_looked(looked[name])}' for name in gains)}."
    none, flat = ([name for name in all_ if name not in some] for all_, some in ((pools, pays), (looked, gains)))
    yield "- **It does not pay** where one model is best and cheap, or where nothing tells beforehand who is right: by the prompt"
    yield f"  {_costs(found, none, 'blend') or 'on none of these pools'}; looking first gains nothing sure on {', '.join(flat) or 'none'}."
    yield "- **What to do then**: name that one model, and keep what needs no routing: gates, budgets, fallbacks, records."
    yield "  `pointsman eval` tells which of these your own outcomes are, `pointsman train quality` whether choosing gains anything."


def _kept(part: Mapping[str, Any], learner: str) -> float:
    share: float = part["ours"][learner]["kept_cost_0"][0]
    return share


def _costs(found: Mapping[str, Any], parts: Sequence[str], learner: str) -> str:
    return ", ".join(f"{name} {_kept(found[name], learner):.0%}" for name in parts)


def _looked(track: Mapping[str, Any]) -> str:
    figure = track["figures"]["kept_cost_0"]
    return f"{figure['predictive']['value']:.0%} and {figure['cascade']['value']:.0%}"


def _wins(one: Mapping[str, Any]) -> bool:
    return bool(one["kept_cost_0"][2] < 1 and one["kept_quality_0"][2] >= 0)


def _beats_the_coin(part: Mapping[str, Any]) -> bool:
    return bool(part["ours"]["blend"]["kept_quality_0"][1] > lines.coin_quality(part, _kept(part, "blend")))


WHY = {
    "MMLU pair": "the prompt does not say more to a learner of this kind",
    "GSM8K pair": "one kind of question, where words and structure tell little of who can solve it. Looking at the cheap answer first "
    "gains several times as much",
    "RouterBench, 11 models": "nearly all that can be known is the data set and the length of the answer; inside a data set texts hardly "
    "tell who is right",
    "RouterBench, cost at parity": "no model of the pool is better than the dearest on any of the three data sets, so little pays for what "
    "is lost elsewhere; one answer in 250 decides over ten points of cost, hence the wide interval",
    "alpaca-eval": "one cheap model is best, and no learner here beats it: the right answer is not to route",
    "90 %": "intervals that hold too often are too wide, which is the safe side; those that hold too seldom are not",
    "new model": "a model that is unlike the others borrows little from their answers",
    "quality floor": "the price of the stated risk: what lies between this and hindsight",
    "noise": "the dial sends half of the queries each way, where most scores stand close together, and prefixes are searched on the "
    "learner itself. The backstop is the cap on premium models and the budget",
    "intents": "intents of one subject, which overlap",
    "a decision": "what is left is many small steps around the compiled loops; where tokens are counted, tiktoken takes half a "
    "millisecond for 2,000",
}
"""Why a measure that begins so was missed, said where it was."""


def verdict() -> Iterator[str]:
    """What holds and what does not, with the reason."""
    found = list(_lines())
    floors = {line.measure: line.holds for line in found if line.holds is not None}
    targets = {line.measure: line.reached for line in found if line.reached is not None}
    for what, each in (("floors hold", floors), ("targets are reached", targets)):
        missed = [measure for measure, well in each.items() if not well]
        yield f"**{len(each) - len(missed)} of {len(each)} {what}.** {'Missed:' if missed else ''}".rstrip()
        yield ""
        for why, (first, *others) in groupby(missed, _why):
            yield f"- {first}{why and ': ' + why}."
            yield from (f"- {other}{why and ': likewise'}." for other in others)
        yield ""


def _why(measure: str) -> str:
    return next((why for begin, why in WHY.items() if measure.startswith(begin)), "")


def table() -> Iterator[str]:
    """Every measure."""
    yield "| measure | ours [95 %] | baseline in the same run [95 %] | floor | | target | |"
    yield "|---|---|---|---|---|---|---|"
    for line in _lines():
        floor = {True: "holds", False: "**MISSED**", None: ""}[line.holds]
        target = {True: "reached", False: "missed", None: ""}[line.reached]
        yield f"| {line.measure} | {line.ours} | {line.baseline} | {line.floor} | {floor} | {line.target} | {target} |"
    found = files()
    others = (f"{name} {part['measured']} in {part['minutes']:g} minutes" for name, part in found["quality"].items() if name not in TRACKS)
    decision = found["learned_decision"]
    yield ""
    yield (
        f"Measured: {'; '.join(others)}; intents {found['intents']['measured'][:10]}; decisions {decision['measured'][:10]} on "
        f"{decision['machine']}, {decision['decisions_a_row']:,} a row. Tracks: below."
    )


def _lines() -> Iterator[lines.Line]:
    return lines.lines_of(files())


def files() -> dict[str, Any]:
    """The result files of the table."""
    return {name: _read(name) for name in lines.FILES}


def tracks() -> Iterator[str]:
    """For each track everything that was measured in its run."""
    found, baselines = _read("quality"), _read("quality-baselines")
    for name, title in TRACKS.items():
        if name in found:
            yield f"### {title}"
            yield ""
            yield _origin(found[name])
            yield ""
            yield from _learners(found[name], baselines[name]["baselines"])
            yield ""
            yield _references(found[name])
            yield ""


def _origin(part: Mapping[str, Any]) -> str:
    protocol = part["protocol"]
    labels = f"{protocol['labels']:,} labels" if protocol["labels"] else "all labels of the other folds"
    seeds = ", ".join(map(str, protocol["seeds"]))
    hashes = f"data `{part['data_sha256'][:12]}`, configuration `{part['config_sha256'][:12]}`"
    return (
        f"{part['queries']:,} queries, {len(part['models'])} models, {labels}, seeds {seeds}, {protocol['draws']:,} draws; {hashes}; "
        f"measured {part['measured']} in {part['minutes']:g} minutes by `{part['command']}`."
    )


def _learners(part: Mapping[str, Any], baselines: Mapping[str, Any]) -> Iterator[str]:
    ours = part["ours"]
    pair, first = len(part["models"]) == 2, next(name for name in ("blend-untagged", "blend") if name in ours)
    figure = "apgr" if pair else "aiq"
    heads = ("APGR [95 %]", "CPT50", "CPT80", "AIQ") if pair else ("AIQ [95 %]", "over the zero mix", "cost at parity by hindsight")
    kept = "dial set on other folds to lose nothing: cost; quality | to lose a point"
    yield f"| learner | {' | '.join(heads)} | {kept} | worst ECE | `{first}` over it |"
    yield "|---|" + "---|" * (len(heads) + 4)
    for name, one in sorted({**baselines, **ours}.items(), key=lambda item: -item[1][figure][0]):
        told = _pair(one) if pair else _pool(one)
        kept = " | ".join(f"{_percent(one[f'kept_cost_{x}'])}; {lines.points(one[f'kept_quality_{x}'])}" for x in (0, 1))
        less = "" if name == first else lines.signed(ours[first]["less"][name][figure])
        shown = f"**`{name}`**" if name in ours else f"`{name}`"
        yield f"| {shown} | {' | '.join(told)} | {kept} | {one['worst_ece']:.3f} | {less} |"


def _pair(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (_interval(one["apgr"]), f"{one['cpt50'][0]:.3f}", f"{one['cpt80'][0]:.3f}", f"{one['aiq'][0]:.3f}")


def _pool(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (_interval(one["aiq"]), lines.signed(one["aiq_over_zero"]), lines.share(one["cp0"]))


def _references(part: Mapping[str, Any]) -> str:
    points = {one["name"]: one for one in part["references"]}
    best, lot, oracle = (points[name] for name in ("best single (chosen in training)", "random", "oracle"))
    apgr = f", APGR {part['oracle_apgr']:.3f}" if "oracle_apgr" in part else ""
    return (
        f"Without a dial: best single model (chosen on training labels) {_point(best)}; a model by lot {_point(lot)}; "
        f"zero mix AIQ {part['zero_aiq']:.3f}; oracle {_point(oracle)}, AIQ {part['oracle_aiq']:.3f}{apgr}."
    )


def _point(one: Mapping[str, Any]) -> str:
    return f"{one['quality']:.3f} at ${1000 * one['cost_usd']:.3f} for 1,000 requests"


def reproduction() -> Iterator[str]:
    """Baselines beside what was stated for them."""
    found = _read("quality-reproduction")
    yield "| line | stated | ours | SD over seeds | apart | tolerance | |"
    yield "|---|---|---|---|---|---|---|"
    for line in found["lines"]:
        within = "within" if line["within"] else "outside: other data" if line["other_data"] else "**OUTSIDE**"
        figures = (
            f"{line['stated']:.4f} | {line['ours']:.4f} | {line['sd_over_seeds']:.4f} | {line['difference']:+.4f} | {line['tolerance']:.4f}"
        )
        yield f"| {line['what']} | {figures} | {within} |"
    yield ""
    whys = dict.fromkeys(line["other_data"] for line in found["lines"] if line["other_data"] and not line["within"])
    yield f"Measured {found['measured']}. Where other data were stated for:"
    yield ""
    yield from (f"- {why}." for why in whys if not any(other.startswith(why) and other != why for other in whys))


def tried() -> Iterator[str]:
    """How many configurations were looked at, and on what."""
    found = _read("quality-tried")
    count = Counter(one["on"] for one in found)
    taken = Counter(one["on"] for one in found if one.get("taken"))
    yield f"{len(found)} entries, each a configuration or a few neighbouring ones:"
    yield ""
    yield "| looked at on | entries | taken |"
    yield "|---|---|---|"
    for where, entries in count.most_common():
        yield f"| {where} | {entries} | {taken[where]} |"


def _interval(one: Sequence[float]) -> str:
    return f"{one[0]:.3f} [{one[1]:.3f}, {one[2]:.3f}]"


def _percent(one: Sequence[float | None]) -> str:
    return "never" if one[0] is None else f"{one[0]:.0%}"


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
