"""For every test: one thread for linear algebra, since tests share their cores already, and so many examples of each property."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

EXAMPLES = int(os.environ.get("POINTSMAN_EXAMPLES", "40"))
"""Of each property that does not say how many it wants."""

settings.register_profile("pointsman", max_examples=EXAMPLES)
settings.load_profile("pointsman")
