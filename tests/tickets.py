"""Tickets for tests, and who looks at them."""

from __future__ import annotations

from typing import Any

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import Caller
from pointsman.core.review import Contents, Offered, Proposal, Ticket

SECOND_NS = 10**9
NOW_NS = 1_800_000_000 * SECOND_NS
DUE_NS = NOW_NS + 3_600 * SECOND_NS

REVIEWER = Caller("rita", role="reviewer")
OTHER = Caller("omar", role="reviewer")
ADMIN = Caller("ada", role="admin")

WORDS = "the patient's name is Zebulon Quagmire"
ANSWER = "Quagmire has the flu"
CONTENTS = Contents(
    {"model": "auto", "messages": [{"role": "user", "content": WORDS}]},
    proposals=(
        Proposal(1, "small", Answer("perhaps a cold, Quagmire"), 0.2, (Grade("refusal", 1.0),), "below the threshold"),
        Proposal(2, "large", Answer(ANSWER), 0.6),
    ),
)
OFFERED = (Offered(1, "small", 0.2), Offered(2, "large", 0.6))


def ticket(id: str = "rev_1", **more: Any) -> Ticket:
    fields: dict[str, Any] = {
        "decision": f"dec_{id}",
        "route": "auto",
        "why": "low_confidence",
        "reason": "no answer is likely enough to be right",
        "created_at_ns": NOW_NS,
        "deadline_at_ns": DUE_NS,
        "subject": "k_1/zeb",
        "offered": OFFERED,
    }
    return Ticket(id, **{**fields, **more})
