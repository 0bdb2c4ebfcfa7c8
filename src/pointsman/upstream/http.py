"""Calls over HTTP, on pyreqwest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, PyreqwestError, RequestTimeoutError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from pointsman.errors import UpstreamTimeout, UpstreamUnreachable
from pointsman.upstream.transport import Reply

_CONNECT_TIMEOUT = timedelta(seconds=5)


def new_client() -> Client:
    """One connection pool for all upstreams. Follows no redirects: a provider does not get to name another destination."""
    builder = ClientBuilder().http1_only().no_proxy().tcp_nodelay(True).follow_redirects(False)
    return builder.connect_timeout(_CONNECT_TIMEOUT).gzip(False).build()


class HttpTransport:
    """Posts to one base URL. Error messages never contain it: clients may see them."""

    def __init__(self, base_url: str, client: Client) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body`; return as soon as status and headers are there."""
        # A buffer of 0: with the default of 64 kB a short stream would arrive all at once, at its end.
        builder = self._client.post(self._base_url + url_path).headers(dict(headers)).body_bytes(body)
        request = builder.streamed_read_buffer_limit(0).build_streamed()
        try:
            response = await request.__aenter__()
        except PyreqwestError as error:
            raise _ours(error) from error
        exchange = _Exchange(request, response)
        reply_headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, reply_headers, exchange.chunks(), exchange.aclose)

    async def aclose(self) -> None:
        """Close the pool, which all HTTP transports share."""
        await self._client.close()


class _Exchange:
    """A response being read; closing it early drops the connection, which is how the upstream learns that nobody listens."""

    def __init__(self, request: StreamRequest, response: Response) -> None:
        self._request = request
        self._response = response
        self._closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        read = self._response.body_reader.read_chunk
        try:
            while (chunk := await read()) is not None:
                yield bytes(chunk)
        except PyreqwestError as error:
            raise _ours(error) from error
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._request.__aexit__(None, None, None)


def _ours(error: PyreqwestError) -> UpstreamTimeout | UpstreamUnreachable:
    if isinstance(error, ConnectError | ConnectTimeoutError):
        return UpstreamUnreachable("the model's server could not be reached")
    if isinstance(error, RequestTimeoutError):
        return UpstreamTimeout("the model's server did not answer in time")
    return UpstreamUnreachable("the connection to the model's server was lost")
