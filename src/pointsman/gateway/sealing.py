"""What of a request is sealed: at once, or later, once a model was asked. What is erased in between is not sealed again."""

from __future__ import annotations

import logging
import time

import msgspec

from pointsman.core.decision import Decision
from pointsman.errors import RecordError
from pointsman.gateway.live import Live
from pointsman.gateway.responses import Responses
from pointsman.gateway.reviewing import may_be_seen
from pointsman.gateway.subject import subject_of
from pointsman.stores.content_keys import NO_KEY, sealing_key
from pointsman.stores.log import DecisionLog

_log = logging.getLogger("pointsman.gateway")
_encode = msgspec.json.Encoder().encode


async def sealed(decision: Decision, live: Live, responses: Responses, log: DecisionLog) -> str | None:
    """Keep what is asked, where that is wanted; id of the content key without which nothing of the request may be sealed later.

    `None`: nothing will be. Raises `RecordError`, and `RequestError` where what it goes on from was erased.
    """
    request = decision.request
    content, key, contents = request.content, request.caller.key, live.contents
    if content is None:
        return None
    earlier = None if content.previous is None else await responses.sealed_with(key, content.previous)
    if contents is None:
        later = earlier is None and _may_be_sealed(decision, live, responses)
        return await _key_of(subject_of(key, content.body), request.id, responses) if later else earlier
    body, now_ns = _encode(content.body), time.time_ns()
    kept = await contents.seal_again(subject_of(key, content.body), request.id, body, now_ns, earlier)
    if kept is None:
        raise responses.gone(content.previous)
    await log.append("content", request.id, kept)
    return sealing_key(kept)


def _may_be_sealed(decision: Decision, live: Live, responses: Responses) -> bool:
    """Whether the answer is kept on disk, or people may come to see it, or the request."""
    request = decision.request
    route = live.world.snapshot.route_of(request, decision.route)
    if decision.plan is None or request.content is None or route is None:
        return False
    kept = request.api == "responses" and responses.seals and responses.keeps(request.content.body)
    return kept or may_be_seen(decision, route.execution.review)


async def _key_of(subject: str, decision: str, responses: Responses) -> str | None:
    try:
        return await responses.key_of(subject)
    except RecordError as error:  # what is kept of an answer is nothing that the answer depends on
        _log.warning("nothing of a request can be sealed: %s (%s)", error, decision)
        return NO_KEY
