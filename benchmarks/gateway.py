"""What a gateway adds between a client and a model server: ours beside its peers and a reverse proxy, in one run.

    python benchmarks/gateway.py                  # three rounds over all; writes results/gateway.json
    python benchmarks/gateway.py --quick          # one short round: does everything work?
    python benchmarks/gateway.py --only pointsman nginx
    python benchmarks/gateway.py --profile        # where our own time goes; writes results/profile.json

Two cores: one for the gateway with a single worker, one for the load generator and the model server. The model server answers at once, so
everything measured is the gateway's. Ours does for each request what it always does: key, decision over 20 candidates, clearance, records
on disk, fallbacks armed. Peers run without keys and logs. Peers are installed by pip and npm at the first run, nginx is taken from PATH;
what cannot be had is left out, and said. Ratios hold on another machine; the figures do not.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateways.contenders import CONTENDERS, Gateway
from gateways.environments import Environments, Missing
from gateways.hot_spots import hot_spots
from gateways.machine import MEASURED, ahead_of_others, described
from gateways.steps import CONNECTIONS, Bench, Seconds

RESULTS = Path(__file__).parent / "results" / "gateway.json"
PROFILE = RESULTS.with_name("profile.json")

FIGURES = {
    "per_s": "req/s",
    "saturated_p99_ms": "p99 ms",
    "cpu_us": "CPU us",
    "serial_added_p50_us": "added us",
    "serial_added_p99_us": "p99",
    "at_50_added_p50_us": "at 50/s",
    "at_50_added_p99_us": "p99",
    "large_per_s": "100 kB/s",
    "large_added_p50_us": "added",
    "first_byte_added_p50_us": "first byte",
    "chunk_added_p50_us": "chunk",
    "chunk_added_p99_us": "p99",
    "pss_idle_mib": "MiB idle",
    "pss_after_mib": "after",
    "start_s": "start s",
}
"""What is measured, in the table's order, and its heading there."""

_MORE_IS_BETTER = ("per_s", "large_per_s")


@dataclass(frozen=True, slots=True)
class Bound:
    """What ours is to reach: at least so many times better than a peer, or at most so much where there is none to compare with."""

    figure: str
    limit: float
    against: str = ""


BOUNDS = (
    Bound("per_s", 40, "litellm"),
    Bound("per_s", 5, "portkey"),
    Bound("at_50_added_p50_us", 10, "litellm"),
    *(Bound(figure, 1, peer) for peer in ("tensorzero", "smg") for figure in ("per_s", "large_per_s", "serial_added_p50_us")),
    Bound("per_s", 0.27, "nginx"),
    Bound("chunk_added_p99_us", 300),
    Bound("first_byte_added_p50_us", 1000),
    Bound("pss_after_mib", 100),
    Bound("start_s", 1.5),
)


def main() -> None:
    """Run from the command line."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    if MEASURED < 0:
        raise SystemExit("two cores are needed: one for the gateway, one to measure it")
    began = time.monotonic()
    environments = Environments(given.envs.expanduser(), given.upgrade)
    environments.folder.mkdir(parents=True, exist_ok=True)
    gateways, missing = _contenders(["pointsman"] if given.profile else given.only, environments)
    with _bench(environments.folder, given) as bench:
        if given.profile:
            _profile(bench, gateways["pointsman"], environments)
            return
        rounds = list(_rounds(bench, gateways, 1 if given.quick else given.rounds))
        report = _report(bench, gateways, missing, rounds)
    _show(report)
    out = given.out or (None if given.quick or given.only else RESULTS)
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"took {time.monotonic() - began:.0f} s")


def _profile(bench: Bench, gateway: Gateway, environments: Environments) -> None:
    """Show where our own time goes, and write it down."""
    tables, missing = hot_spots(bench, gateway, environments)
    for title, rows in tables.items():
        print(f"\n{'share':>6}  {title}")
        print("\n".join(f"{share:>6.1%}  {name}" for name, share in rows))
    for tool, why in missing.items():
        print(f"\n{tool} is left out: {why}")
    found = {"measured": datetime.now(UTC).date().isoformat(), "machine": described(), "tables": tables, "left_out": missing}
    PROFILE.write_text(json.dumps(found, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured; medians are shown (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short round; writes nothing unless --out says where")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="NAME", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--profile", action="store_true", help="find out where our own time goes, and measure nothing")
    parser.add_argument("--plain", action="store_true", help="ordinary scheduling, for a quiet machine; default: real-time where allowed")
    parser.add_argument(
        "--envs", type=Path, default=Path("~/.cache/pointsman-bench"), help="where peers are installed (default: %(default)s)"
    )
    parser.add_argument("--upgrade", action="store_true", help="install the peers' newest releases over those that are there")
    parser.add_argument("--out", type=Path, help="where results go (default: results/gateway.json, for a full run)")
    return parser.parse_args()


@contextmanager
def _bench(folder: Path, given: argparse.Namespace) -> Iterator[Bench]:
    """Ready to measure; what it wrote is gone afterwards. On the disk of `folder`: where syncing costs nothing, `power` would, too."""
    seconds = Seconds().quick() if given.quick else Seconds()
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ahead_of_others(not given.plain) as real_time:
        if not real_time and not given.plain:
            print("note: real-time scheduling is not allowed here, so other work on the machine shows in the figures")
        bench = Bench(Path(scratch), seconds, real_time)
        try:
            yield bench
        finally:
            bench.close()


def _contenders(only: Sequence[str] | None, environments: Environments) -> tuple[dict[str, Gateway], dict[str, str]]:
    """Those that can be measured, and why the others cannot."""
    found, missing = {}, {}
    for name, prepare in CONTENDERS.items():
        if only and name not in only:
            continue
        try:
            found[name] = prepare(environments)
        except Missing as why:
            missing[name] = str(why)
            print(f"{name} is left out: {why}")
    return found, missing


def _rounds(bench: Bench, gateways: Mapping[str, Gateway], number: int) -> Iterator[dict[str, dict[str, float]]]:
    """The figures of each round, by gateway. One that fails is told and left out."""
    for at in range(number):
        order = list(gateways)
        random.Random(at).shuffle(order)
        figures = {"direct": bench.direct()}
        for name in order:
            try:
                figures[name] = bench.measure(gateways[name])
                said = f"{figures[name]['per_s']:,.0f} req/s, {figures[name]['others_cores']:.2f} cores busy with other work"
            except RuntimeError as error:
                said = f"failed: {error}"
            print(f"round {at + 1} of {number}: {name}: {said}", flush=True)
        yield figures


def _report(
    bench: Bench, gateways: Mapping[str, Gateway], missing: Mapping[str, str], rounds: Sequence[Mapping[str, Mapping[str, float]]]
) -> dict[str, Any]:
    """Everything that was found, as it is written."""
    every = {name: [figures[name] for figures in rounds if name in figures] for name in ("direct", *gateways)}
    medians = {name: _medians(found) for name, found in every.items() if found}
    ours = medians.get("pointsman", {})
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": {**described(), "scheduling": "real-time" if bench.real_time else "ordinary"},
        "versions": {name: gateway.version for name, gateway in gateways.items()},
        "left_out": {**missing, **{name: "failed in every round" for name, found in every.items() if not found}},
        "connections": CONNECTIONS,
        "medians": medians,
        "ratios": {name: _ratios(ours, theirs) for name, theirs in medians.items() if name not in ("pointsman", "direct")},
        "bounds": [_outcome(bound, medians) for bound in BOUNDS],
        "rounds": rounds,
    }


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {figure: round(statistics.median(of[figure] for of in rounds), 2) for figure in rounds[0]}


def _ratios(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, float]:
    """How many times better ours is: above 1 is in favour of ours."""
    return {figure: found for figure in FIGURES if (found := _ratio(figure, ours, theirs)) is not None}


def _ratio(figure: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> float | None:
    if figure not in ours or figure not in theirs:
        return None
    better, worse = (ours, theirs) if figure in _MORE_IS_BETTER else (theirs, ours)
    return float(f"{better[figure] / worse[figure]:.3g}") if better[figure] > 0 and worse[figure] > 0 else None


def _outcome(bound: Bound, medians: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    """Whether a bound is kept; `None` where it could not be measured."""
    ours, theirs = medians.get("pointsman", {}), medians.get(bound.against, {})
    found = _ratio(bound.figure, ours, theirs) if bound.against else ours.get(bound.figure)
    kept = None if found is None else found >= bound.limit if bound.against else found <= bound.limit
    return {"figure": bound.figure, "against": bound.against, "limit": bound.limit, "found": found, "kept": kept}


def _show(report: Mapping[str, Any]) -> None:
    """Print the tables."""
    _table("medians; `added` is over the same request sent directly", report["medians"])
    _table("how many times better ours is", report["ratios"])
    print()
    for bound in report["bounds"]:
        if bound["kept"] is not None:
            wanted = (
                f"at least {bound['limit']:g} times better than {bound['against']}" if bound["against"] else f"at most {bound['limit']:,}"
            )
            print(f"{'kept  ' if bound['kept'] else 'MISSED'}  {bound['figure']:24} {bound['found']:>10,}  {wanted}")


def _table(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title}\n{'':16}" + "".join(f"{heading:>11}" for heading in FIGURES.values()))
    for name, figures in rows.items():
        print(f"{name:16}" + "".join(f"{_cell(figures.get(figure)):>11}" for figure in FIGURES))


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    try:
        main()
    except Missing as why:
        raise SystemExit(f"nothing can be measured: {why}") from None
