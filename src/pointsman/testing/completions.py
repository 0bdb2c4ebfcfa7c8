"""The older `/completions`, as OpenAI's reference describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from pointsman.testing.asked import Asked, MalformedError, Memory, Turn, listed, model_of, optional, words
from pointsman.testing.chat import CREATED, error, error_event, used
from pointsman.testing.framing import event
from pointsman.testing.said import Dialect, Reply, logprobs, pieces


def read(body: Mapping[str, Any], memory: Memory) -> Asked:
    """A request, understood."""
    prompt = _prompt(body.get("prompt"))
    return Asked(
        model=model_of(body),
        raw=body,
        turns=(Turn("user", prompt, words(prompt)),),
        stream=bool(body.get("stream")),
        stop=listed(body.get("stop")),
        max_tokens=body.get("max_tokens"),
        top_logprobs=body.get("logprobs"),
        n=body.get("n") or 1,
    )


def _prompt(prompt: object) -> str:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        return _prompt(prompt[0])
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return " ".join(map(str, prompt))
    if isinstance(prompt, str) and prompt:
        return prompt
    raise MalformedError("Invalid 'prompt': this model takes exactly one.", "prompt", "invalid_value")


def whole(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer in one piece."""
    text = (asked.turns[0].text if asked.raw.get("echo") else "") + reply.text
    told = {} if reply.usage is None else {"usage": used(reply.usage)}
    return {**_envelope(asked), "choices": [_choice(asked, n, text, 0, reply.finish) for n in range(asked.n)], **told}


def events(asked: Asked, reply: Reply) -> Iterator[str]:
    """A stream, event by event."""
    wanted = reply.usage is not None and bool(optional(asked.raw, "stream_options").get("include_usage"))
    told = pieces((asked.turns[0].text if asked.raw.get("echo") else "") + reply.text)
    starts = accumulate(map(len, told), initial=0)
    for piece, start in [*zip(told, starts, strict=False), ("", sum(map(len, told)))]:
        for n in range(asked.n):
            choice = _choice(asked, n, piece, start, None if piece else reply.finish)
            yield event({**_envelope(asked), "choices": [choice], **({"usage": None} if wanted else {})})
    if wanted and reply.usage is not None:
        yield event({**_envelope(asked), "choices": [], "usage": used(reply.usage)})
    yield "data: [DONE]\n\n"


def _choice(asked: Asked, index: int, text: str, start: int, finish: str | None) -> dict[str, Any]:
    said = None if asked.top_logprobs is None or not text else _logprobs(text, start, asked.top_logprobs)
    return {"text": text, "index": index, "logprobs": said, "finish_reason": finish}


def _logprobs(text: str, start: int, top: int) -> dict[str, Any]:
    entries = logprobs(text, top)
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{one["token"]: one["logprob"] for one in entry["top_logprobs"]} for entry in entries],
        "text_offset": [*accumulate((len(entry["token"]) for entry in entries), initial=start)][:-1],
    }


def _envelope(asked: Asked) -> dict[str, Any]:
    return {
        "id": "cmpl-scripted",
        "object": "text_completion",
        "created": CREATED,
        "model": asked.model,
        "system_fingerprint": "fp_scripted",
    }


COMPLETIONS = Dialect(read, whole, error, error_event, events)
