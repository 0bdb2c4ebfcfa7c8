"""What becomes of fields that a model refuses: renamed, left out and told, or reason enough to ask another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pointsman.core.apis import Api
from pointsman.core.refusals import HINTS, Refusals
from pointsman.errors import RequestError

_SILENCE: Final[Mapping[str, object]] = {
    "temperature": 1,
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
}
"""Values that say no more than silence does: left out, they need not be told."""


class Accepted(NamedTuple):
    """A body that a model accepts."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()  #: for `x-pointsman-dropped`


def accepted(api: Api, body: dict[str, Any], refusals: Refusals) -> Accepted:
    """The body, in this API, without what the model refuses. Changes nothing in `body`.

    Raises `RequestError` with `param` for what must not be lost, such as `logprobs` and `stop`: another model may be asked.

    >>> accepted("chat", {"model": "m", "temperature": 0, "max_tokens": 9}, Refusals(("temperature", "max_tokens")))
    Accepted(body={'model': 'm', 'max_completion_tokens': 9}, dropped=('temperature',))
    """
    refused = refusals.at(_effort(api, body))
    found = [name for name in refused if _says(api, body, name)]
    if not found:
        return Accepted(body)
    sent = dict(body)
    if "max_tokens" in found:
        limit = sent.pop("max_tokens")
        sent.setdefault("max_completion_tokens", limit)
    if "budget_tokens" in found:
        sent["thinking"] = {"type": "adaptive"}
    for name in found:
        if name in HINTS:
            sent.pop(name, None)
        elif name != "max_tokens":
            raise RequestError(f"`{name}` cannot be asked of this model", param=name)
    told = (name for name in found if name in HINTS and (name not in _SILENCE or body[name] != _SILENCE[name]))
    return Accepted(sent, tuple("thinking.budget_tokens" if name == "budget_tokens" else name for name in told))


def _says(api: Api, body: Mapping[str, Any], name: str) -> bool:
    """Whether the body says something in this field, wherever its API has it."""
    match name:
        case "max_tokens":
            return api == "chat" and body.get(name) is not None
        case "budget_tokens":
            thinking = body.get("thinking")
            return api == "messages" and isinstance(thinking, dict) and thinking.get("type") == "enabled"
        case "logprobs":
            return bool(body.get("logprobs") or body.get("top_logprobs"))
        case "n":
            return (body.get("n") or 1) != 1
        case "stop":
            return bool(body.get("stop_sequences" if api == "messages" else "stop"))
    return body.get(name) is not None


def _effort(api: Api, body: Mapping[str, Any]) -> str | None:
    if api != "responses":
        effort = body.get("reasoning_effort")
    else:
        reasoning = body.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return effort if isinstance(effort, str) else None
