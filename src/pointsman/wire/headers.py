"""What calls say in their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

ClientHeaders = Mapping[str, re.Pattern[str]]
"""Headers of a client that travel on to models of the same API, and what they may say."""


def bearer(key: str) -> dict[str, str]:
    """The key as OpenAI's APIs want it; nothing where there is none.

    >>> bearer("sk-1"), bearer("")
    ({'authorization': 'Bearer sk-1'}, {})
    """
    return {"authorization": f"Bearer {key}"} if key else {}
