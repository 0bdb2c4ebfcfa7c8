"""One detector for all: making it takes a moment."""

from __future__ import annotations

import pytest

from pointsman.signals.sensitivity.detect import Detector


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector()
