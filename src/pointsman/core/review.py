"""Human review: a ticket, what may be done with it, by whom, and what comes of it. Pure.

```
open ── claim ──> claimed ── answer ──> answered     a person's own words
  ^                  │       approve ─> approved     an answer of a model, as it is or edited
  └──── release ─────┘       reject ──> rejected
                             expire ──> expired      or open again, once, more urgent
```

Whatever is possible once claimed is possible while it is open as well. A ticket ends once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, get_args

from pointsman.core.answer import Answer, Fate, Grade
from pointsman.core.labels import close
from pointsman.core.request import Caller, ToolCall
from pointsman.core.tenancy import Scope
from pointsman.errors import Failure, Forbidden, NotFound, ReviewConflict

State = Literal["open", "claimed", "answered", "approved", "rejected", "expired"]
Why = Literal["no_answer", "low_confidence", "approval", "sample", "unmet_floor", "outage"]
"""What made a person necessary. `sample`: nothing did, the client has its answer already."""

Deed = Literal["claim", "release", "answer", "approve", "edit", "reject", "expire"]
OnExpiry = Literal["deny", "release", "escalate"]
"""When nobody decided in time: no answer; the best one so far, unless a check bars it; once more, more urgent, then no answer."""

STATES: Final[tuple[State, ...]] = get_args(State)
ENDED: Final[frozenset[State]] = frozenset({"answered", "approved", "rejected", "expired"})
REVIEWS: Final[frozenset[str]] = frozenset({"root", "admin", "reviewer"})
"""Roles that see and decide tickets within their place, as far as their key's labels go."""

RELEASES_OTHERS: Final[frozenset[str]] = frozenset({"root", "admin"})
"""Roles that may take a ticket back from whoever has claimed it."""

TIMEKEEPER: Final = Caller("pointsman", role="root")
"""Who lets tickets expire."""

_ENDS: Final[Mapping[Deed, State]] = {"answer": "answered", "approve": "approved", "edit": "approved", "reject": "rejected"}


class Offered(NamedTuple):
    """A model's answer as the ticket names it, without its words."""

    call: int  #: number of the call, from 1
    model: str
    confidence: float | None = None  #: 0 to 1; `None`: it was not judged


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is known of a request that waits for a person, without words of it. Times are nanoseconds since the epoch."""

    id: str
    decision: str
    route: str
    why: Why
    reason: str  #: the same for people
    created_at_ns: int
    deadline_at_ns: int
    labels: tuple[str, ...] = ()  #: effective ones of the request, closed
    org: str = ""
    team: str = ""
    key: str = ""  #: id of the key that asked
    subject: str = field(default="", compare=False)  #: whose words it holds, while it is opened: not kept, so that it can be forgotten
    asked: str = field(default="", compare=False)  #: digest of requester and request, while it is opened; empty: like no other
    task: str = "general"
    priority: int = 0  #: higher comes first
    assignee: str = ""  #: id of the key that has claimed it
    state: State = "open"
    version: int = 1  #: counts its changes
    on_expiry: OnExpiry = "deny"
    approval: bool = False  #: no model's answer may be released but by a person
    notify: bool = False  #: the route's webhook is told
    offered: tuple[Offered, ...] = ()  #: answers so far
    failures: tuple[Failure, ...] = ()  #: calls that failed
    preferred: int = 0  #: the call whose answer the plan would give; 0: it said nothing
    ended_at_ns: int = 0  #: 0: it has not

    @property
    def ended(self) -> bool:
        """Whether it is decided, or its time was over."""
        return self.state in ENDED

    @property
    def scope(self) -> Scope:
        """Where it belongs."""
        return Scope(self.org, self.team)

    @property
    def best(self) -> int:
        """The call whose answer the plan prefers, else the likeliest to be right, of several the last; 0 without any."""
        if any(found.call == self.preferred for found in self.offered):
            return self.preferred
        return max(self.offered, key=lambda found: (found.confidence or 0.0, found.call), default=Offered(0, "")).call

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place in the queue: the more urgent, then the sooner due, comes first."""
        return (-self.priority, self.deadline_at_ns, self.id)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model's answer with what was thought of it."""

    call: int
    model: str
    answer: Answer
    confidence: float | None = None
    grades: tuple[Grade, ...] = ()
    why: str = ""
    fate: Fate | None = None  #: what the plan made of it
    barred: str = ""  #: a check at 0 that none may fail: nobody but a person lets it out


@dataclass(frozen=True, slots=True)
class Contents:
    """The words of a ticket: stores keep them sealed."""

    body: Mapping[str, object]  #: the request as the client sent it
    api: str = "chat"  #: in whose words it is
    proposals: tuple[Proposal, ...] = ()

    def proposal(self, call: int) -> Proposal | None:
        """The answer of that call."""
        return next((found for found in self.proposals if found.call == call), None)


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody does with a ticket."""

    deed: Deed
    text: str = ""  #: of `answer` and `edit`
    tool_calls: tuple[ToolCall, ...] = ()  #: likewise
    call: int = 0  #: of `approve` and `edit`: whose answer; 0: the best
    note: str = ""  #: for colleagues; the client does not see it


@dataclass(frozen=True, slots=True)
class Resolution:
    """What came of a ticket. Words of it stand here: stores keep it sealed."""

    verdict: State
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    by: str = ""  #: id of the key that decided
    edited: bool = False  #: a model's answer, changed by a person
    call: int = 0  #: whose answer it was; 0: nobody's but the person's
    model: str = ""
    note: str = ""
    refusal: str = ""  #: in which the model declines
    finish_reason: str | None = None  #: of a model's answer that is released as it is

    @property
    def released(self) -> bool:
        """Whether there is an answer that the client may have."""
        return self.verdict in ("answered", "approved", "expired") and bool(self.text or self.refusal or self.tool_calls)


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """How a route does with people."""

    contract: Literal["wait", "error", "holding"] = "error"  #: what the client gets while nobody has decided
    wait_s: float = 60.0  #: with `wait`: for so long, then the error
    holding_answer: str = "A person will look at your request."  #: with `holding`
    deadline_s: float = 86_400.0  #: for the person
    on_expiry: OnExpiry = "deny"
    webhook: bool = False  #: whether somebody is told
    priority: int = 0
    sample: float = 0.0  #: share of the accepted answers that are looked at afterwards, 0 to 1
    approval: bool = False  #: every answer has to be approved before the client gets it


def may_see(reviewer: Caller, ticket: Ticket) -> bool:
    """Whether this reviewer's role, place and labels allow the ticket."""
    return reviewer.role in REVIEWS and _within(reviewer, ticket) and not _forbidden(reviewer, ticket)


def visible_labels(reviewer: Caller) -> tuple[str, ...] | None:
    """The labels that a ticket may carry for this reviewer to see it, with those they imply; `None`: any.

    >>> visible_labels(Caller(allowed_labels=("confidential",)))
    ('confidential', 'internal', 'public')
    """
    if reviewer.allowed_labels is None:
        return None
    return tuple(sorted({implied for label in reviewer.allowed_labels for implied in close((label,), frozenset({label}))}))


def require_sight(reviewer: Caller, ticket: Ticket) -> None:
    """Raise `NotFound` for what lies outside the reviewer's place, as for what does not exist, and `Forbidden` for role and labels."""
    if not _within(reviewer, ticket):
        raise no_such_review(ticket.id)
    if reviewer.role not in REVIEWS:
        raise Forbidden(f"key `{reviewer.key}` has the role `{reviewer.role}`, which does not review: use a key with the role `reviewer`")
    if forbidden := _forbidden(reviewer, ticket):
        raise Forbidden(f"review `{ticket.id}` carries the label `{forbidden[0]}`, which key `{reviewer.key}` may not see")


def act(ticket: Ticket, action: Action, reviewer: Caller, now_ns: int) -> Ticket:
    """The ticket as it stands afterwards; the same one where nothing changes.

    Raises `NotFound` and `Forbidden` for who may not, `ReviewConflict` where the ticket does not stand so.

    >>> ticket = Ticket("rev_1", "dec_1", "auto", "no_answer", "no model answered", created_at_ns=0, deadline_at_ns=10)
    >>> act(ticket, Action("answer", text="42"), Caller("k", role="reviewer"), now_ns=5).state
    'answered'
    """
    require_sight(reviewer, ticket)
    if reviewer.key == ticket.key and reviewer.role != "root":
        raise Forbidden(f"key `{reviewer.key}` asked for what review `{ticket.id}` is about: somebody else has to decide it")
    if ticket.ended:
        raise ReviewConflict(f"review `{ticket.id}` has ended: it is {ticket.state}")
    if action.deed == "expire":
        return _expired(ticket, now_ns)
    if now_ns >= ticket.deadline_at_ns:
        raise ReviewConflict(f"review `{ticket.id}` has ended: its time was over")
    if action.deed == "release":
        return _released(ticket, reviewer)
    if ticket.assignee not in ("", reviewer.key):
        raise ReviewConflict(f"review `{ticket.id}` is claimed by `{ticket.assignee}`: ask them, or an admin, to release it")
    if action.deed == "claim":
        return ticket if ticket.assignee else _next(ticket, "claimed", reviewer.key)
    _require_words(ticket, action)
    return replace(_next(ticket, _ENDS[action.deed], reviewer.key), ended_at_ns=now_ns)


def resolve(ticket: Ticket, action: Action, contents: Contents | None, reviewer: Caller) -> Resolution:
    """What comes of a ticket that `act` has ended. `contents` is `None` where they were erased.

    Raises `ReviewConflict` where the answer that was meant is gone.
    """
    made = Resolution(ticket.state, by=reviewer.key, note=action.note)
    if action.deed == "answer":
        return replace(made, text=action.text, tool_calls=action.tool_calls)
    if action.deed == "expire":
        return _lapsed(ticket, made, contents)
    call = action.call or ticket.best
    model = next((found.model for found in ticket.offered if found.call == call), "")
    made = replace(made, call=call, model=model)
    if action.deed == "reject":
        return made
    proposal = None if contents is None else contents.proposal(call)
    if proposal is None:
        raise ReviewConflict(f"the answers of review `{ticket.id}` were erased: there is nothing to {action.deed}")
    if action.deed == "edit":
        answer = proposal.answer
        changed = (action.text, "", action.tool_calls) != (answer.text, answer.refusal, answer.tool_calls)
        return replace(made, text=action.text, tool_calls=action.tool_calls, edited=changed)
    return _as_it_is(made, proposal)


def no_such_review(id: str) -> NotFound:
    """The error for a ticket that does not exist, or is none of the asker's business."""
    return NotFound(f"there is no review `{id[:100]}`")


def _within(reviewer: Caller, ticket: Ticket) -> bool:
    return Scope(reviewer.org, reviewer.team).covers(ticket.scope)


def _forbidden(reviewer: Caller, ticket: Ticket) -> list[str]:
    allowed = visible_labels(reviewer)
    return [] if allowed is None else [label for label in close(ticket.labels) if label not in allowed]


def _next(ticket: Ticket, state: State, assignee: str) -> Ticket:
    return replace(ticket, state=state, assignee=assignee, version=ticket.version + 1)


def _released(ticket: Ticket, reviewer: Caller) -> Ticket:
    if not ticket.assignee:
        return ticket
    if ticket.assignee != reviewer.key and reviewer.role not in RELEASES_OTHERS:
        raise Forbidden(f"review `{ticket.id}` is claimed by `{ticket.assignee}`: they, or an admin, may release it")
    return _next(ticket, "open", "")


def _require_words(ticket: Ticket, action: Action) -> None:
    if action.deed in ("answer", "edit") and not (action.text.strip() or action.tool_calls):
        raise ReviewConflict(f"`{action.deed}` wants the answer: a text, or calls of tools")
    if action.deed in ("approve", "edit") and not ticket.offered:
        raise ReviewConflict(f"review `{ticket.id}` has no answer to {action.deed}: give one with `answer`")
    if action.call and all(found.call != action.call for found in ticket.offered):
        raise ReviewConflict(f"review `{ticket.id}` has no answer of call {action.call}")


def _expired(ticket: Ticket, now_ns: int) -> Ticket:
    if now_ns < ticket.deadline_at_ns:
        raise ReviewConflict(f"review `{ticket.id}` is not due yet")
    if ticket.on_expiry != "escalate":
        return replace(_next(ticket, "expired", ""), ended_at_ns=now_ns)
    again_ns = now_ns + ticket.deadline_at_ns - ticket.created_at_ns
    return replace(_next(ticket, "open", ""), priority=ticket.priority + 1, deadline_at_ns=again_ns, on_expiry="deny")


def _lapsed(ticket: Ticket, made: Resolution, contents: Contents | None) -> Resolution:
    best = None if contents is None else contents.proposal(ticket.best)
    if best is None or best.barred or ticket.approval or ticket.on_expiry != "release":
        return made
    return _as_it_is(made, best)


def _as_it_is(made: Resolution, found: Proposal) -> Resolution:
    said = found.answer
    made = replace(made, text=said.text, refusal=said.refusal, tool_calls=said.tool_calls, finish_reason=said.finish_reason)
    return replace(made, call=found.call, model=found.model)
