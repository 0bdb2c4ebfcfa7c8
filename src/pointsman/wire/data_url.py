"""How images and files stand in a request."""

from __future__ import annotations

import re
from typing import Final

WEB: Final = ("https://", "http://")
BASE64: Final = re.compile("data:([^;,]+)(?:;[^,]*)?;base64,").match
"""The head of data in a URL; group 1 is its media type."""
