"""A client's Embeddings body, shown in the words of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import convert, refuse_spellings
from pointsman.wire.openai_completions.prompt import Prompt, as_text, prompts

MOST_INPUTS: Final = 2_048

_MEANT = {"messages": "input", "prompt": "input"}


class _Body(Struct):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: Prompt
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    stream: bool | None = None


_KNOWN = frozenset(_Body.__struct_fields__) | frozenset(_MEANT)


def to_chat(body: Mapping[str, Any]) -> Translation:
    """What there is to read, each input as a user's turn: for labels, word lists and counts. Raises `RequestError` with `param`.

    >>> to_chat({"model": "m", "input": ["one", "two"]}).body["messages"][1]
    {'role': 'user', 'content': 'two'}
    """
    refuse_spellings(body, _KNOWN)
    for name, meant in _MEANT.items():
        if name in body:
            raise RequestError(f"`{name}`: unknown field; write `{meant}`", param=name)
    asked = convert(body, _Body)
    if asked.stream:
        raise RequestError("`stream`: embeddings are not streamed: leave it out", param="stream")
    texts = [as_text(one) for one in prompts(asked.input, "input")]
    if len(texts) > MOST_INPUTS:
        raise RequestError(f"`input`: {len(texts):,} inputs, at most {MOST_INPUTS:,} are taken: send several requests", param="input")
    if not all(texts):
        raise RequestError("`input`: an empty text has no embedding: leave it out", param="input")
    chat = {name: body[name] for name in ("model", "user", "metadata") if name in body}
    chat["messages"] = [{"role": "user", "content": text} for text in texts]
    return Translation(chat)
