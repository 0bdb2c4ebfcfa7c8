"""The seam between APIs: what a client's or a provider's format must be able to do.

Every API is translated to and from Chat Completions requests, and its answers to and from `events`. Where client and model speak the same
API nothing is translated: bytes pass through, and are only followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pointsman.core.apis import Api
from pointsman.core.prices import Usage
from pointsman.core.value import value
from pointsman.errors import PointsmanError
from pointsman.wire.events import Event
from pointsman.wire.headers import ClientHeaders


@dataclass(frozen=True, slots=True)
class Translation:
    """A request's body in another API."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()  #: fields the other API has no words for and that change little: the client is told
    untranslatable: tuple[str, ...] = ()  #: what must not be lost: only models that speak the request's own API may answer it


@value
class Completion:
    """What accounting needs of a whole answer."""

    finish_reason: str | None  #: as `events.FinishReason` where it can be said so
    usage: Usage | None
    text: str  #: of all choices, tool calls included; empty where usage is reported
    empty: bool = False  #: it says nothing: no text, no refusal, no tool call
    content: str | None = None  #: the first choice's text, tool calls left out


@dataclass(frozen=True, slots=True)
class Envelope:
    """What surrounds an answer that is written for a client."""

    id: str  #: of the decision; each API puts its own prefix before it
    model: str  #: as the client called it
    created_s: int  #: wall clock, seconds since the epoch
    body: Mapping[str, Any] = field(default_factory=dict)  #: the client's request in its own API, which some answers repeat


class Stream(Protocol):
    """Follows an upstream's stream on its way to the client."""

    @property
    def begun(self) -> bool:
        """A choice has said something beyond whose turn it is, or has ended."""

    @property
    def spoken(self) -> bool:
        """A choice has said something: it has not merely ended."""

    @property
    def done(self) -> bool:
        """The upstream has said that its stream is over."""

    @property
    def usage(self) -> Usage | None:
        """What the upstream has reported so far."""

    @property
    def pieces(self) -> int:
        """Pieces of text and the like that came: near enough a token each."""

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended, `None` while it has not."""

    @property
    def sequence(self) -> int:
        """Number of the client's next event, in an API that numbers them, else 0. The stream's last words do not count."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`: whole events, the stream's last words held back until `ended`.

        Raises `UpstreamRefused` for an error event and `UpstreamStreamBroken` for what is not of this API.
        """

    def ended(self) -> bytes:
        """The stream's last words, once the upstream has closed. Raises `UpstreamStreamBroken` if it ended without its ending."""


class StreamReader(Stream, Protocol):
    """A stream of one API, which can also be read into events: use either `feed` or `read`."""

    def read(self, data: bytes) -> Iterator[Event]:
        """The events completed by `data`. Raises as `feed` does."""


class StreamWriter(Protocol):
    """Writes a stream of one API. Its first call writes whatever comes before everything else."""

    @property
    def sequence(self) -> int:
        """As a `Stream`'s."""

    def write(self, event: Event) -> bytes:
        """Server-sent events that say this; may be empty."""

    def ended(self) -> bytes:
        """The stream's last words."""


class Dialect(Protocol):
    """One API, both ways."""

    api: Api
    path: str  #: under `/v1`
    keep_alive: bytes  #: what may be sent at any moment of a stream and means nothing
    client_headers: ClientHeaders  #: part of the API itself

    def headers(self, key: str) -> dict[str, str]:
        """What a call says in its headers, with the endpoint's key if it has one; a client's `client_headers` go before it."""

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        """A client's body as a Chat Completions body. Raises `RequestError` with `param`; changes nothing in `body`."""

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        """A Chat Completions body as this API's; `model` and `stream` are kept. Changes nothing in `body`."""

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body for a model that speaks the client's API: as it is, but for our own metadata, and with usage asked for."""

    def own_answer(self, answer: bytes, previous: str | None) -> bytes:
        """A whole answer for a client that speaks this API: as it is, but for `previous`, the response that the request goes on from."""

    def reader(self, chat: Mapping[str, Any], *, own: bool, previous: str | None = None) -> StreamReader:
        """A reader of a stream that answers this request (in Chat Completions' words).

        `own`: the client speaks this API as well, and gets only the usage that it asked for. `previous`: as in `own_answer`.
        """

    def writer(self, envelope: Envelope) -> StreamWriter:
        """A writer of the stream for the client that sent `envelope.body`."""

    def read_completion(self, body: bytes) -> Completion:
        """Read a whole answer for accounting. Raises `UpstreamError` when it is none."""

    def read_events(self, body: bytes) -> list[Event]:
        """Read a whole answer into events, which end with `Used` where usage is reported. Raises `UpstreamError` when it is none."""

    def write_answer(self, events: Iterable[Event], envelope: Envelope) -> bytes:
        """The whole answer for the client that sent `envelope.body`."""

    def error_body(self, error: PointsmanError) -> bytes:
        """The JSON body of an error answer."""

    def error_event(self, error: PointsmanError, sequence: int = 0) -> bytes:
        """The server-sent event that ends a stream which failed; `sequence` is the stream's, where one had begun."""
