"""A stream from one API into another is bounded."""

from __future__ import annotations

import pytest

from pointsman.errors import UpstreamStreamBroken
from pointsman.wire import translated
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.dialect import Envelope
from pointsman.wire.openai_chat.dialect import CHAT


def test_a_stream_ends_before_what_is_held_of_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(translated, "MOST_BYTES", 100)
    stream = translated.Translated(CHAT.reader({}, own=False), MESSAGES.writer(Envelope("1", "m", 0)), "messages")
    assert list(stream.feed(b": x\n\n" * 20)) == []
    with pytest.raises(UpstreamStreamBroken, match="more than 100 bytes"):
        list(stream.feed(b"\n"))
