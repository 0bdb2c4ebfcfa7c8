"""Decide recorded requests again, from the record and the configuration stored with it; and see what another configuration would change."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from pointsman.build.learning import learned_files
from pointsman.build.snapshot import snapshot_of, with_health
from pointsman.build.world import current_snapshot
from pointsman.cli.logs import log_arguments, places, reading
from pointsman.cli.source import source, tell
from pointsman.cli.table import table
from pointsman.cli.times import moment
from pointsman.core.codec import from_json
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.prices import usd
from pointsman.core.record import DecisionRecord, record
from pointsman.core.snapshot import Snapshot
from pointsman.stores.logfile import LogFile

_SHOWN = 10
_SNAPSHOTS = 64  # held compiled
_NOBODY = "(refused)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    log_arguments(parser)
    parser.add_argument("--since", metavar="TIME", help="only decisions from then on: a date, or how long ago like 90d, 12h or 2w")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print what came out, and with --config what would change under it; 1 if a decision does not come out as it was recorded."""
    since_ns = int(moment(given.since, datetime.now(UTC)).timestamp() * 1e9) if given.since else None
    changes = None if given.config is None else Changes(*_other(given))
    found = Replayed()
    with reading(places(given).log) as log:
        stored = _stored(log)
        for seq, kept in decisions(log, since_ns):
            made = found.replay(seq, kept, stored)
            if made is not None and changes is not None:
                changes.see(*made)
    told = found.told() | ({} if changes is None else {"changes": changes.told()})
    print(json.dumps(told) if given.json else "\n".join((*found.text(), *(() if changes is None else changes.text()))))
    return 1 if found.differing else 0


def decisions(log: LogFile, since_ns: int | None = None) -> Iterator[tuple[int, DecisionRecord]]:
    """Recorded decisions with their numbers, oldest first."""
    for seq, _, _, at_ns, body, *_ in log.chain(kind="decision"):
        if since_ns is None or at_ns >= since_ns:
            yield seq, from_json(DecisionRecord, body)


@dataclass(slots=True)
class Replayed:
    """How recorded decisions came out when they were made again."""

    identical: int = 0
    differing: list[tuple[int, str, str]] = field(default_factory=list)  #: number of the record, decision, how it differs

    def replay(self, seq: int, kept: DecisionRecord, stored: Callable[[str], Snapshot | None]) -> tuple[Decision, Snapshot] | None:
        """Make one again; the decision if it came out as recorded."""
        snapshot = stored(kept.snapshot)
        route = None if snapshot is None else snapshot.route_of(kept.request, kept.route)
        if snapshot is None or route is None:
            missing = f"snapshot `{kept.snapshot}`" if snapshot is None else f"route `{kept.route}`"
            self.differing.append((seq, kept.request.id, f"{missing} is not in the log"))
            return None
        made = decide(kept.request, kept.signals, snapshot, route, kept.seed)
        if record(made) != kept:
            self.differing.append((seq, kept.request.id, f"was {_plan(kept)}, is {_plan(record(made))}"))
            return None
        self.identical += 1
        return made, snapshot

    def told(self) -> dict[str, object]:
        """As JSON says it."""
        differing = [{"seq": seq, "decision": decision, "reason": why} for seq, decision, why in self.differing]
        return {"decisions": self.identical + len(differing), "identical": self.identical, "differing": differing}

    def text(self) -> Iterator[str]:
        """As people read it."""
        yield f"{self.identical + len(self.differing):,} decisions made again: {self.identical:,} identical, {len(self.differing):,} not"
        for seq, decision, why in self.differing[:_SHOWN]:
            yield f"  record {seq}, {decision}: {why}"


class Changes:
    """What another configuration would have decided, beside what was. Cost and quality are estimates, each under its own configuration."""

    def __init__(self, snapshot: Snapshot, body: bytes) -> None:
        self._under = lru_cache(_SNAPSHOTS)(lambda health, latencies: with_health(snapshot, body, dict(health), dict(latencies))[0])
        self._models = snapshot.models
        self.seen = 0
        self.no_route: Counter[str] = Counter()
        self.moves: Counter[tuple[str, str]] = Counter()
        self.unknown_cost = 0
        self.cost_before_picousd = self.cost_after_picousd = 0
        self.qualities: list[tuple[float, float]] = []

    def see(self, before: Decision, stored: Snapshot) -> None:
        """Decide what was decided before; models that were out of service, or slow, are so again."""
        if before.request.reads_for:  # its outcome is among the signals of the request that it was read for
            return
        health = tuple(sorted((name, why) for name, why in stored.health.items() if name in self._models))
        latencies = frozenset((of, found) for of, found in stored.latencies.items() if of[0] in self._models)
        snapshot = self._under(health, latencies)
        self.seen += 1
        if (route := snapshot.route(before.route)) is None:
            self.no_route[before.route] += 1
            return
        after = decide(before.request, before.signals, snapshot, route, before.seed)
        if before.chosen != after.chosen:
            self.moves[before.chosen or _NOBODY, after.chosen or _NOBODY] += 1
        self._compare(before, after)

    def _compare(self, before: Decision, after: Decision) -> None:
        if before.chosen is None or after.chosen is None:
            return
        was, is_ = before.estimate(before.chosen), after.estimate(after.chosen)
        if was is None or is_ is None:
            return
        self.qualities.append((was.quality, is_.quality))
        if was.cost_picousd is None or is_.cost_picousd is None:
            self.unknown_cost += 1
        else:
            self.cost_before_picousd += was.cost_picousd
            self.cost_after_picousd += is_.cost_picousd

    @property
    def changed(self) -> int:
        """Requests that another model, or none, would get."""
        return sum(self.moves.values())

    def told(self) -> dict[str, object]:
        """As JSON says it."""
        priced = len(self.qualities) - self.unknown_cost
        before, after = self.cost_before_picousd, self.cost_after_picousd
        cost = {"requests": priced, "before": usd(before), "after": usd(after), "delta": usd(after - before), "unknown": self.unknown_cost}
        moves = [{"from": was, "to": is_, "requests": count} for (was, is_), count in self.moves.most_common()]
        quality = {"requests": len(self.qualities), "before": _mean(self.qualities, 0), "after": _mean(self.qualities, 1)}
        share = self.changed / self.seen if self.seen else 0.0
        told = {"decisions": self.seen, "changed": self.changed, "changed_share": share, "no_route": dict(self.no_route)}
        return {**told, "moves": moves, "cost_usd": cost, "quality": quality}

    def text(self) -> Iterator[str]:
        """As people read it."""
        yield ""
        share = f"{self.changed / self.seen:.1%}" if self.seen else "none"
        yield f"under the other configuration {self.changed:,} of {self.seen:,} would go elsewhere ({share})"
        if self.moves:
            rows = [(was, is_, f"{count:,}") for (was, is_), count in self.moves.most_common(_SHOWN)]
            yield table([("from", "to", "requests"), *rows], right=frozenset({2}))
        for route, count in self.no_route.most_common():
            yield f"it has no route `{route}`: {count:,} requests would be refused"
        before, after = self.cost_before_picousd, self.cost_after_picousd
        change = f" ({(after - before) / before:+.1%})" if before else ""
        yield f"estimated cost: ${usd(before)} as decided, ${usd(after)} under it{change}; {self.unknown_cost:,} requests without a price"
        if self.qualities:
            yield f"expected quality: {_mean(self.qualities, 0):.3f} as decided, {_mean(self.qualities, 1):.3f} under it"


def _other(given: argparse.Namespace) -> tuple[Snapshot, bytes]:
    found = source(given)
    tell(found.notes)
    if found.config.keywords:
        tell(("note: word lists are not looked for again, the log holds no text: what was found when the request came counts",))
    if learned_files(found.config) or found.config.intents:
        tell(("note: intents, classes and predictions are not made anew, the log holds no text: those of the record count",))
    return current_snapshot(found.config)


def _stored(log: LogFile) -> Callable[[str], Snapshot | None]:
    """Snapshots of a log, compiled."""

    @lru_cache(_SNAPSHOTS)
    def stored(id: str) -> Snapshot | None:
        body = log.get_snapshot(id)
        return None if body is None else snapshot_of(body)

    return stored


def _plan(kept: DecisionRecord) -> str:
    return "refused" if kept.plan is None else msgspec.json.encode(kept.plan).decode()


def _mean(pairs: list[tuple[float, float]], at: int) -> float | None:
    return round(sum(pair[at] for pair in pairs) / len(pairs), 6) if pairs else None
