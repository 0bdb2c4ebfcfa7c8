"""Events of ConverseStream as server-sent events of the Messages API."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.errors import UpstreamStreamBroken
from pointsman.wire.bedrock_converse.answer import message_of, redacted, stop_reason, usage_of
from pointsman.wire.openai_chat.unreadable import MALFORMED, UNREADABLE

_HEADS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class ConverseEvents:
    """Writes one stream. Converse says why an answer ended before what it cost; Messages says both at once, so that the former waits."""

    def __init__(self, id: str, model: str) -> None:
        self._id, self._model = id, model
        self._started = self._over = False
        self._open: int | None = None
        self._stop: str | None = None

    def take(self, kind: str, payload: bytes) -> bytes:
        """What an event of this kind becomes; unknown ones nothing. Raises `UpstreamStreamBroken` for what is not of Converse."""
        try:
            event = msgspec.json.decode(payload)
            return self._take(kind, event)
        except MALFORMED as error:
            raise UpstreamStreamBroken("the upstream sent an event that is not of Converse") from error

    def failed(self, kind: str, payload: bytes) -> bytes:
        """The error event for an exception; `kind` is its name."""
        try:
            said = msgspec.json.decode(payload)
        except UNREADABLE:
            said = {"message": payload[:2_000].decode("utf-8", "replace")}
        return _event("error", error={**(said if isinstance(said, dict) else {}), "type": kind})

    def ended(self) -> bytes:
        """What is left to say once the upstream has closed: the end of an answer whose tokens were not told."""
        return self._end(None) if self._stop is not None and not self._over else b""

    def _take(self, kind: str, event: dict[str, Any]) -> bytes:
        match kind:
            case "messageStart":
                return self._start()
            case "contentBlockStart":
                return self._block_start(event["contentBlockIndex"], event.get("start") or {})
            case "contentBlockDelta":
                return self._delta(event["contentBlockIndex"], event["delta"])
            case "contentBlockStop":
                return self._close(event["contentBlockIndex"])
            case "messageStop":
                if not isinstance(reason := event["stopReason"], str):
                    raise TypeError("its `stopReason` is not text")
                self._stop = reason
            case "metadata" if self._stop is not None:
                return self._end(event.get("usage"))
        return b""

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        # What the input was comes at the end; `None` is not a count, and nobody takes it for one.
        usage = {"input_tokens": None, "output_tokens": 0}
        return _event("message_start", message=message_of(self._id, self._model, []) | {"usage": usage})

    def _block_start(self, index: int, start: dict[str, Any]) -> bytes:
        call = start.get("toolUse")
        if call is None or call.get("type") == "server_tool_use":
            return b""
        return self._opened(index, {"type": "tool_use", "id": call["toolUseId"], "name": call["name"], "input": {}})

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        match delta:
            case {"text": str(text)}:
                return self._piece(index, "text", {"type": "text_delta", "text": text})
            case {"toolUse": {"input": str(text)}}:
                if self._open != index:  # of a tool that the provider runs itself
                    return b""
                return _event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": text})
            case {"reasoningContent": {"text": str(text)}}:
                return self._piece(index, "thinking", {"type": "thinking_delta", "thinking": text})
            case {"reasoningContent": {"signature": str(signature)}}:
                return self._piece(index, "thinking", {"type": "signature_delta", "signature": signature})
            case {"reasoningContent": {"redactedContent": blob}} if data := redacted(blob):
                return self._opened(index, {"type": "redacted_thinking", "data": data})
        return b""

    def _piece(self, index: int, kind: str, delta: dict[str, Any]) -> bytes:
        """A piece of a block that Converse does not say the beginning of."""
        begin = b"" if self._open == index else self._opened(index, _HEADS[kind])
        return begin + _event("content_block_delta", index=index, delta=delta)

    def _opened(self, index: int, block: dict[str, Any]) -> bytes:
        out = self._start() + (b"" if self._open is None else self._close(self._open))
        self._open = index
        return out + _event("content_block_start", index=index, content_block=block)

    def _close(self, index: int) -> bytes:
        if self._open != index:
            return b""
        self._open = None
        return _event("content_block_stop", index=index)

    def _end(self, usage: Any) -> bytes:
        assert self._stop is not None
        out = self._start() + (b"" if self._open is None else self._close(self._open))
        self._over = True
        delta = {"stop_reason": stop_reason(self._stop), "stop_sequence": None}
        return out + _event("message_delta", delta=delta, usage=usage_of(usage)) + _event("message_stop")


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode({"type": name, **fields}) + b"\n\n"
