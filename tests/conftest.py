"""For every test: one thread for linear algebra, since tests share their cores already; files in memory; so many examples of each property."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

EXAMPLES = int(os.environ.get("POINTSMAN_EXAMPLES", "40"))
"""Of each property that does not say how many it wants."""

MEMORY = Path("/dev/shm")
"""A gateway opens several databases, and each waits for the disk. No test here needs one: power cuts are played, not waited for."""

settings.register_profile("pointsman", max_examples=EXAMPLES)
settings.load_profile("pointsman")

if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
