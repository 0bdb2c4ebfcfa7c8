"""The README's figures, from the benchmarks' result files, and its example, from a real run.

`tools/build_docs.py` writes it together with the rest of the manual.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pointsman.build.snapshot import snapshot_body, snapshot_of
from pointsman.build.world import signal_settings
from pointsman.catalogue.prices import load as load_catalogue
from pointsman.cli.explain import describe
from pointsman.config.defaults import default_config
from pointsman.core.decide import decide
from pointsman.core.request import Caller
from pointsman.signals.extract import extract
from pointsman.wire.explanation import explanation
from pointsman.wire.request import parse_request

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
QUESTION = b'{"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}'


def readme_text() -> str:
    """README.md as it should be."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = {"example": example(), "arms": arms(_results("local_arms")), "speed": speed(_results("decide"), _results("log"))}
    parts["gateway"] = gateway(_results("gateway"))
    parts["governed"] = governed(_results("labels"), _results("budgets"), _results("intents"))
    for name, body in parts.items():
        place = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = place.subn(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
        if found != 1:
            raise SystemExit(f"README.md: the place `<!-- {name}: … -->` stands there {found} times, not once")
    return text


def example() -> str:
    """What `pointsman explain` says of the first request, on the built-in pool without a key."""
    catalogue = load_catalogue()
    config, _ = default_config({})
    snapshot = snapshot_of(snapshot_body(config, catalogue, catalogue.as_of))
    request = parse_request(QUESTION, "dec_01a200d4…", Caller(key="command-line"), {})
    route = snapshot.route(request.model)
    assert route is not None
    decision = decide(request, extract(request, signal_settings(config, snapshot)), snapshot, route, seed=0)
    return f"```\n{describe(explanation(decision, snapshot))}\n```"


def arms(found: Any) -> str:
    """The two arms of the local model, beside what a choice between them is to be compared with."""
    questions = found["arms"]["local-fast"]["all"]["questions"]
    rows = [f"| | right of {questions} questions (95 %) | a short answer, p50 | CPU a request |", "|---|---|---|---|"]
    for name, by_task in found["arms"].items():
        all_ = by_task["all"]
        rows.append(f"| `{name}` | {_share(all_)} | {all_['total_p50_ms'] / 1000:.1f} s | {all_['cpu_s_per_request']:.1f} s |")
    rows.append(f"| baseline: an arm at random | {_share(found['baselines']['random_arm'])} | | |")
    rows.append(f"| bound: whichever arm is right (oracle) | {_share(found['baselines']['oracle_arm'])} | | |")
    cores = found["machine"]["cores"]
    said = f"Measured {found['date']} on {cores} cores by `benchmarks/local_arms.py`: short, easy questions of our own, checked by program."
    return "\n".join([*rows, "", said])


def speed(decided: Any, logged: Any) -> str:
    """What a decision and its record cost, beside the bare work."""
    rows = ["| what | ours | baseline in the same run | ratio |", "|---|---|---|---|"]
    for row in decided["rows"]:
        what = f"one decision, {row['candidates']} candidates, every reason and term kept"
        rows.append(f"| {what} | {row['decide']:.0f} µs | {row['bare']:.0f} µs: a bare loop over the same numbers | {row['ratio']:.0f} |")
    rate = {name: found["per_s"] for name, found in logged["results"].items()}
    bare, hashing = "baseline: bare insert a row, synchronous=", "baseline: sha256 of the chain alone"
    for what, ours, base, named in (
        (
            "records a second, durability `crash`, hash chain included",
            "crash, 64 callers",
            f"{bare}NORMAL",
            "bare SQLite inserts, one a commit",
        ),
        ("records a second, durability `power`", "power, 64 callers", f"{bare}FULL", "the same, with a sync each"),
        ("records verified a second (`pointsman audit verify`)", "verify", hashing, "SHA-256 alone"),
    ):
        rows.append(f"| {what} | {rate[ours]:,.0f} | {rate[base]:,.0f}: {named} | {rate[ours] / rate[base]:.1f} |")
    imports = ", ".join(f"`{module}` {ms:.0f} ms" for module, ms in decided["import_ms"].items())
    return "\n".join([*rows, "", f"Import time: {imports}."])


_FIGURES = {
    "requests a second": ("per_s", 0),
    "added, back to back, p50 µs": ("serial_added_p50_us", 0),
    "added at 50/s, p50 µs": ("at_50_added_p50_us", 0),
    "100 kB bodies a second": ("large_per_s", 0),
    "first byte added, µs": ("first_byte_added_p50_us", 0),
    "chunk added p99, µs": ("chunk_added_p99_us", 0),
    "MiB": ("pss_after_mib", 0),
    "start, s": ("start_s", 2),
}


_BOUNDS = "docs/performance.md#the-bounds-and-which-are-missed"


def gateway(found: Any) -> str:
    """What the whole way through the gateway costs, beside peers and a reverse proxy."""
    rows = [f"| one worker on one core | {' | '.join(_FIGURES)} |", "|---" * (len(_FIGURES) + 1) + "|"]
    for name, figures in found["medians"].items():
        if name != "direct":
            shown = (f"{figures[figure]:,.{digits}f}" for figure, digits in _FIGURES.values())
            rows.append(f"| {name} {found['versions'][name]} | {' | '.join(shown)} |")
    said = (
        f"Measured {found['measured']} on {found['machine']['cores']} cores by `benchmarks/gateway.py`: each request authenticated, "
        "decided over 20 candidates and recorded on disk, twice; peers run without keys and logs, nginx only passes on."
    )
    missed = [bound for bound in found["bounds"] if not bound["kept"]]
    behind = f"Of {len(found['bounds'])} goals that the benchmark sets, {len(missed)} are missed: [which]({_BOUNDS})." if missed else ""
    return "\n".join([*rows, "", f"{said} {behind}".rstrip()])


def governed(labels: Any, budgets: Any, intents: Any) -> str:
    """What detectors find, what budgets let through, what intents recognise, each beside what it is to be compared with."""
    shares = budgets["share_of_the_limit"]
    after, flat, ours = (shares[name] for name in ("charged after the answer", "a flat estimate", "ours"))
    by = {(row["set"], row["method"]): row for row in intents["intents"]}
    rows = ["| what | ours (95 %) | beside it |", "|---|---|---|", *detected(labels)]
    seeds = shares["seeds"]
    rows.append(
        f"| runs of {seeds} in which a hard budget was overspent | {ours['seeds_overspent']} | charged after the answer: "
        f"{after['seeds_overspent']}; a flat estimate: {flat['seeds_overspent']} |"
    )
    for name, classes in (("clinc150", 150), ("banking77", 77)):
        mine, centroid, tfidf = by[name, "intents"], by[name, "centroid"], by[name, "tfidf"]
        rows.append(
            f"| intents right, {classes} from ten examples each ({name}) | {mine['accuracy']:.3f} ({mine['low']:.3f}–{mine['high']:.3f}) | "
            f"nearest centroid {centroid['accuracy']:.3f}, TF-IDF and logistic regression {tfidf['accuracy']:.3f} |"
        )
    return "\n".join(rows)


_GOALS = {"plain": ".98", "normalisable": ".95", "encoded": ".80"}


def detected(labels: Any) -> Iterator[str]:
    """What detectors find and what masking leaves, beside the same patterns without what is built around them."""
    for part, name, said in (
        ("recall", "plain", "sensitive values found, plain"),
        ("recall", "normalisable", "sensitive values found, disguised: spaced, full width, homoglyphs, zero width"),
        ("recall", "encoded", "sensitive values found, encoded: base64, hex, …"),
        ("leak free", "followed", "values of which masking leaves no letter, with words after them"),
    ):
        goal = f"; goal of at least {_GOALS[name]}" if name in _GOALS else ""
        yield f"| {said} | {_rate(labels['seeded'][part][name])} | {_beside(labels, part, name)}{goal} |"
    false = {name: found["false positives"] for name, found in labels["baselines"].items()}
    others = "; ".join(f"{name} {_rate(counted)}" for name, counted in false.items())
    yield f"| harmless texts marked | {_rate(labels['seeded']['false positives'])} | {others}; goal of at most .010 |"


def _beside(labels: Any, part: str, name: str) -> str:
    return "; ".join(f"{baseline} {_rate(found[part][name])}" for baseline, found in labels["baselines"].items())


def _rate(counted: Any) -> str:
    low, high = counted["interval"]
    return f"{counted['rate']:.3f} ({low:.3f}–{high:.3f})"


def _share(counted: Any) -> str:
    low, high = counted["wilson_95"]
    return f"{counted['right'] / counted['questions']:.2f} ({low:.2f}–{high:.2f})"


def _results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
