"""What a body's length does not say: each way of spending more than that is seen, in whatever API it is written."""

from __future__ import annotations

import pytest

from pointsman.core.budget_body import Unsaid, unsaid
from pointsman.core.budget_bound import Size

PLAIN = Unsaid()
WHOLE = Unsaid(whole_context=True)
PNG = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"type": {"type": "string"}}}}}


def user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, *parts]}]}


def item(*parts: object) -> dict[str, object]:
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "look"}, *parts]}]}


def document(**source: object) -> dict[str, object]:
    return {"type": "document", "source": source}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, PLAIN),
        ({"messages": [{"role": "user", "content": "hi"}], "tools": [FUNCTION], "response_format": {"type": "json_schema"}}, PLAIN),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}]}, PLAIN),
        ({"system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]}, PLAIN),
        (user({"type": "tool_use", "id": "1", "name": "f", "input": {"type": "file"}}), PLAIN),
        (user({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "x"}]}), PLAIN),
        (user({"type": "text", "text": "x", "citations": [{"type": "page_location"}]}), PLAIN),
        (user(document(type="text", media_type="text/plain", data="all of it")), PLAIN),
        (item({"type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}]}), PLAIN),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}, {"type": "reasoning", "summary": []}]}, PLAIN),
        ({"input": ["one", "two"]}, PLAIN),
        ({"prompt": [[1, 2], [3]]}, PLAIN),
        (user({"type": "image_url", "image_url": {"url": PNG}}), Unsaid(images=1)),
        (user({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}), Unsaid(images=1)),
        (item({"type": "input_image", "image_url": PNG}, {"type": "input_image", "image_url": PNG}), Unsaid(images=2)),
        (user({"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]}), Unsaid(images=1)),
        (user(document(type="url", url="https://example.com/a.pdf")), WHOLE),
        (user(document(type="base64", media_type="application/pdf", data="JVBERi0xLjQK")), WHOLE),
        (user(document(type="content", content=[document(type="url", url="https://example.com/a.pdf")])), WHOLE),
        (user({"type": "tool_result", "content": [document(type="url", url="https://example.com/a.pdf")]}), WHOLE),
        (user({"type": "file", "file": {"file_data": PDF}}), WHOLE),
        (user({"type": "file", "text": "a text as well", "file": {"file_data": PDF}}), WHOLE),
        (user({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}), WHOLE),
        (user({"type": ["file"]}), WHOLE),
        (item({"type": "input_file", "file_url": "https://example.com/a.pdf"}), WHOLE),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_data": PDF}]}]}, WHOLE),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, WHOLE),
        ({"best_of": 20}, Unsaid(answers=20)),
        ({"best_of": None, "service_tier": None, "prediction": None, "mcp_servers": [], "tools": None}, PLAIN),
        ({"service_tier": "flex", "speed": "standard", "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, PLAIN),
    ],
)
def test_what_fills_the_context_is_told_from_what_stands_in_the_letter(body, found):
    assert unsaid(body) == found


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "`web_search`"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "`web_search_20250305`"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "`code_interpreter`"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "`mcp`"),
        ({"web_search_options": {}}, "`web_search_options`"),
        ({"mcp_servers": [{"type": "url"}]}, "`mcp_servers`"),
        ({"prediction": {"type": "content", "content": "x"}}, "`prediction`"),
        ({"service_tier": "priority"}, "`service_tier` `priority`"),
        ({"service_tier": ["priority"]}, "`service_tier`"),
        ({"speed": "fast"}, "`speed` `fast`"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "`context_management`"),
        ({"modalities": ["text", "audio"]}, "audio"),
        (user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}), "audio"),
    ],
)
def test_what_nobody_can_bound_is_named(body, named):
    assert named in unsaid(body).boundless


def test_where_the_context_may_be_full_it_is_what_is_held():
    assert Size(input_bytes=100, output_tokens=10, context_tokens=8_192, whole_context=True).input_tokens == 8_192
