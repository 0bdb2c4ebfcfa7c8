"""The same gateway as for the server's tests."""

from __future__ import annotations

from tests.server.conftest import serve as serve
from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call
