"""Text as the older APIs take it: a string, several, or arrays of token numbers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pointsman.errors import RequestError

Token = Annotated[int, Meta(ge=0, lt=2**31)]
Prompt = str | list[str | Token | list[Token]]


def prompts(given: Prompt, param: str) -> list[str | list[int]]:
    """Each prompt: its text, or its tokens. Raises `RequestError` for none, for an array of no tokens, and for different kinds in one list.

    >>> prompts("one", "prompt"), prompts([1, 2], "prompt"), prompts([[1], [2]], "prompt")
    (['one'], [[1, 2]], [[1], [2]])
    """
    if isinstance(given, str):
        return [given]
    texts = [one for one in given if isinstance(one, str)]
    tokens = [one for one in given if isinstance(one, int)]
    arrays = [one for one in given if isinstance(one, list)]
    if not given or not all(arrays):
        raise RequestError(f"`{param}`: nothing in it: give a text", param=param)
    if len(given) not in (len(texts), len(tokens), len(arrays)):
        raise RequestError(f"`{param}`: different kinds in one list: give texts, token numbers, or arrays of token numbers", param=param)
    return [*texts, *arrays] if not tokens else [tokens]


def as_text(prompt: str | list[int]) -> str:
    """A prompt as it can be shown: tokens as JSON."""
    return prompt if isinstance(prompt, str) else msgspec.json.encode(prompt).decode()
