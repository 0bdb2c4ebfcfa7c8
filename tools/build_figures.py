"""The parts of the manual that are figures: from the benchmarks' result files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
_FIGURES = {
    "per_s": "requests a second",
    "large_per_s": "100 kB bodies a second",
    "serial_added_p50_us": "added back to back, p50",
    "at_50_added_p50_us": "added at 50/s, p50",
    "chunk_added_p99_us": "added to a chunk of a stream, p99, µs",
    "first_byte_added_p50_us": "added to a stream's first byte, p50, µs",
    "pss_after_mib": "memory after load, MiB",
    "start_s": "start to the first answer, s",
}
_MOST = 12


def bounds() -> Iterator[str]:
    """Each bound that the benchmark sets, and what was found."""
    found = _read("gateway")
    yield "| figure | wanted | found | |"
    yield "|---|---|---|---|"
    for bound in found["bounds"]:
        against = bound["against"]
        wanted = _wanted(bound["limit"], against) if against else f"at most {bound['limit']:,}"
        got = "not measured" if bound["found"] is None else _times(bound["found"]) if against else f"{bound['found']:,}"
        kept = {True: "kept", False: "**missed**", None: ""}[bound["kept"]]
        yield f"| {_FIGURES[bound['figure']]} | {wanted} | {got} | {kept} |"
    yield ""
    machine, rounds = found["machine"], len(found["rounds"])
    on = f"{machine['cores']} cores ({machine['processor']}, Python {machine['python']})"
    yield f"Measured {found['measured']} on {on}; medians of {rounds} round{'s' if rounds > 1 else ''}."


def _wanted(limit: float, against: str) -> str:
    if limit < 1:
        return f"at most {_times(limit)} than {against}"
    return f"no slower than {against}" if limit == 1 else f"{_times(limit)} than {against}"


def _times(ratio: float) -> str:
    """How ours compares with a peer's.

    >>> _times(22.4), _times(0.512)
    ('22.4 times better', '1.95 times slower')
    """
    return f"{ratio:,g} times better" if ratio >= 1 else f"{1 / ratio:,.3g} times slower"


def profile() -> Iterator[str]:
    """Where our own time goes, by package and by function."""
    found = _read("profile")
    tables = found["tables"]
    yield "| package | share | | function itself | share |"
    yield "|---|---|---|---|---|"
    rows = [tables.get(name, [])[:_MOST] for name in ("package", "function")]
    for at in range(max(map(len, rows))):
        yield f"| {_cell(rows[0], at)} | | {_cell(rows[1], at)} |"
    yield ""
    if libraries := tables.get("library"):
        yield "By library: " + ", ".join(f"{name} {share:.0%}" for name, share in libraries if share >= 0.01) + "."
    yield f"Measured {found['measured']}."


_OVERLOAD = {
    "capacity_per_s": ("before: requests a second", "{:,.0f}"),
    "unloaded_p50_ms": ("before: p50, ms", "{:.0f}"),
    "unloaded_p99_ms": ("before: p99, ms", "{:.0f}"),
    "goodput_per_s": ("answered a second", "{:,.0f}"),
    "accepted_p50_ms": ("p50 of what is answered, ms", "{:.0f}"),
    "accepted_p99_ms": ("p99 of what is answered, ms", "{:.0f}"),
    "refused_share": ("refused, with `retry-after`", "{:.0%}"),
    "refused_p50_ms": ("p50 of a refusal, ms", "{:.0f}"),
    "failed": ("neither answered nor refused", "{:,.0f}"),
    "unsent": ("`unsent`", "{:,.0f}"),
    "livez_p50_ms": ("`/livez`, p50, ms", "{:.0f}"),
    "capacity_after_per_s": ("afterwards: requests a second", "{:,.0f}"),
}


def overload() -> Iterator[str]:
    """Four times what one worker can take."""
    found = _read("overload")
    medians = found["medians"]
    yield f"| | {' | '.join(medians)} | wanted |"
    yield "|---|" + "---|" * (len(medians) + 1)
    for bound in found["bounds"]:
        got = (f"{bound[of]['found']:.3g}{'' if bound[of]['kept'] else ', **missed**'}" for of in medians)
        yield f"| {bound['bound']} | {' | '.join(got)} | {bound['wanted']} |"
    for name, (title, shown) in _OVERLOAD.items():
        yield f"| {title} | {' | '.join(shown.format(medians[of][name]) for of in medians)} | |"
    yield ""
    others = max(medians[of]["others_cores"] for of in medians)
    rounds = len(found["rounds"]["shedding"])
    yield (
        f"Measured {found['measured']}: {found['seconds']:g} s each, medians of {rounds} round{'s' if rounds > 1 else ''},"
        f" while other work kept up to {others:.1f} cores busy."
    )


def transports() -> Iterator[str]:
    """What one call upstream costs, by client."""
    found = _read("transports")
    yield "| client | one call after the other | 32 in flight |"
    yield "|---|---|---|"
    for name, row in found["clients"].items():
        yield f"| {name} {row['version']} | {row['cpu_us_1']:.0f} µs | {row['cpu_us_32']:.0f} µs |"
    yield ""
    yield f"CPU of the calling process, medians of {found['rounds']} rounds, {found['measured']}."


def learned_decision() -> Iterator[str]:
    """What a decision costs with all that is learned in it."""
    found = _read("learned_decision")
    texts = [name for name in ("2,000 tokens", "2,000 tokens, not all ASCII", "7 words") if name in found["times"]]
    yield f"| in the decision | {' | '.join(f'{text}: p10, p50, p99' for text in texts)} | memory added |"
    yield "|---|" + "---|" * (len(texts) + 1)
    for name in found["times"][texts[0]]:
        times = [found["times"][text][name] for text in texts]
        shown = (", ".join(f"{each[f'cpu_{part}_ms']:.2f}" for part in ("p10", "p50", "p99")) for each in times)
        added = found["memory_added_mb"].get(name)
        yield f"| {name} | {' | '.join(shown)} | {'' if not added else f'{added:.0f} MB'} |"
    yield ""
    yield f"Milliseconds of processor time; {found['machine']}."


_LOOKED = {
    "apgr": ("APGR", 3),
    "cpt50": ("CPT50", 3),
    "cpt80": ("CPT80", 3),
    "aiq": ("AIQ", 4),
    "cp0": ("cost at best single's quality", 3),
    "cp98": ("cost at 98 % of it", 3),
    "kept_cost_0": ("cost, knob set on other folds", 3),
    "kept_quality_0": ("quality lost or won at that", 3),
}


def cascades() -> Iterator[str]:
    """What looking at answers gains over routing by the prompt."""
    yield "| track | figure | prompt only | cascade | difference |"
    yield "|---|---|---|---|---|"
    for track, found in _read("cascade")["tracks"].items():
        seeds = len(found["seeds"])
        for name, (title, digits) in _LOOKED.items():
            if name not in found["figures"] or (name == "aiq" and "apgr" in found["figures"]):
                continue
            figure = found["figures"][name]
            both = " | ".join(f"{figure[who]['value']:.{digits}f}" for who in ("predictive", "cascade"))
            yield f"| {track}, {seeds} seeds | {title} | {both} | {_interval(figure['difference'], digits)} |"


def _interval(one: Any, digits: int) -> str:
    return f"{one['value']:+.{digits}f} [{one['low']:+.{digits}f}, {one['high']:+.{digits}f}]"


def _cell(rows: list[Any], at: int) -> str:
    return f"`{rows[at][0]}` | {rows[at][1]:.1%}" if at < len(rows) else " | "


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
