"""A request as one call asks it: the whole answer of what is to be streamed, another form of the question, a question of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pointsman.core.request import Content, Message, Request, Text
from pointsman.plans.steps import Call, Variation

_STREAMED = ("stream", "stream_options")


def varied(request: Request, call: Call) -> Request:
    """The request that the call is to send; the client's own, unless the call says otherwise."""
    if call.whole and request.stream:
        request = _unstreamed(request)
    variation = call.variation
    if variation is None:
        return request
    return _question(request, variation) if variation.question else _form(request, variation)


def _unstreamed(request: Request) -> Request:
    content = _content(request)
    translated = None if content.translated is None else _without(content.translated)
    return replace(request, stream=False, content=replace(content, body=_without(content.body), translated=translated))


def _without(body: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name not in _STREAMED}


def _question(request: Request, variation: Variation) -> Request:
    """Nothing of what the client said goes along but what the question quotes."""
    said = {"model": request.model, "messages": [{"role": "user", "content": variation.question}], **_settings(variation)}
    content = Content((Message("user", (Text(variation.question),)),), body=said)
    return replace(
        request, api="chat", features=(), stream=False, choices=1, messages=1, images=0, tools=(), response_format="text", content=content
    )


def _form(request: Request, variation: Variation) -> Request:
    """The same, with something added. What only the client's API has words for stays as it is: it could not be added to."""
    content = _content(request)
    if any(feature.startswith("native:") for feature in request.features):
        return request
    chat = {**content.chat, **_settings(variation)}
    if variation.instruction:
        messages = chat.get("messages")
        chat["messages"] = [*(messages if isinstance(messages, list) else ()), {"role": "user", "content": variation.instruction}]
    return replace(request, api="chat", content=Content(content.messages, content.tools, chat, dropped=content.dropped))


def _settings(variation: Variation) -> dict[str, object]:
    wanted = {"max_tokens": variation.max_output_tokens, "temperature": variation.temperature}
    return {name: value for name, value in wanted.items() if value is not None}


def _content(request: Request) -> Content:
    if request.content is None:
        raise ValueError("a request read from a record has no content to send")
    return request.content
