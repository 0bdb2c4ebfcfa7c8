"""Every error Pointsman raises on purpose, in one tree.

```
PointsmanError                    500  server_error
├── ConfigError                     -  a file, flag or environment variable is wrong; the program does not start
│   └── ConditionSyntaxError        -  a CEL expression does not compile
├── ConditionError                  -  a CEL expression failed while it was evaluated (callers fail closed)
├── RequestError                  400  the client's request is malformed or asks for the impossible
│   ├── ModelNotFound             404  no route or model of that name
│   ├── NotFound                  404  no record of that id that this key may see
│   ├── MethodNotAllowed          405
│   ├── RequestTimeout            408  the body did not arrive in time
│   └── PayloadTooLarge           413
├── AuthenticationError           401  no key, or an unknown one
├── NoEligibleModel           403/400/503  every candidate was refused; carries each reason
├── ClearanceError                500  a call without proof that the gates were passed (a bug of ours: never retried)
├── Overloaded                    429  a bounded queue is full
├── RecordError                   503  the decision log cannot be written: nothing goes out unrecorded
└── UpstreamError                 502  the model's server failed
    ├── UpstreamRefused     as answered  it answered with an error
    ├── UpstreamUnreachable       502  no connection, or it was lost before an answer
    ├── UpstreamTimeout           504
    └── UpstreamStreamBroken      502  the stream ended without its ending
```

Each class knows its HTTP status, OpenAI's error `type` and `code`, and whether another model may help (`try_another`).
Foreign exceptions become one of these at one place per border (`raise ... from`).
"""

from __future__ import annotations

from collections.abc import Mapping


class PointsmanError(Exception):
    """Base of all; `str(error)` is a sentence for the person who meets it."""

    status = 500
    type: str = "server_error"
    code: str | None = None
    try_another = False  #: could a different model answer where this one failed?
    decision: str | None = None  #: id of the decision during which it happened

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this error."""
        return {}


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


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed

    def headers(self) -> Mapping[str, str]:
        return {"allow": self.allowed}


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
    fit any permitted model), 503 `no_eligible_model` (wait: a permitted, capable model is out of service).
    """

    code = "no_eligible_model"

    def __init__(self, message: str, reasons: Mapping[str, tuple[str, ...]], *, status: int, type: str, code: str) -> None:
        super().__init__(message, param="model", code=code)
        self.reasons = reasons
        self.status = status
        self.type = type


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


class RecordError(PointsmanError):
    """The decision log cannot be written, so governed traffic stops."""

    status = 503
    code = "record_unavailable"


class UpstreamError(PointsmanError):
    """The model's server failed; another model may answer."""

    status = 502
    code: str | None = "upstream_error"
    try_another = True


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error; its status, type, code and message go through to the client."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str = "upstream_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message, param=param)
        self.code = code
        self.status = status
        self.type = type
        self.retry_after = retry_after
        self.try_another = status in {408, 409, 429} or status >= 500

    def headers(self) -> Mapping[str, str]:
        return {} if self.retry_after is None else {"retry-after": self.retry_after}


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream, or it was lost before an answer."""


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time."""

    status = 504
    code = "upstream_timeout"


class UpstreamStreamBroken(UpstreamError):
    """A stream ended without its ending: never passed on as a whole answer."""

    code = "upstream_stream_broken"
