"""Questions that quote an answer: who is asked must be allowed to see what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from pointsman.core.answer import Answer
from pointsman.core.decision import Decision
from pointsman.core.request import Request
from pointsman.errors import RequestError, UpstreamRefused
from pointsman.gateway.masking import Mask
from pointsman.plans.checks.reading import HEAD, TAIL
from pointsman.signals.extract import Search
from pointsman.signals.sensitivity.texts import Piece


async def refuse_news(asked: Request, decision: Decision, search: Search | None, answers: Iterable[Answer]) -> None:
    """Raise `UpstreamRefused` where a question, or an answer that it may quote a part of, holds sensitive data of a kind that the request
    was not decided for.
    """
    if search is None or asked.content is None:
        return
    found = await asyncio.to_thread(search, asked.content)
    labels = {*found.labels, *(await _labels(search, tuple(_cut(map(_said, answers)))))}
    if news := sorted(labels.difference(decision.ruling.labels)):
        raise UpstreamRefused(
            f"the answer holds what the request did not ({', '.join(news)}): no other model is asked about it", status=502, fault="refused"
        )


async def refuse_parts(request: Request, mask: Mask, answers: Iterable[Answer]) -> None:
    """Raise `RequestError` where a question may hold a part of a text in which something must be hidden: of a part nobody could tell."""
    turns = () if request.content is None else tuple(message.text for message in request.content.messages)
    parts = tuple(_cut([turns, *map(_said, answers)]))
    if not parts:
        return
    found = await asyncio.to_thread(mask.search.among, parts)
    if not found.complete or not found.every or any(one.kind in mask.kinds for one in found.findings):
        raise RequestError("what this model must not see stands in a text that is too long to be quoted whole", code="cannot_mask")


async def _labels(search: Search, parts: Sequence[Piece]) -> tuple[str, ...]:
    return (await asyncio.to_thread(search.among, parts)).labels if parts else ()


def _said(answer: Answer) -> tuple[str, ...]:
    return answer.text, answer.refusal, *(call.arguments for call in answer.tool_calls)


def _cut(quoted: Iterable[Sequence[str]]) -> Iterator[Piece]:
    """All texts of what is so long that a question holds a part of it only."""
    for texts in quoted:
        if sum(map(len, texts)) + len(texts) > HEAD + TAIL:
            yield from (Piece(text, (at,)) for at, text in enumerate(texts))
