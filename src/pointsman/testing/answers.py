"""What the script `ok` answers on `/chat/completions`, for tests that compare bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.testing import chat
from pointsman.testing.asked import Memory
from pointsman.testing.voices import VOICES


def events(asked: Mapping[str, Any], *, usage: bool) -> Iterator[str]:
    """Its stream, event by event; without `usage` that of `no-usage`.

    >>> [*events({"model": "ok", "messages": [{"role": "user", "content": "hi"}]}, usage=True)][-1]
    'data: [DONE]\\n\\n'
    """
    memory = Memory()
    read = chat.read(asked, memory)
    return chat.events(read, VOICES["ok" if usage else "no-usage"](read, 0, memory))
