"""Calls to clouds whose keys do not last: signed for AWS, with a token that is renewed for Google, each by the cloud's own library.

Their servers speak APIs that we speak (Bedrock: Chat Completions, Responses, Messages; Vertex: Chat Completions). Only the proof of who
calls is different, so nothing is translated, and calls go over our own connections: cancelled, timed and counted as all others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from pointsman.errors import UpstreamUnavailable
from pointsman.upstream.transport import Reply, Transport

_log = logging.getLogger("pointsman.calls")

_MOST_CHARS = 300  # of what a cloud's library says
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class NoProof(Exception):
    """Nothing proves who calls: why, and the cure. For the operator, not for clients: it names files and addresses."""


class Signer(Protocol):
    """Proves who calls."""

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Every header of this call. Looks for credentials and renews them, and so may wait: for threads.

        Raises `NoProof` where there are none.
        """


class SignedTransport:
    """A transport whose calls carry a proof that is made for each."""

    def __init__(self, base_url: str, transport: Transport, signer: Signer, model: str) -> None:
        """`transport` posts to `base_url`; `model`: what the log calls it."""
        self._base_url, self._transport, self._signer, self._model = base_url.rstrip("/"), transport, signer, model
        self._told = False

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Sign and post `body`. Raises as the transport does, and `UpstreamUnavailable` without credentials: the log says why, once."""
        try:
            signed = await asyncio.to_thread(self._signer.sign, self._base_url + url_path, headers, body)
        except NoProof as error:
            if not self._told:
                _log.error("`%s` is unavailable: %s", self._model, error)
            self._told = True
            raise UpstreamUnavailable(f"`{self._model}` is unavailable") from error
        self._told = False
        return await self._transport.send(url_path, signed, body)

    async def aclose(self) -> None:
        """As the transport."""
        await self._transport.aclose()


class AwsSigner:
    """Signature Version 4, with the credentials that AWS's tools find: variables, profiles, roles of containers and machines."""

    def __init__(self, service: str, region: str) -> None:
        """`service`: as signatures call it. Needs the extra `aws`."""
        from botocore.session import Session

        self._service, self._region = service, region
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
                raise NoProof(
                    "no credentials of AWS were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine"
                    " a role; `aws sts get-caller-identity` says what is found"
                )
            SigV4Auth(credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        except BotoCoreError as error:
            cure = "see what `aws sts get-caller-identity` says"
            raise NoProof(f"the credentials of AWS could not be used: {_said(error)}: {cure}") from error
        return {name.lower(): str(value) for name, value in request.headers.items()}


class GoogleSigner:
    """A token of the account that Google's tools find: a file's, a login's, or the machine's own."""

    def __init__(self) -> None:
        """Needs the extra `google`."""
        from google.auth.transport.requests import Request

        self._request = Request()
        self._credentials: Any = None
        self._lock = threading.Lock()

    def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers, with a token that holds for some minutes at least."""
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

        sent = dict(headers)
        try:
            with self._lock:  # one renews it, the others have it
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[_GOOGLE_SCOPE])
                self._credentials.before_request(self._request, "POST", url, sent)
        except DefaultCredentialsError as error:
            cure = "name a service account's file in GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"
            raise NoProof(f"no credentials of Google were found: {_said(error)}: {cure}") from error
        except GoogleAuthError as error:
            cure = "see what `gcloud auth application-default print-access-token` says"
            raise NoProof(f"no token could be had from Google: {_said(error)}: {cure}") from error
        return {name.lower(): value for name, value in sent.items()}


def _said(error: Exception) -> str:
    """On one line, and no longer than a line should be."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARS]}".rstrip(".")
