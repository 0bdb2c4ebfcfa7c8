"""Which judged requests of a decision log are no sample of all: those that people saw because something had gone wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.reviewed import ENDS
from pointsman.stores.logfile import LogFile

CLIMBING: Final = ("escalate", "cascade")
"""Plans that ask a further model only where an earlier answer is doubted, or is expected to be."""


@dataclass(frozen=True, slots=True)
class Selected:
    """Decisions, by id, that were judged because of what their own calls came to."""

    doubted: frozenset[str] = frozenset()  #: a further model, or a person, was asked only because an answer was not sure enough
    failed: frozenset[str] = frozenset()  #: of samples: calls failed, so that people saw it before others, some of which nobody judged

    def among(self, outcomes: Outcomes) -> Selected:
        """Those of these outcomes of which a quality is known."""
        known = judged(outcomes)
        return Selected(self.doubted & known, self.failed & known)

    @property
    def ids(self) -> frozenset[str]:
        """All of them."""
        return self.doubted | self.failed


def judged(outcomes: Outcomes) -> frozenset[str]:
    """The queries of which a quality is known."""
    known = np.flatnonzero(np.isfinite(outcomes.quality).any(axis=1))
    return frozenset(outcomes.queries[at].id for at in known)


def selected(path: Path) -> Selected:
    """From a log's file: its tickets say why people were asked. Raises `RecordError` where it cannot be read."""
    log = LogFile(path)
    try:
        opened, ended = _tickets(log)
        several = {told["decision"] for told in opened.values() if len(told["offered"]) > 1}
        climbed = {name for name, kind in _kinds(log, several) if kind in CLIMBING}
    finally:
        log.close()
    samples = {ticket: told for ticket, told in opened.items() if told["why"] == "sample"}
    passed_over = bool(samples.keys() - ended)
    return Selected(
        frozenset(climbed | {told["decision"] for told in opened.values() if told["why"] == "low_confidence"}),
        frozenset(told["decision"] for told in samples.values() if passed_over and told["failures"]),
    )


def warned(found: Selected, outcomes: Outcomes) -> str:
    """What it means for figures from these outcomes, and the cure; empty where nothing of it is among them."""
    among = found.among(outcomes)
    if not among.ids:
        return ""
    why = [f"{len(among.doubted):,} because an earlier answer was doubted"] if among.doubted else []
    why += [f"{len(among.failed):,} before others because a call had failed"] if among.failed else []
    seen = f"of {len(judged(outcomes)):,} requests with judged answers people saw {' and '.join(why)}"
    return (
        f"{seen}, so figures from them are biased: on requests with several answers the model asked first looks worse than it is,"
        " and those after it were asked the harder ones. The cure: ask all models of a random share of requests (`plan: ensemble`),"
        " or draw accepted answers too (`review.sample`), and judge all that is drawn"
    )


def _tickets(log: LogFile) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """By its id each ticket as it was opened; and those that say something of their answers."""
    opened: dict[str, dict[str, Any]] = {}
    ended = set()
    for _, _, _, _, body, _, _ in log.chain(kind="review"):
        told = json.loads(body)
        if told.get("event") == "opened":
            opened[told["id"]] = told
        elif told.get("state") in ENDS:
            ended.add(told["id"])
    return opened, ended


def _kinds(log: LogFile, decisions: set[str]) -> Iterator[tuple[str, str]]:
    """The plans of these decisions."""
    for _, _, name, _, body, _, _ in log.chain(kind="decision"):
        if (decision := name.decode()) in decisions and (plan := from_json(DecisionRecord, body).plan) is not None:
            yield decision, plan.kind
