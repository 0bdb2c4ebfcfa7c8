"""What reading JSON that is none, or none that was expected, may raise."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
MALFORMED: Final = (*UNREADABLE, TypeError, LookupError, AttributeError, ValueError, ArithmeticError)
"""What a reader may stumble over in an answer whose values are not of the types they should be."""
