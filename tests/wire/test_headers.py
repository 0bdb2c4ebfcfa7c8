"""What calls say in their headers is part of each API."""

from __future__ import annotations

import pytest

from pointsman.wire.dialects import DIALECTS


@pytest.mark.parametrize(
    ("api", "with_key", "without"),
    [
        *((api, {"authorization": "Bearer k"}, {}) for api in ("chat", "responses", "completions", "embeddings")),
        ("messages", {"anthropic-version": "2023-06-01", "x-api-key": "k"}, {"anthropic-version": "2023-06-01"}),
    ],
)
def test_a_call_carries_its_key_as_its_api_wants_it(api, with_key, without):
    assert DIALECTS[api].headers("k") == with_key
    assert DIALECTS[api].headers("") == without


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("anthropic-version", "2024-10-22", True),
        ("anthropic-version", "2024-10-22\r\nx: y", False),
        ("anthropic-beta", "context-1m-2025-08-07, files-api-2025-04-14", True),
        ("anthropic-beta", "a;b", False),
    ],
)
def test_headers_of_a_client_travel_on_if_they_are_part_of_the_api(name, text, allowed):
    assert bool(DIALECTS["messages"].client_headers[name].fullmatch(text)) == allowed
    assert all(not DIALECTS[api].client_headers for api in DIALECTS if api != "messages")
