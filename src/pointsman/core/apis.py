"""The APIs that clients and models speak, and what each of them has words for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

Api = Literal["chat", "responses", "messages", "completions", "embeddings"]
"""OpenAI Chat Completions, OpenAI Responses, Anthropic Messages, OpenAI's older Completions, OpenAI Embeddings."""

Feature = str
"""What a request asks for that not every API has words for: `n`, `logprobs`, ..., or `native:<what>`, which only its own API has."""

TRANSLATED: Final[tuple[Api, ...]] = ("chat", "responses", "messages")
"""APIs into which a request in another one is translated."""

_LACKS: Final[Mapping[Api, frozenset[Feature]]] = {
    "chat": frozenset(),
    "responses": frozenset({"n", "stop", "audio", "functions", "web_search_options", "tool_without_id"}),
    "messages": frozenset({"n", "logprobs", "audio", "functions", "web_search_options", "custom_tools", "allowed_tools"})
    | {"blank_text", "tool_without_id", "no_schema", "other_urls"},
}


def missing(api: Api, asked: Api, features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Features of a request in the API `asked` that `api` cannot express.

    >>> missing("messages", "chat", ("logprobs", "stop")), missing("chat", "messages", ("native:documents",))
    (('logprobs',), ('native:documents',))
    """
    if api == asked:
        return ()
    lacks = _LACKS.get(api, frozenset())
    return tuple(feature for feature in features if feature in lacks or feature.startswith("native:"))


def spoken(apis: Sequence[Api], asked: Api, features: Sequence[Feature]) -> Api | None:
    """The API in which a model that speaks `apis` is asked: the client's own, else the first that can express everything.

    >>> spoken(("chat", "responses"), "responses", ()), spoken(("messages",), "chat", ("n",))
    ('responses', None)
    """
    if asked in apis:
        return asked
    if asked == "embeddings":
        return None
    return next((api for api in apis if api in TRANSLATED and not missing(api, asked, features)), None)
