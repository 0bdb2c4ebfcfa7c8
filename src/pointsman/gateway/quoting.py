"""Questions that quote an answer: who is asked must be allowed to see what is in it."""

from __future__ import annotations

import asyncio

from pointsman.core.decision import Decision
from pointsman.core.request import Request
from pointsman.errors import UpstreamRefused
from pointsman.signals.extract import Search


async def refuse_news(asked: Request, decision: Decision, search: Search | None) -> None:
    """Raise `UpstreamRefused` where a question holds sensitive data of a kind that the request was not decided for."""
    if search is None or asked.content is None:
        return
    found = await asyncio.to_thread(search, asked.content)
    if news := sorted(set(found.labels).difference(decision.ruling.labels)):
        raise UpstreamRefused(
            f"the answer holds what the request did not ({', '.join(news)}): no other model is asked about it", status=502, fault="refused"
        )
