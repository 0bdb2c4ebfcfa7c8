"""What one upstream call gave."""

from __future__ import annotations

from typing import Literal

from pointsman.core.fault import Fault
from pointsman.core.prices import Usage
from pointsman.core.value import value

Status = Literal["ok", "error", "aborted"]
"""`aborted`: the client left."""

UsageSource = Literal["reported", "estimated", "none"]


@value
class Outcome:
    """The record of one call, written before its answer is complete for the client."""

    decision: str
    attempt: int  #: from 1; 0: no call was made
    model: str
    status: Status
    task: str = "general"
    http_status: int | None = None  #: what the upstream answered; `None`: nothing
    error: str | None = None  #: machine-readable code of the failure, never a text of the user's
    fault: Fault | None = None  #: class of the upstream's failure
    finish_reason: str | None = None
    usage: Usage | None = None
    usage_source: UsageSource = "none"
    cost_picousd: int | None = None  #: `None`: the price or the usage is unknown
    ttft_ms: float | None = None  #: until the first byte of content
    total_ms: float = 0.0
    started_at_ns: int | None = None  #: when the call began, since the epoch; `None`: written by an earlier version
    answer_digest: str | None = None  #: SHA-256, in hex, of what was handed to the client; `None`: nothing was
    masked: int = 0  #: values that the model got a placeholder for
    sent: bool = True  #: something of the call may have reached the upstream; not: there was no connection, or no call
    check: str | None = None  #: name of the check that the answer failed, of `invalid_output`
    dropped: tuple[str, ...] = ()  #: what the other API has no words for, as the client was told; of the answer: `answer.…`
    reckoned_input_tokens: int = 0  #: of the request, as its decision reckoned them; 0: written by an earlier version

    @property
    def ok(self) -> bool:
        """Whether the client got a whole answer."""
        return self.status == "ok"
