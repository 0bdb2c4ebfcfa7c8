"""When upstreams say to come back, and what is not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.retry_after import LONGEST_S, duration_s, retry_after_s

NOW = 1_784_000_000.0  # Tue, 14 Jul 2026 03:33:20 GMT

SPENT = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "0"}
CLAUDE = "anthropic-ratelimit"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": " 0.25 "}, 0.25, id="fractions of a second"),
        pytest.param({"retry-after": "0"}, 0.0, id="now"),
        pytest.param({"retry-after": "86400"}, 86_400.0, id="a day, as Azure says"),
        pytest.param({"retry-after": "Tue, 14 Jul 2026 03:33:50 GMT"}, 30.0, id="a date"),
        pytest.param({"retry-after": "Tuesday, 14-Jul-26 03:33:50 GMT"}, 30.0, id="a date as RFC 850 wrote it"),
        pytest.param({"retry-after": "Tue, 14 Jul 2026 05:33:50 +0200"}, 30.0, id="a date elsewhere"),
        pytest.param({"retry-after": "Tue, 14 Jul 2026 03:00:00 GMT"}, 0.0, id="a date that has passed"),
        pytest.param({"retry-after-ms": "250", "retry-after": "7"}, 0.25, id="milliseconds are more exact"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "7"}, 7.0, id="garbage is passed over"),
        pytest.param({"retry-after": "2", **SPENT, "x-ratelimit-reset-tokens": "6m0s"}, 2.0, id="said outright beats what resets"),
        pytest.param({**SPENT, "x-ratelimit-reset-requests": "1s"}, 1.0, id="requests are spent"),
        pytest.param({**SPENT, "x-ratelimit-reset-tokens": "6m0s"}, 360.0, id="tokens are spent"),
        pytest.param({**SPENT, "x-ratelimit-reset-tokens": "120ms"}, 0.12, id="milliseconds until a reset"),
        pytest.param({**SPENT, "x-ratelimit-reset-tokens": "7.66"}, 7.66, id="plain seconds until a reset"),
        pytest.param({**SPENT, "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s"}, 9.0, id="both: the later"),
        pytest.param({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "9s"}, None, id="some are left"),
        pytest.param({"x-ratelimit-reset-tokens": "9s"}, None, id="none says how many are left"),
        pytest.param({**SPENT, "x-ratelimit-reset-requests": "1784000060"}, None, id="a moment where a duration belongs"),
        pytest.param({f"{CLAUDE}-requests-remaining": "0", f"{CLAUDE}-requests-reset": "2026-07-14T03:33:40Z"}, 20.0, id="RFC 3339"),
        pytest.param(
            {f"{CLAUDE}-input-tokens-remaining": "0", f"{CLAUDE}-input-tokens-reset": "2026-07-14T03:33:20.500+00:00"},
            0.5,
            id="RFC 3339 exactly",
        ),
        pytest.param(
            {f"{CLAUDE}-output-tokens-remaining": "0", f"{CLAUDE}-output-tokens-reset": "2026-07-14T03:00:00Z"}, 0.0, id="RFC 3339, past"
        ),
        pytest.param({f"{CLAUDE}-tokens-remaining": "9", f"{CLAUDE}-tokens-reset": "2026-07-14T03:33:40Z"}, None, id="RFC 3339, some left"),
        pytest.param({f"{CLAUDE}-tokens-remaining": "0", f"{CLAUDE}-tokens-reset": "tomorrow"}, None, id="no date at all"),
        *(
            pytest.param({"retry-after": said}, None, id=f"not believed: {said[:20] or 'empty'}")
            for said in (
                "",
                "soon",
                "-1",
                "1000000000",
                "86401",
                "nan",
                "inf",
                "1e3",
                "1_0",
                "٣",
                "Tue, 99 Foo 2026 99:99:99 GMT",
                "9" * 500,
            )
        ),
        pytest.param({"retry-after": "Tue, 14 Jul 2037 03:33:50 GMT"}, None, id="not believed: in eleven years"),
        pytest.param({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0, id="before the beginning of time"),
    ],
)
def test_a_wait_is_read_or_not_believed(headers, wait_s):
    assert retry_after_s(headers, NOW) == (wait_s if wait_s is None else pytest.approx(wait_s))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *{
            "1s": 1.0,
            "6m0s": 360.0,
            "120ms": 0.12,
            "1h2m3.5s": 3723.5,
            "1m26.4s": 86.4,
            "34": 34.0,
            "34.07482s": 34.07482,
            "1d": 86_400.0,
        }.items(),
        *((text, None) for text in ("", "s", "1x", "2d", "1s!", "-1s", "s1", "1 s", "NaNs", "1s" * 40)),
    ],
)
def test_durations(text, seconds):
    assert duration_s(text) == (seconds if seconds is None else pytest.approx(seconds))


NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", *SPENT, "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"]
    + [f"{CLAUDE}-{what}-{field}" for what in ("requests", "tokens", "input-tokens") for field in ("remaining", "reset")]
)
DATES = st.datetimes().map(lambda moment: moment.isoformat()) | st.datetimes().map(
    lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
)
VALUES = st.text(max_size=80) | st.from_regex(r"[-+0-9.,:dhmsTZe ]{0,40}") | DATES | st.just("0")


@given(headers=st.dictionaries(NAMES, VALUES), now_s=st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_is_said_the_wait_is_none_or_within_a_day(headers, now_s):
    wait_s = retry_after_s(headers, now_s)
    assert wait_s is None or 0 <= wait_s <= LONGEST_S
