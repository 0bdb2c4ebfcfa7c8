"""A client's Completions body as one of Chat Completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import convert, refuse_spellings
from pointsman.wire.openai_chat.request import ChatBody
from pointsman.wire.openai_completions.prompt import Prompt, as_text, prompts

DEFAULT_MAX_TOKENS: Final = 16
MOST_ANSWERS: Final = 128

_MEANT = {"messages": "prompt", "prompt_embeds": "prompt", "max_completion_tokens": "max_tokens"}
_ONLY_CHAT = frozenset(
    {"audio", "function_call", "functions", "modalities", "parallel_tool_calls", "prediction", "tool_choice", "tools", "top_logprobs"}
)


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Body(Struct):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    prompt: Prompt
    suffix: str | None = None
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    n: Annotated[int, Meta(ge=1, le=MOST_ANSWERS)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None


_FIELDS = frozenset(_Body.__struct_fields__)
_KNOWN = _FIELDS | frozenset(ChatBody.__struct_fields__) | _ONLY_CHAT | frozenset(_MEANT)
_REWRITTEN = frozenset({"prompt", "suffix", "echo", "best_of", "max_tokens", "logprobs"})


def to_chat(body: Mapping[str, Any]) -> Translation:
    """The body as Chat Completions writes it: each prompt is a user's turn. Raises `RequestError` with `param`.

    >>> to_chat({"model": "m", "prompt": "Once"}).body
    {'model': 'm', 'messages': [{'role': 'user', 'content': 'Once'}], 'max_tokens': 16}
    """
    refuse_spellings(body, _KNOWN)
    for name, meant in _MEANT.items():
        if name in body:
            raise RequestError(f"`{name}`: unknown field; write `{meant}`", param=name)
    asked = convert(body, _Body)
    given = prompts(asked.prompt, "prompt")
    texts = [as_text(prompt) for prompt in given] + ([asked.suffix] if asked.suffix else [])
    chat = {name: value for name, value in body.items() if name not in _REWRITTEN and name not in _ONLY_CHAT}
    chat["messages"] = [{"role": "user", "content": text} for text in texts]
    chat["max_tokens"] = max(1, DEFAULT_MAX_TOKENS if asked.max_tokens is None else asked.max_tokens)
    if (answers := _answers(asked, len(given))) > 1:
        chat["n"] = answers
    if asked.logprobs is not None:
        chat |= {"logprobs": True, "top_logprobs": asked.logprobs}
    dropped = tuple(name for name in body if name in _ONLY_CHAT and body[name] is not None)
    return Translation(chat, dropped, tuple(_untranslatable(asked, given)))


def _answers(asked: _Body, prompts: int) -> int:
    """Answers that are made, whether or not they are all sent."""
    each = max(asked.n or 1, asked.best_of or 1)
    if each * prompts > MOST_ANSWERS:
        raise RequestError(f"`prompt`: {prompts:,} prompts of {each} answers, at most {MOST_ANSWERS} answers are made", param="prompt")
    if asked.stream and (asked.best_of or 1) > (asked.n or 1):
        raise RequestError("`best_of`: the best of several cannot be streamed: leave `stream` out", param="best_of")
    return each * prompts


def _untranslatable(asked: _Body, given: list[str | list[int]]) -> Iterator[str]:
    if len(given) > 1:
        yield "several_prompts"
    if not isinstance(given[0], str):
        yield "token_prompt"
    if asked.suffix:
        yield "suffix"
    if asked.echo:
        yield "echo"
    if (asked.best_of or 1) > 1:
        yield "best_of"
    if asked.max_tokens == 0:
        yield "max_tokens"
