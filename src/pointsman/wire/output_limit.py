"""The most that an answer may have, as each API writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pointsman.core.apis import Api

_FIELDS: Final[Mapping[Api, tuple[str, ...]]] = {
    "chat": ("max_tokens", "max_completion_tokens"),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
    "completions": ("max_tokens",),
    "embeddings": (),
}
_UNSAID: Final[Mapping[Api, int]] = {"completions": 16}
"""What servers take silence to mean: https://platform.openai.com/docs/api-reference/completions/create."""


def limited(api: Api, body: Mapping[str, Any], most: int) -> tuple[dict[str, Any], int]:
    """The body with a limit on its answer, and that limit in tokens: the client's own, else `most`.

    >>> limited("chat", {"model": "m"}, 4096)
    ({'model': 'm', 'max_tokens': 4096}, 4096)
    >>> limited("responses", {"max_output_tokens": 9}, 4096)[1]
    9
    """
    fields = _FIELDS[api]
    said = [body[name] for name in fields if isinstance(body.get(name), int)]
    if said or not fields:
        return dict(body), max(said, default=0)
    limit = min(most, _UNSAID.get(api, most))
    return {**body, fields[0]: limit}, limit
