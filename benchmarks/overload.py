"""Four times what one worker can take: how much of it is answered, how soon, and whether health is told meanwhile.

    python benchmarks/overload.py                 # some two minutes; writes results/overload.json
    python benchmarks/overload.py --quick         # a few seconds each: does everything work?

As in gateway.py: one worker on a core of its own, load generator and a model server that answers at once on the other. First a closed loop
of 32 clients finds what the worker can take, and how long its answers take then. Then an open loop sends four times as much, whatever is
answered or not, while another asks for /livez; the first two seconds do not count. Once as it ships, and once without shedding, when only
`server.max_concurrent` refuses. The clients do what they should not: told to come again in a second, they come at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateways.contenders import Gateway, Launch, Place, ours
from gateways.environments import Environments, Missing
from gateways.machine import MEASURED, MEASURING, Process, ahead_of_others, busy_s, described, pinned
from gateways.steps import CONNECTIONS, Bench, Seconds

RESULTS = Path(__file__).parent / "results" / "overload.json"
TIMES, LIVE_PER_S, WARM_S = 4.0, 50, 2.0
_WITHOUT = "from pointsman.server.admission import Admission; Admission.admits = lambda self: True; "
_RUN = "import sys; from pointsman.__main__ import main; sys.argv[0] = 'pointsman'; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found of one gateway. Times are a client's, in milliseconds."""

    capacity_per_s: float
    unloaded_p50_ms: float  #: with as many clients as make it busy, each of which waits for its answer
    unloaded_p99_ms: float
    offered_per_s: float
    goodput_per_s: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    refused_share: float  #: of what was sent: by status 429 that says when to come again
    refused_p50_ms: float
    failed: int  #: neither answered nor refused so
    unsent: int  #: while 1,500 were unanswered
    livez_p50_ms: float
    livez_p99_ms: float
    livez_failed: int
    memory_growth_mb: float
    capacity_after_per_s: float
    others_cores: float  #: busy with other work meanwhile


BOUNDS = {
    "answered, as a share of what it can take": ("at least", 0.8, lambda found: found.goodput_per_s / found.capacity_per_s),
    "p99 of what is accepted, over that of before": ("at most", 2.0, lambda found: found.accepted_p99_ms / found.unloaded_p99_ms),
    "`/livez`, p99 in ms": ("at most", 100.0, lambda found: found.livez_p99_ms),
    "memory growth, MB": ("at most", 100.0, lambda found: found.memory_growth_mb),
}


def main() -> None:
    """Run from the command line."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    if MEASURED < 0:
        raise SystemExit("two cores are needed: one for the gateway, one to measure it")
    shedding = ours("crash", Environments(given.envs.expanduser(), upgrade=False))
    gateways = {
        "shedding": shedding,
        "not shedding": replace(shedding, name="not shedding", launch=lambda place: _without(shedding, place)),
    }
    seconds, rounds = (4.0, 1) if given.quick else (given.seconds, given.rounds)
    given.envs.expanduser().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.envs.expanduser()) as scratch, ahead_of_others(not given.plain) as real_time:
        found = _measured(Path(scratch), gateways, seconds, rounds, real_time)
    report = _report(found, seconds, real_time)
    _show(report)
    out = given.out or (None if given.quick else RESULTS)
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each overload lasts (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; medians are shown (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short round; writes nothing unless --out says where")
    parser.add_argument("--plain", action="store_true", help="ordinary scheduling, for a quiet machine; default: real-time where allowed")
    parser.add_argument("--envs", type=Path, default=Path("~/.cache/pointsman-bench"), help="where to work (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="where results go (default: results/overload.json)")
    return parser.parse_args()


def _without(gateway: Gateway, place: Place) -> Launch:
    """The same gateway, with its rule for overload taken out."""
    launch = gateway.launch(place)
    _, _, _, *arguments = launch.command  # python -m pointsman
    return replace(launch, command=[sys.executable, "-c", _WITHOUT + _RUN, *arguments])


def _measured(folder: Path, gateways: Mapping[str, Gateway], seconds: float, rounds: int, real_time: bool) -> dict[str, list[Figures]]:
    bench = _Bench(folder, seconds, real_time)
    found: dict[str, list[Figures]] = {name: [] for name in gateways}
    try:
        for at in range(rounds):
            for name, gateway in gateways.items():
                figures = bench.overload(gateway)
                found[name].append(figures)
                share, capacity = figures.goodput_per_s / figures.capacity_per_s, figures.capacity_per_s
                print(f"round {at + 1} of {rounds}: {name}: {share:.0%} of {capacity:,.0f}/s", flush=True)
    finally:
        bench.bench.close()
    return found


class _Bench:
    def __init__(self, folder: Path, seconds: float, real_time: bool) -> None:
        self.bench = Bench(folder, Seconds(), real_time)
        self._folder, self._seconds, self._real_time = folder, seconds, real_time

    def overload(self, gateway: Gateway) -> Figures:
        """Start it, find out what it can take, send more."""
        running, targets, _ = self.bench.start(gateway)
        try:
            self.bench.saturate(targets["plain"], 2.0)
            usual = self.bench.saturate(targets["plain"], 3.0)
            before_mib, offered_per_s = running.pss_mib(), TIMES * usual["per_s"]
            busy_before_s, own_before_s, began_s = busy_s(), self._own_s(running), time.monotonic()
            loading = self._load("rate", offered_per_s, self._seconds, WARM_S, targets["plain"])
            living = self._load("rate", LIVE_PER_S, self._seconds, WARM_S, self._livez(targets["plain"]))
            peak_mib = before_mib
            while loading.poll() is None:
                time.sleep(0.5)
                peak_mib = max(peak_mib, running.pss_mib())
            over, live = _said(loading), _said(living)
            took_s = time.monotonic() - began_s
            others_s = busy_s() - busy_before_s - (self._own_s(running) - own_before_s)
            after = self.bench.saturate(targets["plain"], 2.0)
        finally:
            running.stop()
        refused = over.get("refusal", {}).get("count", 0)
        return Figures(
            capacity_per_s=usual["per_s"],
            unloaded_p50_ms=_ms(usual, "latency", "p50"),
            unloaded_p99_ms=_ms(usual, "latency", "p99"),
            offered_per_s=round(offered_per_s, 1),
            goodput_per_s=over["per_s"],
            accepted_p50_ms=_ms(over, "latency", "p50"),
            accepted_p99_ms=_ms(over, "latency", "p99"),
            refused_share=round(refused / max(1, refused + over["ok"]), 4),
            refused_p50_ms=_ms(over, "refusal", "p50"),
            failed=over["failed"] - over["refused"] + over["unanswered"],
            unsent=over["unsent"],
            livez_p50_ms=_ms(live, "latency", "p50"),
            livez_p99_ms=_ms(live, "latency", "p99"),
            livez_failed=live["failed"] + live["unanswered"],
            memory_growth_mb=round((peak_mib - before_mib) * 2**20 / 1e6, 1),
            capacity_after_per_s=after["per_s"],
            others_cores=round(max(0.0, others_s) / took_s, 2),
        )

    def _own_s(self, running: Process) -> float:
        return running.cpu_s() + self.bench.measuring_s() + sum(os.times()[:2])

    def _load(self, mode: str, number: float, seconds: float, warm_s: float, target: str) -> subprocess.Popen[str]:
        command = [str(self._folder / "load"), mode, f"{number:.1f}", str(seconds), str(warm_s), target]
        return subprocess.Popen(pinned(command, MEASURING, self._real_time), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _livez(self, plain: str) -> str:
        _, port, _, _ = plain.split(",")
        file = self._folder / "livez.http"
        file.write_bytes(f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        return f"livez,{port},{file},0"


def _said(loading: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = loading.communicate(timeout=60)
    if loading.returncode:
        raise RuntimeError("the load generator gave up")
    found: dict[str, Any] = json.loads(said)
    return found


def _ms(found: Mapping[str, Any], what: str, quantile: str) -> float:
    return round(found.get(what, {}).get(quantile, 0.0) / 1000, 2)


def _report(found: Mapping[str, list[Figures]], seconds: float, real_time: bool) -> dict[str, Any]:
    """Everything that was found, as it is written."""
    medians = {name: Figures(**{field: _median(rounds, field) for field in asdict(rounds[0])}) for name, rounds in found.items()}
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": {**described(), "scheduling": "real-time" if real_time else "ordinary"},
        "connections": CONNECTIONS,
        "times": TIMES,
        "seconds": seconds,
        "medians": {name: asdict(figures) for name, figures in medians.items()},
        "bounds": [
            {"bound": name, "wanted": f"{which} {limit:g}", **{of: _outcome(which, limit, value(medians[of])) for of in medians}}
            for name, (which, limit, value) in BOUNDS.items()
        ],
        "rounds": {name: [asdict(figures) for figures in rounds] for name, rounds in found.items()},
    }


def _median(rounds: list[Figures], field: str) -> Any:
    return round(statistics.median(getattr(figures, field) for figures in rounds), 4)


def _outcome(which: str, limit: float, value: float) -> dict[str, object]:
    return {"found": round(value, 3), "kept": value >= limit if which == "at least" else value <= limit}


def _show(report: Mapping[str, Any]) -> None:
    """Print the tables."""
    names = list(report["medians"])
    print(f"\n{'':48}" + "".join(f"{name:>16}" for name in names))
    for field in report["medians"][names[0]]:
        print(f"{field:48}" + "".join(f"{report['medians'][name][field]:>16,}" for name in names))
    print()
    for bound in report["bounds"]:
        told = "".join(f"{bound[name]['found']:>10,.2f} {'kept' if bound[name]['kept'] else 'MISSED':6}" for name in names)
        print(f"{bound['bound']:48}{bound['wanted']:>14}{told}")


if __name__ == "__main__":
    try:
        main()
    except Missing as why:
        raise SystemExit(f"nothing can be measured: {why}") from None
