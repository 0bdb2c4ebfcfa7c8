"""Times as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pointsman.errors import ConfigError

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """A point in time: a date or time (UTC unless it says otherwise), or how long ago (`12h`, `90d`, `2w`). Raises `ConfigError`.

    >>> moment("90d", datetime(2026, 4, 1, tzinfo=UTC)).date().isoformat(), moment("2026-01-02", datetime.now(UTC)).isoformat()
    ('2026-01-01', '2026-01-02T00:00:00+00:00')
    """
    try:
        if (ago := re.fullmatch(r"(\d{1,6})([hdw])", text)) is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"`{text}` is not a time: write a date like 2026-01-31, or how long ago like 90d, 12h or 2w") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
