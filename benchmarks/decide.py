"""What one decision costs, beside a bare loop over the same numbers.

`python benchmarks/decide.py` prints a table and writes benchmarks/results/decide.json. Both sides run in turn in the same process, so the
ratio holds on another machine; the microseconds do not. The bare loop has the request-independent part folded beforehand, does the four
checks and the weighted sum that this benchmark's route needs, and keeps the best: it explains nothing, records nothing and refuses without
a reason.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pointsman.core.decide import decide
from pointsman.core.model import Capabilities, Model, Prior, Speed
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.signals import Needs, Signals, TokenCount, Tokens
from pointsman.core.snapshot import Route, Snapshot
from pointsman.estimators.prior import PriorEstimator
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES

RESULTS = Path(__file__).parent / "results" / "decide.json"
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
POLICY = Policy("inside", compile_condition("labels.exists(l, l in ['pii', 'phi'])"), Requirement(perimeter=("on_prem",)))


def pool(size: int, chance: random.Random) -> list[Model]:
    """Models of which about nine in ten pass the gates of the benchmark's request."""
    return [
        Model(
            f"model-{at:03}",
            perimeter=chance.choice(("on_prem", "external")),
            capabilities=Capabilities(tools=chance.random() < 0.95),
            context_tokens=chance.choice((8_192, 128_000, 200_000)),
            price=Price(input=chance.randrange(50_000, 5_000_000), output=chance.randrange(200_000, 15_000_000)),
            speed=Speed(ttft_ms=chance.uniform(50, 900), ms_per_output_token=chance.uniform(4, 40)),
            quality={"general": Prior(chance.random(), 50)},
            security=chance.choice((0.4, 1.0)),
            disabled="maintenance" if chance.random() < 0.05 else None,
        )
        for at in range(size)
    ]


def ours(models: list[Model], policies: tuple[Policy, ...]) -> Callable[[], str | None]:
    """The whole decision."""
    known = {model.id: model for model in models}
    route = Route("auto", tuple(known))
    snapshot = Snapshot("bench", known, {"auto": route}, GATES, PriorEstimator(models), policies)
    request = Request("dec_bench", "auto", tools=("search",))
    signals = Signals(tokens=Tokens((TokenCount("chars", 900, False),), 300), needs=Needs(tools=True))
    return lambda: decide(request, signals, snapshot, route, 0).chosen


def bare(models: list[Model]) -> Callable[[], str | None]:
    """A loop over the same numbers, everything fixed folded in; two passes, because the terms are normalised over the pool."""
    rows = [
        (
            0.30 * m.quality["general"].mean + 0.15 * m.security,
            m.price.input,
            m.price.output,
            m.speed.round_trip_ms + m.speed.ttft_ms,
            m.speed.ms_per_output_token,
            m.context_tokens,
            m.id,
        )
        for m in models
        if m.disabled is None and m.capabilities.tools and m.price is not None
    ]

    def run() -> str | None:
        found = [
            (base, cin * 900 + cout * 300, start + 300 * each, name)
            for base, cin, cout, start, each, context, name in rows
            if context >= 1200
        ]
        low_cost, high_cost = min(f[1] for f in found), max(f[1] for f in found)
        low_ms, high_ms = min(f[2] for f in found), max(f[2] for f in found)
        per_cost, per_ms = 0.30 / (high_cost - low_cost), 0.25 / (high_ms - low_ms)
        best, chosen = -1.0, None
        for base, cost, ms, name in found:
            total = base + (high_cost - cost) * per_cost + (high_ms - ms) * per_ms
            if total > best:
                best, chosen = total, name
        return chosen

    return run


def microseconds(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median time a call of each, measured in turn."""
    rounds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for name, function in functions.items():
            started = time.perf_counter()
            for _ in range(20):
                function()
            rounds[name].append((time.perf_counter() - started) / 20 * 1e6)
    return {name: statistics.median(times) for name, times in rounds.items()}


def import_ms(module: str) -> float:
    """Median wall time of an import in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
    found = [float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout) for _ in range(7)]
    return statistics.median(found)


def main() -> None:
    """Measure, print, write."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for size in (20, 200):
        models = pool(size, random.Random(7))
        functions = {"bare": bare(models), "decide": ours(models, ()), "decide, one policy": ours(models, (POLICY,))}
        assert len({function() for function in functions.values()}) == 1, "both choose the same model"
        found = microseconds(functions)
        ratio = round(found["decide"] / found["bare"], 1)
        rows.append({"candidates": size, **{name: round(us, 2) for name, us in found.items()}, "ratio": ratio})
    print(f"{'candidates':>10}  {'bare loop µs':>12}  {'decide µs':>9}  {'with a CEL policy µs':>20}  {'decide/bare':>11}")
    for row in rows:
        figures = f"{row['bare']:>12.1f}  {row['decide']:>9.1f}  {row['decide, one policy']:>20.1f}"
        print(f"{row['candidates']:>10}  {figures}  {row['ratio']:>11.1f}")
    imports = {module: round(import_ms(module), 1) for module in ("pointsman", "pointsman.core.decide", "pointsman.gateway")}
    print("; ".join(f"import {module}: {ms:.0f} ms" for module, ms in imports.items()))
    RESULTS.write_text(
        json.dumps(
            {
                "measured": datetime.now(UTC).date().isoformat(),
                "python": platform.python_version(),
                "machine": f"{platform.machine()}, one core",
                "unit": "microseconds a decision, median",
                "rows": rows,
                "import_ms": imports,
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
