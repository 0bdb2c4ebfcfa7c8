"""Calls to clouds whose keys do not last: signed for AWS, with a token that is renewed for Google, each by the cloud's own library.

Their servers speak APIs that we speak (Bedrock: Chat Completions, Responses, Messages; Vertex: Chat Completions). Only the proof of who
calls is different, so nothing is translated, and calls go over our own connections: cancelled, timed and counted as all others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from pointsman.errors import UpstreamUnavailable
from pointsman.upstream.transport import Reply, Transport

_log = logging.getLogger("pointsman.calls")

_MOST_CHARS = 300  # of what a cloud's library says
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

REMEMBERED_S = 5.0
"""How long it is believed, once a look-up has failed, that another would fail as well."""
_HOLDS_S = 30  # credentials of AWS that run out sooner sign nothing more: it takes some time to arrive


class NoProof(Exception):
    """Nothing proves who calls: why, and the cure. For the operator, not for clients: it names files and addresses."""


class Signer(Protocol):
    """Proves who calls."""

    async def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Every header of this call. Raises `NoProof` without credentials, which it may have to wait for."""


class LookUps:
    """Looks for credentials, which may take for ever, where nothing else waits: in a thread of its own, once for all who wait.

    There is one thread at a time for each `name`, though a reload makes other signers: nobody can end one that hangs.
    """

    _running: dict[str, Future[NoProof | None]] = {}  # noqa: RUF012  by name; shared by all of them

    def __init__(self, name: str, look: Callable[[], None]) -> None:
        """`look` raises `NoProof`."""
        self._name, self._look = name, look
        self._mine: Future[NoProof | None] | None = None
        self._ended_s = float("-inf")

    async def wait(self) -> None:
        """Until there was a look-up. Raises the `NoProof` of this one, or of one a moment ago. Who is cancelled leaves others waiting."""
        while (mine := self._mine) is None or (mine.done() and (mine.result() is None or not self._is_recent())):
            if (earlier := self._running.get(self._name)) is None or earlier.done():
                mine = self._begin()
                break
            await asyncio.wrap_future(earlier)  # of a signer that a reload has replaced
        if (error := await asyncio.wrap_future(mine)) is not None:
            raise NoProof(str(error)) from error

    def renew(self) -> None:
        """Look without being waited for, unless it was done a moment ago."""
        running = self._running.get(self._name)
        if (running is None or running.done()) and not self._is_recent():
            self._begin()

    def _is_recent(self) -> bool:
        return time.monotonic() - self._ended_s < REMEMBERED_S

    def _begin(self) -> Future[NoProof | None]:
        found: Future[NoProof | None] = Future()
        self._mine = self._running[self._name] = found
        found.set_running_or_notify_cancel()  # who stops waiting cancels nothing
        threading.Thread(target=self._run, args=(found,), name=f"looks for {self._name}", daemon=True).start()
        return found

    def _run(self, found: Future[NoProof | None]) -> None:
        error: NoProof | None = None
        try:
            self._look()
        except NoProof as raised:
            error = raised
        except BaseException as raised:  # noqa: BLE001  it is raised where it is waited for
            error = NoProof(f"credentials could not be looked for: {_said(raised)}")
            error.__cause__ = raised
        self._ended_s = time.monotonic()
        found.set_result(error)


class SignedTransport:
    """A transport whose calls carry a proof that is made for each."""

    def __init__(self, base_url: str, transport: Transport, signer: Signer, model: str) -> None:
        """`transport` posts to `base_url`; `model`: what the log calls it."""
        self._base_url, self._transport, self._signer, self._model = base_url.rstrip("/"), transport, signer, model
        self._told = False

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Sign and post `body`. Raises as the transport does, and `UpstreamUnavailable` without credentials: the log says why, once."""
        try:
            signed = await self._signer.sign(self._base_url + url_path, headers, body)
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
        self._credentials: Any = None
        self._frozen: Any = None  # as they were found last
        self._look_ups = LookUps(f"AWS, {service}, {region}", self._look)

    async def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers, and three or four more."""
        if not self._lasts(_HOLDS_S):
            await self._look_ups.wait()
        elif not self._lasts(None):
            self._look_ups.renew()
        return await asyncio.to_thread(self._signed, url, headers, body)

    def _lasts(self, for_s: int | None) -> bool:
        """Whether what was found can be used for so long; `None`: for as long as AWS's library would have it."""
        if self._frozen is None:
            return False
        needs_refresh = getattr(self._credentials, "refresh_needed", None)  # only those have it that run out
        return needs_refresh is None or not needs_refresh(for_s)

    def _look(self) -> None:
        from botocore.exceptions import BotoCoreError

        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoProof(
                    "no credentials of AWS were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine"
                    " a role; `aws sts get-caller-identity` says what is found"
                )
            self._frozen = credentials.get_frozen_credentials()
            self._credentials = credentials
        except BotoCoreError as error:
            cure = "see what `aws sts get-caller-identity` says"
            raise NoProof(f"the credentials of AWS could not be used: {_said(error)}: {cure}") from error

    def _signed(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", url, headers=dict(headers), data=body)
        SigV4Auth(self._frozen, self._service, self._region).add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}


class GoogleSigner:
    """A token of the account that Google's tools find: a file's, a login's, or the machine's own."""

    def __init__(self) -> None:
        """Needs the extra `google`."""
        from google.auth.transport.requests import Request

        self._request = Request()
        self._credentials: Any = None
        self._proof: Mapping[str, str] = {}
        self._token: Any = None  # in the proof: the library has the next one before the proof is ready
        self._look_ups = LookUps("Google", self._look)

    async def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers, with a token that holds for some minutes at least."""
        if not self._proof or not self._credentials.valid or self._credentials.token != self._token:
            await self._look_ups.wait()
        return {**headers, **self._proof}

    def _look(self) -> None:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

        proof: dict[str, str] = {}
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[_GOOGLE_SCOPE])
            self._credentials.before_request(self._request, "POST", _GOOGLE_SCOPE, proof)
        except DefaultCredentialsError as error:
            cure = "name a service account's file in GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"
            raise NoProof(f"no credentials of Google were found: {_said(error)}: {cure}") from error
        except GoogleAuthError as error:
            cure = "see what `gcloud auth application-default print-access-token` says"
            raise NoProof(f"no token could be had from Google: {_said(error)}: {cure}") from error
        self._proof, self._token = {name.lower(): value for name, value in proof.items()}, self._credentials.token


def _said(error: BaseException) -> str:
    """On one line, and no longer than a line should be."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARS]}".rstrip(".")
