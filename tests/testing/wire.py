"""Calls to a scripted upstream, byte by byte, in each of its dialects."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pointsman.testing import ScriptedUpstream
from tests.server.raw import Answered, Connection

CHAT, COMPLETIONS, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"
GENERATING = [CHAT, COMPLETIONS, RESPONSES, MESSAGES]
ANTHROPIC = {"anthropic_version": "2023-06-01", "x_api_key": "k"}


def body(path: str, model: str, said: str = "one two three", **fields: object) -> dict[str, object]:
    """A small request for any path."""
    messages = {"messages": [{"role": "user", "content": said}]}
    asked = {
        "chat/completions": messages,
        "responses": {"input": said},
        "messages": {**messages, "max_tokens": 1_000},
        "count_tokens": messages,
        "completions": {"prompt": said},
        "embeddings": {"input": said},
    }
    return {"model": model, **next(found for end, found in asked.items() if path.endswith(end)), **fields}


class Caller:
    """A client of one upstream."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream
        self.port = int(re.search(r":(\d+)/", upstream.base_url)[1])

    async def send(self, path: str, request: object, **headers: str) -> Connection:
        connection = await Connection.open(self.port)
        await connection.request(path, request, key="k", **{**ANTHROPIC, **headers})
        return connection

    async def __call__(self, path: str, request: object, **headers: str) -> Answered | None:
        """The answer, or `None` where the connection ends before it does."""
        connection = await self.send(path, request, **headers)
        try:
            return await connection.answered()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        finally:
            connection.close()

    async def json(self, path: str, model: str = "able", said: str = "one two three", **fields: object) -> Any:
        """What a call gives that succeeds."""
        answer = await self(path, body(path, model, said, **fields))
        assert answer is not None
        assert answer.status == 200, answer.body
        return answer.json

    async def events(self, path: str, model: str = "able", said: str = "one two three", **fields: object) -> list[Any]:
        """The events of a stream that ends well, without `[DONE]`."""
        answer = await self(path, body(path, model, said, stream=True, **fields))
        assert answer is not None
        assert answer.status == 200, answer.body
        return [data for data in events(answer.body) if data != "[DONE]"]


def events(stream: bytes) -> list[Any]:
    """The data of each event; a name must be the data's type."""
    *blocks, rest = stream.decode().split("\n\n")
    assert rest == ""
    found = []
    for block in blocks:
        name, data = re.fullmatch(r"(?:event: (.*)\n)?data: (.*)", block).groups()
        found.append(data if data == "[DONE]" else json.loads(data))
        assert name is None or name == found[-1]["type"]
    return found


@asynccontextmanager
async def playing(**options: Any) -> AsyncIterator[Caller]:
    """An upstream that waits for nothing."""
    async with ScriptedUpstream(**options) as upstream:
        upstream.release.set()
        yield Caller(upstream)
