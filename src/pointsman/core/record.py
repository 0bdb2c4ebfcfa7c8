"""What the log keeps of a decision: its inputs and its choice. Everything else is worked out again on demand."""

from __future__ import annotations

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.plan import Plan
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Snapshot
from pointsman.core.value import value
from pointsman.errors import RecordError


@value
class DecisionRecord:
    """Enough to make the decision again, under the snapshot it names, and to see that it comes out the same."""

    request: Request
    signals: Signals
    snapshot: str
    route: str
    seed: int
    plan: Plan | None
    propensity: float


def record(decision: Decision) -> DecisionRecord:
    """The record of a decision, without content."""
    return DecisionRecord(
        decision.request.without_content(),
        decision.signals,
        decision.snapshot,
        decision.route,
        decision.seed,
        decision.plan,
        decision.propensity,
    )


def remake(kept: DecisionRecord, snapshot: Snapshot) -> Decision:
    """The whole decision, from its record. Raises `RecordError` if it does not come out as recorded."""
    route = snapshot.route_of(kept.request, kept.route)
    if snapshot.id != kept.snapshot or route is None:
        raise RecordError(f"decision `{kept.request.id}` was made under snapshot `{kept.snapshot}`, not `{snapshot.id}`")
    decision = decide(kept.request, kept.signals, snapshot, route, kept.seed)
    if decision.plan != kept.plan:
        raise RecordError(
            f"decision `{kept.request.id}` was recorded as {kept.plan}, but its own inputs give {decision.plan}: "
            "the log was altered, or it was written by another version"
        )
    return decision
