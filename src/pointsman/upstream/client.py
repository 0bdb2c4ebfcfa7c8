"""The one egress client. Nothing else in the program calls a model, and it calls none without a clearance."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.clearance import Clearance
from pointsman.core.request import Request
from pointsman.errors import ClearanceError, PointsmanError
from pointsman.upstream.transport import Reply, Transport
from pointsman.wire.openai_chat.request import upstream_body

_SHORTEST_SECRET = 6  # shorter ones are no secrets, and stand in too many words


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached. Known here and nowhere else: neither clients nor records see it."""

    transport: Transport = field(repr=False)
    name: str  #: what the provider calls the model
    api_key: str = field(default="", repr=False)
    timeout_s: float = 600.0
    address: str = field(default="", repr=False)  #: base URL, which no client may learn

    def redacted(self, text: str) -> str:
        """`text` without this endpoint's key and address."""
        host = self.address.partition("://")[2].partition("/")[0]
        for secret in (self.api_key, self.address, host):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[redacted]")
        return text


class Egress:
    """Calls models by their id."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints

    def timeout_s(self, model: str) -> float:
        """The longest a call to this model may take."""
        return self._endpoints[model].timeout_s

    async def call(self, clearance: Clearance, request: Request) -> Reply:
        """Send the request to the model its clearance names.

        Raises `ClearanceError` without a clearance made for this very request, before anything goes out, and `UpstreamError` when the
        upstream cannot be reached. An answer with an error status is returned, not raised.
        """
        if not isinstance(clearance, Clearance) or not clearance.covers(request.id):
            raise ClearanceError(f"request `{request.id}` has no clearance for this call")
        endpoint = self._endpoints[clearance.model]
        return await endpoint.transport.send("/chat/completions", _headers(endpoint), upstream_body(request, endpoint.name))

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


def _headers(endpoint: Endpoint) -> Mapping[str, str]:
    # Built from nothing: no header of the client's travels on.
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if endpoint.api_key:
        headers["authorization"] = f"Bearer {endpoint.api_key}"
    return headers
