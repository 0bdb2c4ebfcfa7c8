"""What an upstream sends and nobody can read is a failure of the upstream: another model may answer in its place."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from pointsman.errors import UpstreamError
from pointsman.wire.openai_chat.unreadable import MALFORMED

_P = ParamSpec("_P")
_T = TypeVar("_T")


def careful(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same reader, but for what it stumbles over: then it raises `UpstreamError`."""

    @wraps(read)
    def carefully(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(*args, **kwargs)
        except MALFORMED as error:
            raise UpstreamError("the upstream sent an answer that cannot be read") from error

    return carefully
