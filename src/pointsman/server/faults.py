"""Faults of our own: the operator hears of them, the client learns nothing of the inside."""

from __future__ import annotations

import logging
import traceback

from pointsman.errors import PointsmanError

_log = logging.getLogger("pointsman.server")


def report(error: Exception) -> None:
    """Tell the operator what kind of fault, and where. Not its message: that may hold what the client sent."""
    _log.error("a request failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def unexpected() -> PointsmanError:
    """What a client learns of it."""
    return PointsmanError("the gateway failed: the operator's log says more")
