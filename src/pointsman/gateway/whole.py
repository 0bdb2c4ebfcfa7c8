"""An answer that came whole: what accounting needs of it, what the plan looks at, and what the client gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pointsman.core.answer import Answer
from pointsman.core.request import Request
from pointsman.errors import InvalidOutput, UpstreamError
from pointsman.gateway.careful import careful
from pointsman.gateway.envelope import written
from pointsman.gateway.masking import Unmasking
from pointsman.plans.checks import Check, asked_of, unfit
from pointsman.plans.checks.asked import wanted_schema
from pointsman.plans.checks.fitness import QUICK, failing
from pointsman.plans.steps import Call
from pointsman.upstream.client import Letter
from pointsman.wire.answer import answer_of
from pointsman.wire.dialect import Completion
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.error_body import ErrorBody
from pointsman.wire.events import Event, Served, ToolArguments, Used
from pointsman.wire.left_out import left_out
from pointsman.wire.openai_chat.reading import MOST_PARTS
from pointsman.wire.refused import refused_event

_answer_of, _written = careful(answer_of), careful(written)
_NO_PART: Final = (ToolArguments, Used, Served)  # of a call that is counted, or of the answer as a whole


class Whole:
    """`read` it; what it is stands here as soon as it is known, though a check may refuse it afterwards."""

    def __init__(self, request: Request, call: Call, letter: Letter, unmasking: Unmasking | None) -> None:
        """`request`: as the client asked."""
        self.completion: Completion | None = None
        self.answer: Answer | None = None  #: of a call that looks at it
        self.body = b""  #: as the client gets it
        self.final: bytes | None = None  #: as it would have been unstreamed, where that is told apart from `body`
        self.left_out: tuple[str, ...] = ()  #: what the client's API has no words for
        self._request, self._call, self._api, self._unmasking = request, call, letter.api, unmasking
        self._dialect = DIALECTS[letter.api]

    def read(self, body: bytes, own_checks: Mapping[str, Check]) -> None:
        """Raises `UpstreamError` for what is no answer or cannot be read, `InvalidOutput` for one that a check says is unfit."""
        try:
            read = self.completion = self._completed(body)
        except UpstreamError:
            if ErrorBody(body).is_error:  # some providers say so with status 200
                raise refused_event(body) from None
            raise
        if self._call.checks:
            self._check(body, read, own_checks)
        translated = self._unmasking is not None or self._api != self._request.api
        if self._call.whole:
            events = self._events(body)
            self.answer = _answer_of(events)
            if translated or self._request.stream:
                self._say(events)
                return
        if translated:
            self._say(self._events(body))
        else:
            self.body = self._own(body)

    def _check(self, body: bytes, read: Completion, own_checks: Mapping[str, Check]) -> None:
        request, unmasking, checks = self._request, self._unmasking, self._call.checks
        content = read.content if unmasking is None or read.content is None else unmasking.text(read.content)
        wanted = wanted_schema(request.content) if request.response_format == "json_schema" else None
        truncated = read.finish_reason == "length"
        if (why := unfit(checks, content, empty=read.empty, truncated=truncated, schema=wanted)) is not None:
            raise InvalidOutput(*why)
        # The others take reading the answer as a whole.
        further = [name for name in checks if name not in QUICK and (name != "tool_calls" or request.tools)]
        if further:
            failed = failing(further, _answer_of(self._events(body)), asked_of(request), own_checks)
            if failed is not None:
                raise InvalidOutput(*failed)

    @careful
    def _completed(self, body: bytes) -> Completion:
        return self._dialect.read_completion(body)

    @careful
    def _events(self, body: bytes) -> list[Event]:
        events = self._dialect.read_events(body)
        if len(events) > MOST_PARTS and sum(not isinstance(event, _NO_PART) for event in events) > MOST_PARTS:
            raise UpstreamError(f"the upstream sent an answer of more than {MOST_PARTS:,} parts")
        return events if self._unmasking is None else [*self._unmasking.whole(events)]

    @careful
    def _own(self, body: bytes) -> bytes:
        content = self._request.content
        return self._dialect.own_answer(body, None if content is None else content.previous)

    def _say(self, events: list[Event]) -> None:
        """In words that are not the upstream's."""
        self.body, self.final = _written(self._request, events)
        self.left_out = left_out(events, self._request.api)
