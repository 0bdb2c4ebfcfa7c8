"""Clearances: proof that a model passed the gates for one request. Nothing can be called without one.

`decide` alone makes them (its `Clearances` come sealed); the egress client checks them. A decision read back from the log clears nothing.
Python cannot stop code in the same process from forging a value; what this stops is a call site that forgot to ask.
"""

from __future__ import annotations

from pointsman.errors import ClearanceError

_SEAL = object()


class Clearance:
    """Leave to call `model` on behalf of request `request`, under snapshot `snapshot`."""

    __slots__ = ("model", "request", "snapshot")
    model: str
    request: str
    snapshot: str

    def __init__(self, seal: object, request: str, model: str, snapshot: str) -> None:
        if seal is not _SEAL:
            raise ClearanceError("only the gates make clearances: take one from `Decision.clear(model)`")
        for name, value in (("request", request), ("model", model), ("snapshot", snapshot)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise ClearanceError("a clearance cannot be changed")

    def covers(self, request: str) -> bool:
        """Whether it was made for this request."""
        return self.request == request


class Clearances:
    """The clearances of one decision; makes one for each model that passed, and refuses the others."""

    __slots__ = ("_models", "_request", "_snapshot")

    def __init__(self, seal: object, request: str, models: frozenset[str], snapshot: str) -> None:
        if seal is not _SEAL:
            raise ClearanceError("only the gates make clearances")
        self._request, self._models, self._snapshot = request, models, snapshot

    def __call__(self, model: str) -> Clearance:
        if model not in self._models:
            raise ClearanceError(f"`{model}` did not pass the gates for request `{self._request}`")
        return Clearance(_SEAL, self._request, model, self._snapshot)


def _seal(request: str, models: frozenset[str], snapshot: str) -> Clearances:
    """For `decide` only."""
    return Clearances(_SEAL, request, models, snapshot)
