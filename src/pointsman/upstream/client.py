"""The one egress client. Nothing else in the program calls a model, and it calls none without a clearance."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.clearance import Clearance
from pointsman.core.request import Request
from pointsman.errors import ClearanceError
from pointsman.upstream.transport import Reply, Transport
from pointsman.wire.openai_chat import upstream_body


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached. Known here and nowhere else: neither clients nor records see it."""

    transport: Transport = field(repr=False)
    name: str  #: what the provider calls the model
    api_key: str = field(default="", repr=False)
    timeout_s: float = 600.0


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
