"""Which known models refuse which fields, by their provider's name for them: facts with a source and a date.

A name that is not here refuses nothing that we know of. Where a rule for "every later model" was published, it is applied to later
numbers as well; `refuses` in the configuration says otherwise.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pointsman.core.refusals import NOTHING, Refusals


class Known(NamedTuple):
    """A family of models. The first that fits a name counts."""

    name: re.Pattern[str]
    refusals: Refusals
    source: str
    as_of: str


_ANTHROPIC: Final = "Anthropic, Migrating to Claude Opus 4.7; Bedrock and OpenRouter say the same of it"
_OPENAI: Final = "OpenAI, Reasoning and Using the latest model; rows as pydantic-ai 2.68 verified them against the live API"
_AS_OF: Final = "2026-10-31"

_SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "stop")
_ALWAYS = Refusals(("max_tokens", *_SAMPLING))
_BY_DEFAULT = Refusals(("max_tokens",), _SAMPLING)
_ON_REQUEST = Refusals(("max_tokens",), _SAMPLING, by_default=False)


def _openai(name: str, refusals: Refusals) -> Known:
    return Known(re.compile(rf"(?:^|/)(?:{name})(?![0-9a-z])"), refusals, _OPENAI, _AS_OF)


KNOWN: Final = (
    Known(
        # Both orders of words and both ways to write a number: `claude-opus-4-7`, `us.anthropic.claude-opus-4-7-v1`, `claude-4.7-opus`.
        re.compile(
            r"claude-(?:(?:fable|mythos)-[5-9]|opus-(?:4[.-][7-9](?![0-9])|[5-9])|(?:sonnet|haiku)-[5-9]"
            r"|4[.-][7-9]-opus|[5-9](?:[.-][0-9])?-(?:opus|sonnet|haiku|fable|mythos))"
        ),
        Refusals(("temperature", "top_p", "top_k", "budget_tokens")),
        _ANTHROPIC,
        _AS_OF,
    ),
    _openai(r"gpt-5-chat", NOTHING),  # does not reason
    _openai(r"gpt-5[.-][1-9]-(?:chat|pro)|gpt-5[.-]1-codex", _ALWAYS),
    _openai(r"gpt-5[.-][1-4]", _ON_REQUEST),
    _openai(r"gpt-5[.-][5-9]|gpt-6-(?:sol|luna)|gpt-6[.-]1-terra", _BY_DEFAULT),
    _openai(r"gpt-6-astra|gpt-6[.-]1-sol|gpt-5|o[134]", _ALWAYS),
)


def known_refusals(name: str) -> Refusals:
    """What a model of this name refuses, as far as that is known.

    >>> known_refusals("claude-opus-5-5").always
    ('temperature', 'top_p', 'top_k', 'budget_tokens')
    >>> known_refusals("gpt-4o")
    Refusals(always=(), reasoning=(), by_default=True)
    """
    return next((known.refusals for known in KNOWN if known.name.search(name.lower())), NOTHING)
