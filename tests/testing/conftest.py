"""`async def` tests."""

from __future__ import annotations

from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call
