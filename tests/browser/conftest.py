"""These tests want a Chromium, and time: `make test-browser` names one in `POINTSMAN_CHROMIUM`; without there is nothing to collect here."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, chromium
from tests.browser.desks import Desked, desked
from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call

if "POINTSMAN_CHROMIUM" not in os.environ:
    collect_ignore_glob = ["*.py"]


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[tuple[Desked, Chromium]]]:
    """A gateway with a desk and its page, and a browser."""
    program = shutil.which(os.environ["POINTSMAN_CHROMIUM"])
    if program is None:
        pytest.skip("no Chromium is found: install it, or name it in POINTSMAN_CHROMIUM")
    return partial(_scene, program, tmp_path)


@asynccontextmanager
async def _scene(program: str, folder: Path) -> AsyncIterator[tuple[Desked, Chromium]]:
    async with desked(folder) as found, chromium(program, folder / "profile") as browser:
        yield found, browser
