"""`python -m pointsman.cli`."""

import sys

from pointsman.cli import main

sys.exit(main())
