"""When an upstream will take calls again, by its own account: read from response headers.

| header | who sends it | form |
|---|---|---|
| `retry-after-ms` | OpenAI, Azure | milliseconds |
| `retry-after` | nearly all | seconds or an HTTP date (RFC 9110, 10.2.3) |
| `x-ratelimit-reset-requests`, `-tokens` | OpenAI, Groq | `1s`, `6m0s`, `120ms`, `1h2m3.5s`, or seconds |
| `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-reset` | Anthropic | a date (RFC 3339) |

The last two are on every answer: they say when to come back only where the `remaining` beside them is 0.
A moment that has passed is 0.0. More than a day, a negative number and what cannot be read are not believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 86_400.0  #: what is said beyond a day is not believed

_LONGEST_TEXT = 64
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?)(ms|d|h|m|s)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_LIMITS = tuple((f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens"))
_DATED_LIMITS = tuple(
    (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
    for what in ("requests", "tokens", "input-tokens", "output-tokens")
)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds to wait before the next call, `None` where the headers (lower-case names) do not say. `now_s`: seconds since the epoch.

    >>> retry_after_s({"retry-after": "7"}, now_s=0)
    7.0
    >>> retry_after_s({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, now_s=0)
    360.0
    """
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None and (wait_s := believed_s(milliseconds / 1000)) is not None:
        return wait_s
    said = headers.get("retry-after", "")
    if (wait_s := believed_s(_number(said))) is not None or (wait_s := _until_s(_http_date(said), now_s)) is not None:
        return wait_s
    return max(_resets_s(headers, now_s), default=None)


def duration_s(text: str) -> float | None:
    """Seconds in `text`: a plain number of them, or numbers with units. `None` for what is neither, or longer than a day.

    >>> duration_s("1h2m3.5s"), duration_s("120ms"), duration_s("0.5"), duration_s("soon")
    (3723.5, 0.12, 0.5, None)
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return None
    if (seconds := _number(text)) is not None:
        return believed_s(seconds)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return believed_s(sum(float(number) * _UNITS_S[unit] for number, unit in parts))


def believed_s(seconds: float | None) -> float | None:
    """`seconds` if they can be meant: not negative, not more than a day, a number."""
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_S else None


def _resets_s(headers: Mapping[str, str], now_s: float) -> Iterator[float]:
    for remaining, reset in _LIMITS:
        if _is_used_up(headers, remaining) and (wait_s := duration_s(headers.get(reset, ""))) is not None:
            yield wait_s
    for remaining, reset in _DATED_LIMITS:
        if _is_used_up(headers, remaining) and (wait_s := _until_s(_rfc3339(headers.get(reset, "")), now_s)) is not None:
            yield wait_s


def _is_used_up(headers: Mapping[str, str], remaining: str) -> bool:
    return _number(headers.get(remaining, "")) == 0


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text := text.strip()) else None


def _until_s(moment: datetime | None, now_s: float) -> float | None:
    if moment is None:
        return None
    # Both kinds of date carry an offset; one that does not is taken as UTC, which is what is meant by `-0000` too.
    return believed_s(max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s))


def _http_date(text: str) -> datetime | None:
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rfc3339(text: str) -> datetime | None:
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None
