"""Content blocks of Messages as blocks of Converse."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from pointsman.errors import RequestError
from pointsman.wire.fields import Losses, known, read

Block = dict[str, Any]

_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_TOOL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_LONGEST_NAME = 150


class _Text(Struct):
    text: str


class _Source(Struct):
    type: str
    media_type: str | None = None
    data: str | None = None


class _Sourced(Struct):
    source: dict[str, Any]
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None


class _ToolUse(Struct):
    id: str
    name: str
    input: dict[str, Any]


class _ToolResult(Struct):
    tool_use_id: str
    content: str | list[Block] | None = None
    is_error: bool | None = None


class _Thinking(Struct):
    thinking: str
    signature: str | None = None


class _Redacted(Struct):
    data: str


class _Cache(Struct):
    type: str = "ephemeral"
    ttl: str | None = None


@dataclass(slots=True)
class Reader:
    """Reads the blocks of one request. `claude`: only Claude has cache points and thinking that goes back to it."""

    claude: bool
    marks_failures: bool
    losses: Losses
    tools_used: bool = False  #: a tool's call or answer has been read
    _documents: int = 0

    def blocks(self, content: str | Sequence[Block], at: str) -> list[Block]:
        """What a turn, a tool's answer or the system's text becomes. Blank text is left out: Converse refuses it."""
        if isinstance(content, str):
            return [{"text": content}] if content.strip() else []
        return [made for index, block in enumerate(content) for made in self._block(block, f"{at}[{index}]")]

    def cache_point(self, marked: Mapping[str, Any], at: str) -> Iterator[Block]:
        """The point that a `cache_control` becomes, after what it marks."""
        if (marker := marked.get("cache_control")) is None:
            return
        if not self.claude or not isinstance(marker, dict):
            self.losses.drop("cache_control")
            return
        found = read(marker, _Cache, f"{at}.cache_control")
        yield {"cachePoint": {"type": "default", **({"ttl": found.ttl} if found.ttl else {})}}

    def _block(self, block: Block, at: str) -> Iterator[Block]:
        match block.get("type"):
            case "text":
                yield from self.blocks(read(block, _Text, at).text, at)
                if block.get("citations"):
                    self.losses.drop("citations")
            case "image":
                yield {"image": _image(read(block, _Sourced, at).source, f"{at}.source")}
            case "document":
                yield self._document(read(block, _Sourced, at), at)
            case "tool_use":
                self.tools_used = True
                call = read(block, _ToolUse, at)
                yield {"toolUse": {"toolUseId": tool_id(call.id), "name": call.name, "input": call.input}}
            case "tool_result":
                self.tools_used = True
                yield self._tool_result(read(block, _ToolResult, at), at)
            case "thinking" | "redacted_thinking" as kind:
                yield from self._thinking(kind, block, at)
            case kind:
                raise cannot(f"a block of type `{known(str(kind))}`", at)
        yield from self.cache_point(block, at)

    def _document(self, block: _Sourced, at: str) -> Block:
        source = read(block.source, _Source, f"{at}.source")
        if block.citations and block.citations.get("enabled"):
            self.losses.drop("citations")
        if source.type == "text" and source.data is not None:
            return {"text": "\n".join(text for text in (block.title, block.context, source.data) if text)}
        if source.type != "base64" or (form := _DOCUMENTS.get(source.media_type or "")) is None or not source.data:
            raise cannot("a document other than text, or data of one of its types", f"{at}.source")
        self._documents += 1
        titled = _NOT_IN_NAMES.sub(" ", block.title or "").strip()[:_LONGEST_NAME] or "document"
        name = f"{titled} {self._documents}"  # two of one name are refused
        described = {"context": block.context} if block.context else {}
        return {"document": {"format": form, "name": name, "source": {"bytes": source.data}, **described}}

    def _tool_result(self, block: _ToolResult, at: str) -> Block:
        shown = self.blocks(block.content or "", f"{at}.content")
        content = [part for part in shown if "cachePoint" not in part]  # a point stands after the answer, never within it
        if len(content) < len(shown):
            self.losses.drop("cache_control")
        if any(not part.keys() <= {"text", "image", "document"} for part in content):
            raise cannot("what the tool's answer holds", f"{at}.content")
        failed: dict[str, str] = {}
        if block.is_error and self.marks_failures:
            failed = {"status": "error"}
        elif block.is_error:
            self.losses.drop("tool_result.is_error")
        return {"toolResult": {"toolUseId": tool_id(block.tool_use_id), "content": content, **failed}}

    def _thinking(self, kind: str, block: Block, at: str) -> Iterator[Block]:
        if not self.claude:
            self.losses.drop("thinking")
        elif kind == "thinking":
            found = read(block, _Thinking, at)
            signed = {"signature": found.signature} if found.signature else {}
            yield {"reasoningContent": {"reasoningText": {"text": found.thinking, **signed}}}
        else:
            data = read(block, _Redacted, at).data.encode("utf-8", "replace")
            yield {"reasoningContent": {"redactedContent": base64.b64encode(data).decode()}}


def tool_id(id: str) -> str:
    """A tool call's id as Converse takes it: itself, or a digest of what it is, always the same.

    >>> tool_id("call_1"), tool_id("a b")
    ('call_1', 'tooluse_c8687a08aa5d6ed2044328fa')
    """
    return id if _TOOL_ID.fullmatch(id) else "tooluse_" + hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:24]


def cannot(what: str, at: str) -> RequestError:
    """The error for what Converse has no words for: another model may be asked."""
    return RequestError(f"`{at}`: {what} cannot be said in Bedrock's Converse, which this model speaks", param=at)


def _image(source: Mapping[str, Any], at: str) -> Block:
    found = read(source, _Source, at)
    if found.type != "base64" or (form := _IMAGES.get(found.media_type or "")) is None or not found.data:
        raise cannot("a picture other than base64 data of PNG, JPEG, GIF or WebP", at)
    return {"format": form, "source": {"bytes": found.data}}
