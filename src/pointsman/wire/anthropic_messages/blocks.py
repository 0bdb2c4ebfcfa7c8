"""A client's content blocks as the content parts of Chat Completions.

All text that the model reads becomes text, because routing reads the request there. A block that Chat Completions has no words for
becomes its own JSON text, and only models that speak this API may answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from pointsman.wire.fields import Losses, json_text, read

Part = dict[str, Any]
Blocks = list[dict[str, Any]]

DOCUMENT_NAME: Final = "document.pdf"  #: Chat Completions wants a file name, this API has none


class _Block(Struct, kw_only=True):
    type: Annotated[str, Meta(max_length=256)]
    cache_control: Any = None


class _Text(_Block, kw_only=True):
    text: str
    citations: Any = None


class _Source(Struct):
    type: str
    file_id: str | None = None
    media_type: Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+\Z")] | None = None
    data: str | None = None
    url: str | None = None
    content: str | Blocks | None = None


class _Image(_Block, kw_only=True):
    source: dict[str, Any]


class _Document(_Block, kw_only=True):
    source: dict[str, Any]
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None


class _SearchResult(_Block, kw_only=True):
    source: str
    title: str
    content: Blocks
    citations: dict[str, Any] | None = None


def kind_of(block: Mapping[str, Any], at: str, losses: Losses) -> str:
    """The type of a block; its cache marker is dropped."""
    found = read(block, _Block, at)
    if found.cache_control is not None:
        losses.drop("cache_control")
    return found.type


def parts_of(content: str | Blocks, at: str, losses: Losses) -> list[Part]:
    """The parts of a turn's, a document's or a tool result's content."""
    if isinstance(content, str):
        return [text_part(content)]
    return [part for index, block in enumerate(content) for part in parts_of_block(block, f"{at}[{index}]", losses)]


def parts_of_block(block: dict[str, Any], at: str, losses: Losses) -> list[Part]:
    """What one block becomes."""
    kind = kind_of(block, at, losses)
    translate = _KINDS.get(kind)
    return translate(block, at, losses) if translate else _as_json(block, f"blocks.{kind}", losses)


def text_part(text: str) -> Part:
    """A part that is text."""
    return {"type": "text", "text": text}


def content_of(parts: list[Part]) -> str | list[Part]:
    """Content as simple servers take it: a string where it is one text.

    >>> content_of([text_part("hi")]), content_of([])
    ('hi', '')
    """
    if not parts:
        return ""
    return str(parts[0]["text"]) if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _text(block: Mapping[str, Any], at: str, losses: Losses) -> list[Part]:
    found = read(block, _Text, at)
    if found.citations:
        losses.drop("citations")
    return [text_part(found.text)]


def _image(block: Mapping[str, Any], at: str, losses: Losses) -> list[Part]:
    source = _source(read(block, _Image, at).source, f"{at}.source")
    url = _data_url(source) if source.type == "base64" else source.url if source.type == "url" else None
    return _as_json(block, "files", losses) if url is None else [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Mapping[str, Any], at: str, losses: Losses) -> list[Part]:
    found = read(block, _Document, at)
    source = _source(found.source, f"{at}.source")
    if found.citations and found.citations.get("enabled"):
        losses.drop("citations")
    about = [text for text in (found.title, found.context) if text]
    if source.type == "text" and source.data is not None:
        return [text_part("\n".join([*about, source.data]))]
    if source.type == "content" and source.content is not None:
        inner = parts_of(source.content, f"{at}.source.content", losses)
    elif source.type == "base64" and (url := _data_url(source)) is not None:
        inner = [{"type": "file", "file": {"filename": DOCUMENT_NAME, "file_data": url}}]
    else:
        return _as_json(block, "documents", losses)
    return [text_part("\n".join(about)), *inner] if about else inner


def _search_result(block: Mapping[str, Any], at: str, losses: Losses) -> list[Part]:
    found = read(block, _SearchResult, at)
    if found.citations and found.citations.get("enabled"):
        losses.drop("citations")
    return [text_part(f"{found.title}\n{found.source}"), *parts_of(found.content, f"{at}.content", losses)]


def _source(raw: Mapping[str, Any], at: str) -> _Source:
    return read(raw, _Source, at)


def _data_url(source: _Source) -> str | None:
    return None if source.data is None or source.media_type is None else f"data:{source.media_type};base64,{source.data}"


def _as_json(block: Mapping[str, Any], name: str, losses: Losses) -> list[Part]:
    losses.need_native(name)
    return [text_part(json_text(block))]


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], str, Losses], list[Part]]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
