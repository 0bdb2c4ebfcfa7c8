"""The one egress client. Nothing else in the program calls a model, and it calls none without a clearance."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pointsman.core.apis import Api, spoken
from pointsman.core.clearance import Clearance
from pointsman.core.refusals import NOTHING, Refusals
from pointsman.core.request import Request
from pointsman.core.value import value
from pointsman.errors import ClearanceError, PointsmanError
from pointsman.upstream.transport import Reply, Transport
from pointsman.wire.dialect import Translation
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.output_limit import limited
from pointsman.wire.parameters import accepted
from pointsman.wire.thought_signatures import signed, wants_signatures

_log = logging.getLogger("pointsman.calls")

_SHORTEST_SECRET = 6  # shorter ones are no secrets, and stand in too many words
_ANY = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Clocks of one call, in seconds."""

    total_s: float = 600.0
    first_token_s: float = 120.0  #: of a stream, from the call on
    idle_s: float = 60.0  #: of a stream that has begun: the longest silence


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached. Known here and nowhere else: neither clients nor records see it."""

    transport: Transport = field(repr=False)
    name: str  #: what the provider calls the model
    api_key: str = field(default="", repr=False)
    timeouts: Timeouts = Timeouts()
    address: str = field(default="", repr=False)  #: base URL, which no client may learn
    apis: tuple[Api, ...] = ("chat",)
    refuses: Refusals = NOTHING
    #: From the API's words into a format of the provider's own, where the transport speaks one; raises `RequestError`.
    spelled: Callable[[Mapping[str, Any]], Translation] | None = field(default=None, repr=False)

    def redacted(self, text: str) -> str:
        """`text` without this endpoint's key and address."""
        host = self.address.partition("://")[2].partition("/")[0]
        for secret in (self.api_key, self.address, host):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[redacted]")
        return text


@value
class Letter:
    """A request as one model gets it."""

    api: Api
    body: bytes
    dropped: tuple[str, ...] = ()  #: fields of the client's that this API has no words for
    output_tokens: int | None = None  #: the limit in it, of one answer, where one was asked for
    values: Mapping[str, str] = field(default_factory=dict, repr=False)  #: placeholders in it, and what they stand for: stays here


class Egress:
    """Calls models by their id."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints
        self._turned_away: set[str] = set()  # of whom the log has told the cure

    def timeouts(self, model: str) -> Timeouts:
        """The clocks of a call to this model."""
        return self._endpoints[model].timeouts

    def write(self, model: str, request: Request, most_output: int | None = None) -> Letter:
        """The request in an API that the model speaks: the client's own, as far as that is possible.

        Every field the client sent travels on, but for our own. `most_output`: what an answer is limited to if the client sets no limit.
        Raises `RequestError` for what cannot be translated.
        """
        endpoint, content = self._endpoints[model], request.content
        if content is None:
            raise ValueError("a request read from a record has no content to send")
        api = spoken(endpoint.apis, request.api, request.features)
        if api is None:
            raise ValueError(f"`{model}` cannot be asked in any API: a gate should have refused it")
        dialect = DIALECTS[api]
        told: tuple[str, ...] = ()
        if api == request.api:
            body = dialect.own(content.body)
        elif api == "chat":
            body, told = dialect.own(content.chat), content.dropped
        else:
            translated = dialect.from_chat(content.chat)
            body, told = dialect.own(translated.body), (*content.dropped, *translated.dropped, *translated.untranslatable)
        if api == "chat" and wants_signatures(endpoint.name):
            body, unsigned = signed(body)
            told = (*told, *unsigned)
        limit: int | None = None
        if most_output is not None:
            body, limit = limited(api, body, most_output)
        body, refused = accepted(api, body, endpoint.refuses)
        body, told = {**body, "model": endpoint.name}, (*told, *refused)
        if endpoint.spelled is not None:
            spelled = endpoint.spelled(body)
            body, told = spelled.body, (*told, *spelled.dropped)
        return Letter(api, _encode(body), tuple(dict.fromkeys(told)), limit)

    async def call(self, clearance: Clearance, request: Request, letter: Letter) -> Reply:
        """Send a letter to the model its clearance names.

        Raises `ClearanceError` without a clearance made for this very request, before anything goes out, and `UpstreamError` when the
        upstream cannot be reached. An answer with an error status is returned, not raised.
        """
        if not isinstance(clearance, Clearance) or not clearance.covers(request.id):
            raise ClearanceError(f"request `{request.id}` has no clearance for this call")
        endpoint = self._endpoints[clearance.model]
        dialect = DIALECTS[letter.api]
        # Built from nothing: of the client's headers only those travel on that are part of the API itself, and only in that API.
        said = request.content.headers if request.content is not None and letter.api == request.api else {}
        reply = await endpoint.transport.send(dialect.path, {**_ANY, **dialect.headers(endpoint.api_key), **said}, letter.body)
        if reply.status == 401 and clearance.model not in self._turned_away:
            self._turned_away.add(clearance.model)
            key = "its `api_key` is not accepted: set another" if endpoint.api_key else "it has no `api_key`: set one"
            _log.error("`%s` does not accept who calls (status 401): %s, or see `auth` in docs/apis.md", clearance.model, key)
        return reply

    def redact(self, model: str, error: PointsmanError) -> None:
        """Take out of an error what the upstream should not have said in it: the gateway's key, and where the model is."""
        redacted = self._endpoints[model].redacted
        error.message, error.type = redacted(error.message), redacted(error.type)
        error.code = error.code and redacted(error.code)
        error.param = error.param and redacted(error.param)
        error.args = (error.message,)

    async def aclose(self) -> None:
        """Close every transport."""
        transports = {id(endpoint.transport): endpoint.transport for endpoint in self._endpoints.values()}
        await asyncio.gather(*(transport.aclose() for transport in transports.values()))
