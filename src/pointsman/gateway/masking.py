"""Values that a model must not see: placeholders in what it is asked, the values again in what it answers.

The way back is held for as long as the request, and nowhere but in memory.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pointsman.core.labels import UNSEARCHED
from pointsman.core.model import Model
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.errors import PointsmanError, RequestError
from pointsman.signals.extract import Search
from pointsman.signals.sensitivity.texts import UNREAD, Piece, pieces
from pointsman.upstream.client import Letter
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.events import Citation, Event, Finished, Lost, Refusal, Served, Text, ToolArguments, ToolBegan, Used

if TYPE_CHECKING:
    from pointsman.signals.sensitivity.mask import Unmasker

CANNOT_MASK: Final = "cannot_mask"
_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class Mask:
    """What is kept from which models."""

    kinds: frozenset[str]
    perimeters: frozenset[str]
    search: Search

    def hides_from(self, model: Model) -> bool:
        """Whether there is anything that this model must not see."""
        return model.perimeter in self.perimeters

    def concerns(self, signals: Signals, model: Model) -> bool:
        """Whether a request with these signals holds what this model must not see, or may do so."""
        if not self.hides_from(model):
            return False
        return UNSEARCHED in signals.labels or any(found.kind in self.kinds for found in signals.findings)


@dataclass(frozen=True, slots=True)
class Masked:
    """A request with placeholders in it, and what they stand for."""

    request: Request
    values: Mapping[str, str] = field(repr=False)


class Masker:
    """Masks one request, once, off the event loop."""

    def __init__(self, request: Request, mask: Mask) -> None:
        self.mask = mask
        self._request = request
        self._one_at_a_time = asyncio.Lock()
        self._made: Masked | None = None

    async def masked(self) -> Masked:
        """The request as such a model may see it. Raises `RequestError` where that cannot be done."""
        async with self._one_at_a_time:
            if self._made is None:
                self._made = await asyncio.to_thread(masked, self._request, self.mask)
        return self._made


def masked(request: Request, mask: Mask) -> Masked:
    """The request with a placeholder for every value of these kinds. Raises `RequestError` where one would be left."""
    from pointsman.signals.sensitivity.mask import mask as replaced

    content = request.content
    if content is None:
        raise ValueError("a request read from a record has no content to mask")
    parts = tuple(pieces(content.body))
    found = mask.search.among(parts)
    if not found.complete or not found.every:
        raise _unmaskable(_unsearched(parts) if not found.complete else "more of one kind than can be masked")
    made = replaced(content.body, parts, (one for one in found.findings if one.kind in mask.kinds), secrets.token_bytes(_SECRET_BYTES))
    for left in made.left:
        why = "it is split over turns" if not left.whole else f"it stands in {_FORMS.get(parts[left.piece].form, 'another form')}"
        raise _unmaskable(f"`{left.kind}` at {left.where} cannot be replaced: {why}")
    translated = None if content.translated is None else DIALECTS[request.api].to_chat(made.body).body
    return Masked(replace(request, content=replace(content, body=made.body, translated=translated)), made.values)


def _unsearched(parts: Iterable[Piece]) -> str:
    unread = next((part for part in parts if part.form in UNREAD), None)
    if unread is None:
        return "too long to be wholly searched"
    return f"what stands at {unread.where} cannot be read: it is {'token numbers' if unread.form == 'tokens' else 'no text'}"


_FORMS = {"name": "the name of a field", "file": "a file"}


def _unmaskable(why: str) -> RequestError:
    return RequestError(f"the request holds what this model must not see: {why}", code=CANNOT_MASK)


def unmasking_of(letter: Letter, request: Request) -> Unmasking | None:
    """What puts the values back into the answer to a letter; `None` where there are none, or nothing is said (embeddings)."""
    if not letter.values or letter.api == "embeddings":
        return None
    return Unmasking(letter.values, request.response_format != "text")


@dataclass(slots=True)
class Unmasking:
    """Puts the values back into the events of one answer. Thinking stays as the model wrote it: it may be signed."""

    values: Mapping[str, str] = field(repr=False)
    json_text: bool  #: the answer's text is JSON
    _machines: dict[tuple[int, type | int], Unmasker] = field(default_factory=dict, init=False)  #: by choice, and what it says
    _speaking: dict[int, type | int] = field(default_factory=dict, init=False)  #: by choice: text, a refusal, or a tool call's number
    _custom: set[tuple[int, int]] = field(default_factory=set, init=False)

    def whole(self, events: Iterable[Event]) -> Iterator[Event]:
        """All events of an answer."""
        for event in events:
            yield from self.of(event)
        yield from self.ended()

    def of(self, event: Event) -> Iterator[Event]:
        """What is said instead of it, as far as that is known by now."""
        if isinstance(event, Citation):
            yield Lost("citations")  # the values put back, it says nothing any more of where it belongs
        elif isinstance(event, Used | Served | Lost):
            yield event
        elif isinstance(event, Text | Refusal | ToolArguments):
            yield from self._said(event)
        else:
            yield from self._hush(event.choice)
            yield self._changed(event)

    def ended(self) -> Iterator[Event]:
        """What is still held back."""
        for choice in sorted(self._speaking):
            yield from self._hush(choice)

    def text(self, text: str) -> str:
        """The whole text of an answer."""
        return self._whole(text, in_json=self.json_text)

    def mend(self, error: PointsmanError) -> None:
        """Put the values back into what an upstream says went wrong, which is for the client's eyes."""
        error.message = self._whole(error.message)
        error.args = (error.message,)

    def _said(self, event: Text | Refusal | ToolArguments) -> Iterator[Event]:
        what: type | int = event.call if isinstance(event, ToolArguments) else type(event)
        if self._speaking.get(event.choice, what) != what:
            yield from self._hush(event.choice)
        self._speaking[event.choice] = what
        place = (event.choice, what)
        if place not in self._machines:
            in_json = place not in self._custom if isinstance(event, ToolArguments) else self.json_text and isinstance(event, Text)
            self._machines[place] = self._new(in_json=in_json)
        said = replace(event, text=self._machines[place].feed(event.text))
        if said.text or not event.text or (isinstance(event, Text) and event.logprobs):
            yield said

    def _hush(self, choice: int) -> Iterator[Event]:
        """What a choice that goes on to say something else has not said to the end."""
        what = self._speaking.pop(choice, None)
        if what is None or not (held := self._machines[choice, what].finish()):
            return
        if isinstance(what, int):
            yield ToolArguments(what, held, choice)
        else:
            yield Text(held, choice) if what is Text else Refusal(held, choice)

    def _changed(self, event: Event) -> Event:
        if isinstance(event, ToolBegan):
            if event.custom:
                self._custom.add((event.choice, event.call))
            return replace(event, name=self._whole(event.name))
        if isinstance(event, Finished) and event.stop_sequence is not None:
            return replace(event, stop_sequence=self._whole(event.stop_sequence))
        return event

    def _whole(self, text: str, *, in_json: bool = False) -> str:
        machine = self._new(in_json=in_json)
        return machine.feed(text) + machine.finish()

    def _new(self, *, in_json: bool) -> Unmasker:
        from pointsman.signals.sensitivity.mask import Unmasker

        return Unmasker(self.values, in_json=in_json)
