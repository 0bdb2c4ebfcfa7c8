"""Calls to clouds whose keys do not last: signed for AWS, with a token that is renewed for Google, each by the cloud's own library.

Their servers speak APIs that we speak (Bedrock: Chat Completions, Responses, Messages; Vertex: Chat Completions). Only the proof of who
calls is different, so nothing is translated, and calls go over our own connections: cancelled, timed and counted as all others.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from pointsman.errors import ConfigError, UpstreamUnavailable
from pointsman.upstream.transport import Reply, Transport

_BEDROCK = re.compile(r"(?:^|\.)(bedrock-runtime|bedrock-mantle)(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.")
_SERVICES = {"bedrock-runtime": "bedrock", "bedrock-mantle": "bedrock-mantle"}  # what signatures call them
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Signer(Protocol):
    """Proves who calls."""

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Every header of this call. Looks for credentials and renews them, and so may wait: for threads.

        Raises `UpstreamUnavailable` where there are none.
        """


class SignedTransport:
    """A transport whose calls carry a proof that is made for each."""

    def __init__(self, base_url: str, transport: Transport, signer: Signer) -> None:
        """`transport` posts to `base_url`."""
        self._base_url, self._transport, self._signer = base_url.rstrip("/"), transport, signer

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Sign and post `body`. Raises as the transport does, and `UpstreamUnavailable` without credentials."""
        signed = await asyncio.to_thread(self._signer.sign, self._base_url + url_path, headers, body)
        return await self._transport.send(url_path, signed, body)

    async def aclose(self) -> None:
        """As the transport."""
        await self._transport.aclose()


class AwsSigner:
    """Signature Version 4, with the credentials that AWS's tools find: variables, profiles, roles of containers and machines."""

    def __init__(self, base_url: str, region: str = "") -> None:
        """`region` is for an address that does not say it. Raises `ConfigError` if neither does, and without the extra `aws`."""
        found = _BEDROCK.search(urlsplit(base_url).hostname or "")
        if found is None and not region:
            raise ConfigError(
                "`auth: aws` needs a `base_url` of Bedrock, such as `https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1`"
            )
        self._service, self._region = (_SERVICES[found[1]], found[2]) if found else ("bedrock", region)
        try:
            from botocore.session import Session
        except ImportError as error:
            raise ConfigError("`auth: aws` needs a library: pip install 'pointsman[aws]'") from error
        self._session = Session()
        self._lock = threading.Lock()

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers, and three or four more."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        request = AWSRequest("POST", url, headers=dict(headers), data=body)
        try:
            with self._lock:  # looked for once
                credentials = self._session.get_credentials()
            if credentials is None:
                raise UpstreamUnavailable("no credentials of AWS were found: see what `aws sts get-caller-identity` says")
            SigV4Auth(credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        except BotoCoreError as error:  # its sentences name files and addresses
            raise UpstreamUnavailable(f"the credentials of AWS could not be used: {type(error).__name__}") from error
        return {name.lower(): str(value) for name, value in request.headers.items()}


class GoogleSigner:
    """A token of the account that Google's tools find: a file's, a login's, or the machine's own."""

    def __init__(self) -> None:
        """Raises `ConfigError` without the extra `google`."""
        try:
            from google.auth.transport.requests import Request
        except ImportError as error:
            raise ConfigError("`auth: google` needs a library: pip install 'pointsman[google]'") from error
        self._request = Request()
        self._credentials: Any = None
        self._lock = threading.Lock()

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers, with a token that holds for some minutes at least."""
        import google.auth
        from google.auth.exceptions import GoogleAuthError

        sent = dict(headers)
        try:
            with self._lock:  # one renews it, the others have it
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[_GOOGLE_SCOPE])
                self._credentials.before_request(self._request, "POST", url, sent)
        except GoogleAuthError as error:  # its sentences name files and addresses
            raise UpstreamUnavailable(f"no token could be had from Google: {type(error).__name__}") from error
        return {name.lower(): value for name, value in sent.items()}
