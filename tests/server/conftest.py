"""A gateway for each test that wants one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call
from tests.server.served import Served, serving

Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`serving` in a folder of the test's own."""
    return partial(serving, tmp_path)
