"""One thread for linear algebra: the tests share their cores already, and many small products are faster so."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
