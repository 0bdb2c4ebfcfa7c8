"""Claude on Google's Vertex AI: the Messages API, with the model in the path and the API's version in the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from pointsman.upstream.transport import Reply, Transport

VERSION: Final = "vertex-2023-10-16"
_OURS: Final = frozenset({"anthropic-version", "x-api-key"})  #: headers of Anthropic's own servers
_letter = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class VertexTransport:
    """Posts letters in Messages to a location's address; answers are Messages as they are."""

    def __init__(self, transport: Transport) -> None:
        """`transport` posts to `.../projects/<project>/locations/<location>`, with a token."""
        self._transport = transport

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body`, whose `model` becomes the path. Raises as the transport does."""
        letter = _letter(body)
        model, stream = msgspec.json.decode(letter.pop("model"), type=str), msgspec.json.decode(letter.get("stream", b"false"))
        path = f"/publishers/anthropic/models/{quote(model, safe='@')}:{'streamRawPredict' if stream is True else 'rawPredict'}"
        said = {name: value for name, value in headers.items() if name not in _OURS}
        return await self._transport.send(path, said, msgspec.json.encode({**letter, "anthropic_version": VERSION}))

    async def aclose(self) -> None:
        """As the transport."""
        await self._transport.aclose()
