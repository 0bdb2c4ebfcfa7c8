"""Every error Pointsman raises on purpose, in one tree.

```
PointsmanError                    500  server_error
├── ConfigError                     -  a file, flag or environment variable is wrong; the program does not start
│   └── ConditionSyntaxError        -  a CEL expression does not compile
├── ConditionError                  -  a CEL expression failed while it was evaluated (callers fail closed)
├── RequestError                  400  the client's request is malformed or asks for the impossible
│   ├── ModelNotFound             404  no route or model of that name
│   ├── NotFound                  404  no record of that id that this key may see
│   ├── Forbidden                 403  the key is known, and its role does not go so far
│   ├── MethodNotAllowed          405
│   ├── ReviewConflict            409  the ticket has ended, is another reviewer's, or has nothing to approve
│   ├── RequestTimeout            408  the body did not arrive in time
│   └── PayloadTooLarge           413
├── AuthenticationError           401  no key, or an unknown one
├── NoEligibleModel           403/400/503  every candidate was refused; carries each reason
├── ClearanceError                500  a call without proof that the gates were passed (a bug of ours: never retried)
├── ReviewRequired                403  a person has to decide; carries the ticket's id
│   ├── ReviewPending             503  the same, after an outage
│   └── ReviewDenied              403  a person rejected it, or nobody decided in time
├── Overloaded                    429  a bounded queue is full
│   └── RateLimited               429  a rate limit of the key, its team or its org is reached
├── IdempotencyConflict           409  a request with this idempotency key is in progress
├── IdempotencyMismatch           422  this idempotency key belongs to another body
├── RecordError                   503  the decision log cannot be written: nothing goes out unrecorded
├── ShuttingDown                  503  the gateway stops, and the time for finishing is over
└── UpstreamError                 502  the model's server failed
    ├── UpstreamRefused     as answered  it answered with an error
    ├── UpstreamUnreachable       502  no connection, or it was lost before an answer
    ├── UpstreamTimeout           504  one of the three clocks ran out
    ├── UpstreamStreamBroken      502  the stream ended without its ending, or what came is no answer
    ├── UpstreamUnavailable       503  not called: it is out of service, or a limit of ours is reached
    └── InvalidOutput             502  the answer does not keep what was asked for
```

Each class knows its HTTP status, OpenAI's error `type` and `code`, and those of upstreams their class of failure (`fault`).
Foreign exceptions become one of these at one place per border (`raise ... from`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

Fault = Literal[
    "malformed",
    "context_length",
    "content_filter",
    "refused",
    "quota",
    "rate_limit",
    "overloaded",
    "server_error",
    "unreachable",
    "timeout",
    "broken",
    "invalid_output",
    "unavailable",
    "over_budget",
]
"""Class of failure of a call; `core.fault` says what each means and what follows."""


class Failure(NamedTuple):
    """One call that failed on the way to an error."""

    model: str
    code: str
    status: int  #: what it would have been for the client
    call: int = 0  #: number of the call; 0: it was not made
    check: str | None = None  #: which its answer failed, of `invalid_output`


class PointsmanError(Exception):
    """Base of all; `str(error)` is a sentence for the person who meets it."""

    status = 500
    type: str = "server_error"
    code: str | None = None
    decision: str | None = None  #: id of the decision during which it happened
    failures: tuple[Failure, ...] = ()  #: the calls that led to it, in their order

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this error."""
        return {}

    def failures_told(self) -> list[dict[str, object]]:
        """The calls that led to it, for the body of an answer."""
        return [
            {"model": failure.model, "code": failure.code, "status": failure.status, **({"check": failure.check} if failure.check else {})}
            for failure in self.failures
        ]


class ConfigError(PointsmanError):
    """The configuration is wrong: where, why and what to write instead."""


class ConditionSyntaxError(ConfigError):
    """A CEL expression does not compile; `line` and `column` (from 1) say where in the expression."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class ConditionError(PointsmanError):
    """A CEL expression failed on this request's facts; policy code treats it as the stricter answer."""


class RequestError(PointsmanError):
    """The request cannot be understood or served as asked."""

    status = 400
    type = "invalid_request_error"


class ModelNotFound(RequestError):
    """`model` names neither a route nor a model that this key may use."""

    status = 404
    code = "model_not_found"


class NotFound(RequestError):
    """No such record, or not this key's."""

    status = 404
    code = "not_found"


class Forbidden(RequestError):
    """The key is known, and may not do this."""

    status = 403
    type = "permission_error"
    code = "forbidden"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed

    def headers(self) -> Mapping[str, str]:
        return {"allow": self.allowed}


class ReviewConflict(RequestError):
    """The ticket does not stand so that this could be done with it."""

    status = 409
    code = "review_conflict"


class RequestTimeout(RequestError):
    """The client did not finish sending its body in time."""

    status = 408
    code = "request_timeout"


class PayloadTooLarge(RequestError):
    """The body is larger than the limit."""

    status = 413
    code = "request_too_large"


class AuthenticationError(PointsmanError):
    """No key, or none that we issued."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class NoEligibleModel(PointsmanError):
    """Every candidate was refused. `reasons` maps each model id to all of its reasons.

    The status says what would help: 403 `policy_denied` (nothing: policy forbids it), 400 (ask for less: the request does not
    fit any permitted model), 503 `no_eligible_model` (wait: a permitted, capable model is out of service), 429 `insufficient_quota` (a
    budget that pays for it is used up).
    """

    code = "no_eligible_model"

    def __init__(self, message: str, reasons: Mapping[str, tuple[str, ...]], *, status: int, type: str, code: str) -> None:
        super().__init__(message, param="model", code=code)
        self.reasons = reasons
        self.status = status
        self.type = type

    def headers(self) -> Mapping[str, str]:
        return {"x-should-retry": "false"} if self.status == 429 else {}


class ClearanceError(PointsmanError):
    """A call was attempted without a clearance for this request and model."""

    code = "clearance_missing"


class Overloaded(PointsmanError):
    """A bounded queue is full; try again after `retry_after_s` seconds."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": str(self.retry_after_s)}


class RateLimited(Overloaded):
    """A rate limit is reached; the message says whose and which, `param` the same for programs."""

    def __init__(self, message: str, param: str, headers: Mapping[str, str], retry_after_s: int | None) -> None:
        """`headers` say how the limit stands; `retry_after_s` is `None` where no waiting helps."""
        super().__init__(message, retry_after_s or 0)
        self.param = param
        self._told = {**headers, **({"x-should-retry": "false"} if retry_after_s is None else {"retry-after": str(retry_after_s)})}

    def headers(self) -> Mapping[str, str]:
        return self._told


class RecordError(PointsmanError):
    """The decision log cannot be written, so governed traffic stops."""

    status = 503
    code = "record_unavailable"


class ReviewRequired(PointsmanError):
    """A person has to decide; `review` is the id of the ticket."""

    status = 403
    type = "permission_error"
    code = "review_required"

    def __init__(self, message: str, review: str) -> None:
        super().__init__(message)
        self.review = review

    def headers(self) -> Mapping[str, str]:
        return {"x-pointsman-review-id": self.review, "x-should-retry": "false"}


class ReviewPending(ReviewRequired):
    """A person has to answer, for no model can for now."""

    status = 503
    type = "server_error"
    code = "review_pending"


class ReviewDenied(ReviewRequired):
    """A person rejected it, or nobody decided in time."""

    code = "review_denied"


class IdempotencyConflict(PointsmanError):
    """A request with this idempotency key is in progress."""

    status = 409
    type = "invalid_request_error"
    code = "request_in_progress"

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class IdempotencyMismatch(RequestError):
    """This idempotency key was used with another body."""

    status = 422
    code = "idempotency_key_reused"


class ShuttingDown(PointsmanError):
    """The gateway stops, and the time for finishing is over."""

    status = 503
    code = "shutting_down"

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class UpstreamError(PointsmanError):
    """The model's server failed; `fault` says whether the same or another model may answer. `retry_after_s`: when, if that was said."""

    status = 502
    code: str | None = "upstream_error"
    fault: Fault = "broken"
    retry_after_s: float | None = None
    sent: bool = True  #: a call may have gone out, and cost something; not: certainly none has
    check: str | None = None  #: which the answer failed, of `InvalidOutput`


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error; its status, type, code and message go through to the client."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        fault: Fault,
        type: str = "upstream_error",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param)
        self.code = code
        self.status = status
        self.type = type
        self.fault = fault
        self.retry_after_s = retry_after_s
        self.upstream_status: int | None = None  #: what the upstream answered, for the operator

    def headers(self) -> Mapping[str, str]:
        return _retry_after(self.retry_after_s)


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream, or it was lost before an answer. `sent` tells the two apart."""

    fault = "unreachable"

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time."""

    status = 504
    code = "upstream_timeout"
    fault = "timeout"


class UpstreamStreamBroken(UpstreamError):
    """A stream ended without its ending: never passed on as a whole answer."""

    code = "upstream_stream_broken"


class UpstreamUnavailable(UpstreamError):
    """The upstream was not called: its breaker is open, or a limit of ours is reached."""

    status = 503
    code = "upstream_unavailable"
    fault = "unavailable"
    sent = False

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def headers(self) -> Mapping[str, str]:
        return _retry_after(self.retry_after_s)


class OverBudget(UpstreamError):
    """The call was not made: a budget that pays for it could not cover the most that it could cost."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"
    fault: Fault = "over_budget"
    sent = False

    def headers(self) -> Mapping[str, str]:
        return {"x-should-retry": "false"}


class InvalidOutput(UpstreamError):
    """The answer does not keep what was asked for: it is empty, not of the schema, or cut off."""

    code = "invalid_output"
    fault = "invalid_output"

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check


def _retry_after(seconds: float | None) -> Mapping[str, str]:
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}
