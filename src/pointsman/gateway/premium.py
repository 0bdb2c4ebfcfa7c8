"""What one worker has counted for the caps on premium models: the latest requests of each key, user, team or org.

A request that may still go to a premium model counts as if it had, until it turns out that it did not: so requests at the same time
cannot exceed a cap together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence, Set
from hashlib import sha256
from typing import Final, NamedTuple

from pointsman.core.decision import Decision
from pointsman.core.premium import PremiumCap, PremiumShare, Turns
from pointsman.core.request import Request
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.subject import subject_of

MOST_SUBJECTS: Final = 20_000  #: of one cap; who has not asked for longest is forgotten, and begins anew


class Taken(NamedTuple):
    """A request that counts as one of premium models, for one cap."""

    turns: Turns
    number: int
    models: tuple[str, ...]


class Tally:
    """Counts where requests go, for each cap. Used on one event loop; nothing in it waits."""

    def __init__(self, caps: Sequence[PremiumCap], before: Tally | None = None, most_subjects: int = MOST_SUBJECTS) -> None:
        """`before`: what was counted until now goes on counting, for caps of the same name, window and kind of subject."""
        self._caps, self._most_subjects = tuple(caps), most_subjects
        counted = {} if before is None else {_which(cap): before._turns[cap.name] for cap in before._caps}
        self._turns: dict[str, OrderedDict[str, Turns]] = {cap.name: counted.get(_which(cap), OrderedDict()) for cap in caps}

    def shares(self, request: Request, snapshot: Snapshot) -> tuple[PremiumShare, ...]:
        """How the caps stand that this request counts for. A model asked for by its own name is no routing: none."""
        return tuple(self._shares(request)) if request.model in snapshot.routes else ()

    def _shares(self, request: Request) -> Iterator[PremiumShare]:
        caller = request.caller
        for cap in self._caps:
            if cap.scope is None or cap.scope.covers(request.model, caller):
                subject = cap.subject(caller, _user(request) if cap.per == "user" else "")
                turns = self._turns[cap.name].get(subject)
                yield PremiumShare(cap.name, subject, cap.models, 0 if turns is None else turns.used, cap.most, cap.over)

    def take(self, decision: Decision) -> tuple[Taken, ...]:
        """Count a request that was just decided, whatever came of it. To be called before anything else is waited for."""
        names: Set[str] = frozenset() if decision.plan is None else decision.plan.names
        return tuple(taken for share in decision.signals.premium if (taken := self._take(share, names)))

    def _take(self, share: PremiumShare, names: Set[str]) -> Taken | None:
        known = self._turns[share.cap]
        turns = known.setdefault(share.subject, Turns(share.over))
        known.move_to_end(share.subject)
        if len(known) > self._most_subjects:
            known.popitem(last=False)
        premium = not names.isdisjoint(share.models)
        number = turns.take(premium)
        return Taken(turns, number, share.models) if premium else None


def settle(taken: Sequence[Taken], called: Set[str]) -> None:
    """No more models will be asked for this request than were: give back what was counted in vain."""
    for one in taken:
        if called.isdisjoint(one.models):
            one.turns.release(one.number)


def _which(cap: PremiumCap) -> tuple[str, int, str]:
    return cap.name, cap.over, cap.per


def _user(request: Request) -> str:
    """The end user as the client calls it, behind its key: as a digest, for records hold no words of clients, and names may be long."""
    key = request.caller.key
    named = key if request.content is None else subject_of(key, request.content.body)
    return key if named == key else f"{key}/{sha256(named.encode('utf-8', 'replace')).hexdigest()[:16]}"
