"""The local model as a `Transport`: OpenAI's chat completions, answered in this process.

Two arms may share one engine: with `tries=1` a request is answered as it stands (a missing
system message is filled in); with more, it is put in several forms one after the
other and the answer the model was surest of is returned, at the cost of all of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import closing

from pointsman.errors import ConfigError, NotFound, PointsmanError, RequestError
from pointsman.upstream.local.answer import Answer, Envelope, Piece, Usage
from pointsman.upstream.local.engine import LocalEngine, Turn
from pointsman.upstream.local.forms import FORMS, Form, forms_for, settled, surest
from pointsman.upstream.local.request import Asked, read_request
from pointsman.upstream.transport import Reply
from pointsman.wire.openai_errors import error_body
from pointsman.wire.sse import encode

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


class LocalModel:
    """One arm on a local engine. Every failure is a `Reply` with an OpenAI error object, as from a server.

    Replies say in `x-local-tries` how many generations were made (of each answer, where several were asked for) and, if more than one
    form was open, in `x-local-form` which one was kept. Usage is the sum over all of them.
    """

    def __init__(self, engine: LocalEngine, tries: int = 1) -> None:
        if not 1 <= tries <= len(FORMS):
            raise ConfigError(f"`tries: {tries}`: a local model tries 1 to {len(FORMS)} forms")
        self._engine, self._tries = engine, tries

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer `body`. Streamed answers begin with the first token of a single try, or once the best of several is known.

        Cancelling it, or closing the reply, stops the generation within a token and frees its slot.
        """
        try:
            if url_path.removeprefix("/v1") != "/chat/completions":
                raise NotFound(f"the local model answers `/chat/completions` only, not `{url_path[:100]}`")
            asked = read_request(body, self._engine.context_tokens)
            forms = forms_for(asked, self._tries)
            envelope = Envelope(asked.model or self._engine.name, asked.top_logprobs, asked.include_usage)
            turn = await self._engine.turn()
            if asked.stream and len(forms) == 1:
                return await _streamed(turn, asked, forms[0], envelope)
            with closing(turn):
                return await (_best(turn, asked, forms, envelope) if len(forms) > 1 else _whole(turn, asked, forms[0], envelope))
        except PointsmanError as error:
            return Reply(error.status, {**JSON, **error.headers()}, _once(error_body(error)), _nothing)

    async def aclose(self) -> None:
        """Nothing to release: the engine belongs to who loaded it."""


async def _streamed(turn: Turn, asked: Asked, form: Form, envelope: Envelope) -> Reply:
    pieces = _live(turn, asked, form)
    try:
        first = await anext(pieces)  # an error before the first token is the reply's own
    except BaseException:
        turn.close()
        raise
    body = _events(envelope, _resume(first, pieces))

    async def aclose() -> None:
        turn.close()

    return Reply(200, {**EVENTS, "x-local-tries": "1"}, body, aclose)


async def _whole(turn: Turn, asked: Asked, form: Form, envelope: Envelope) -> Reply:
    answers = [await _answer(turn, asked, form, choice) for choice in range(asked.choices)]
    usage = sum((answer.usage for answer in answers), Usage())
    return Reply(200, {**JSON, "x-local-tries": "1"}, _once(envelope.whole(answers, usage)), _nothing)


async def _best(turn: Turn, asked: Asked, forms: Sequence[Form], envelope: Envelope) -> Reply:
    tried = await _tries(turn, asked, forms)
    form, best = surest(tried)
    usage = sum((answer.usage for _, answer in tried), Usage())
    told = {"x-local-tries": str(len(tried)), "x-local-form": form.name}
    if asked.stream:
        return Reply(200, {**EVENTS, **told}, _events(envelope, _replay(best), usage), _nothing)
    return Reply(200, {**JSON, **told}, _once(envelope.whole([best], usage)), _nothing)


async def _tries(turn: Turn, asked: Asked, forms: Sequence[Form]) -> Sequence[tuple[Form, Answer]]:
    tried: list[tuple[Form, Answer]] = []
    for form in forms:
        try:
            tried.append((form, await _answer(turn, asked, form, scored=True)))
        except RequestError:
            if not tried:
                raise
            continue  # a form is longer than the request: where it does not fit, the others have to do
        if settled([answer for _, answer in tried]):
            break
    return tried


async def _answer(turn: Turn, asked: Asked, form: Form, choice: int = 0, *, scored: bool = False) -> Answer:
    body = asked.body(form(asked.messages), choice, scored=scored, cached=choice > 0)
    return Answer(tuple([piece async for piece in turn.generate(body)]))


async def _live(turn: Turn, asked: Asked, form: Form) -> AsyncGenerator[tuple[int, Piece], None]:
    try:
        for choice in range(asked.choices):
            body = asked.body(form(asked.messages), choice, cached=choice > 0)
            async for piece in turn.generate(body, last=choice == asked.choices - 1):
                yield choice, piece
    finally:
        turn.close()


async def _resume(first: tuple[int, Piece], rest: AsyncIterator[tuple[int, Piece]]) -> AsyncGenerator[tuple[int, Piece], None]:
    yield first
    async for item in rest:
        yield item


async def _replay(answer: Answer) -> AsyncGenerator[tuple[int, Piece], None]:
    for piece in answer.pieces:
        yield 0, piece


async def _events(envelope: Envelope, pieces: AsyncIterator[tuple[int, Piece]], usage: Usage | None = None) -> AsyncGenerator[bytes, None]:
    """The stream's bytes. `usage` overrides what the pieces say, for an answer that cost more than it shows."""
    counted, opened = Usage(), -1
    try:
        async for choice, piece in pieces:
            if choice > opened:
                yield envelope.opening(choice)
                opened = choice
            if event := envelope.event(choice, piece):
                yield event
            counted += piece.usage or Usage()
        yield envelope.ending(counted if usage is None else usage)
    except PointsmanError as error:
        # No `[DONE]`: whoever reads it must not take it for a whole answer.
        yield encode(error_body(error))


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _nothing() -> None:
    pass
