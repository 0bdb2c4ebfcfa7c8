"""`async def` tests, and a clock."""

from __future__ import annotations

import pytest

from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()
