"""A gateway process in front of a scripted upstream, with a model for every script in every API that an upstream may speak."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pointsman.testing import Exchange, ScriptedUpstream
from tests.end_to_end.running import environment

PRICE = {"input": 1, "output": 2, "source": "a price list", "as_of": "2026-01-31"}
SAID = "one two three four five"
AT_LENGTH = " ".join(f"word{number}" for number in range(200))

APIS = ("chat", "responses", "messages", "completions", "embeddings")
PATHS = {api: f"/{api}" for api in APIS} | {"chat": "/chat/completions"}
FAULTS = ("cut-after", "fin-after", "reset-after", "error-event-after", "malformed-after", "giant-line")
SCRIPTS = ("ok", "able", "error-500")


@dataclass
class Stage:
    """What a test needs of the gateway and of what is behind it."""

    url: str  #: of the gateway, without `/v1`
    key: str
    upstream: ScriptedUpstream
    loop: asyncio.AbstractEventLoop
    events: dict[str, int]  #: of a stream that says `SAID`, by API

    def calls(self, model: str) -> list[Exchange]:
        """What the upstream saw of a model, by its name there."""
        return [exchange for exchange in self.upstream.ledger if exchange.model == model]

    def left_at(self, model: str, within_s: float) -> list[float | None]:
        """When (wall clock) the callers of a model left; waits for those that have not."""

        async def gone() -> None:
            await self.upstream.until(lambda: all(call.left_at is not None for call in self.calls(model)))

        waiting = asyncio.run_coroutine_threadsafe(asyncio.wait_for(gone(), within_s), self.loop)
        try:
            waiting.result()
        except TimeoutError:
            pass
        offset = time.time() - self.loop.time()
        return [None if call.left_at is None else call.left_at + offset for call in self.calls(model)]


def configuration(base_url: str, events: dict[str, int], own: dict[str, list[str]]) -> str:
    """Every model is `<API>/<script>`. `own` adds scripts of single clients, by API; one that fails gets a chain of two, too."""
    models = [{**_model(base_url, "every", "able"), "apis": list(APIS)}]
    routes = {}
    for api in APIS:
        faults = [f"{fault}-{at}" for fault in FAULTS for at in range(events.get(api, 0))]
        models += [_model(base_url, api, script) for script in (*SCRIPTS, *faults, *own.get(api, ()))]
        models.append({**_model(base_url, api, "ok"), "id": f"{api}/denied", "region": "elsewhere"})
        for script in own.get(api, ()):
            if script.startswith("error-503"):
                models.append({**_model(base_url, api, script), "id": f"{api}/{script}/again"})
                routes[f"{api}/{script}/chain"] = {"models": [f"{api}/{script}"], "fallback": [f"{api}/{script}/again"]}
    return json.dumps(
        {
            "version": 1,
            "models": models,
            "routes": routes,
            "policies": [{"name": "stays here", "forbid": {"region": ["elsewhere"]}}],
            # Faults are wanted here: nothing is asked again, and nothing taken out of service.
            "health": {"failures": 1_000_000, "window": 1_000_000, "share": 1, "retry_share": 0, "retry_floor": 0},
        }
    )


def _model(base_url: str, api: str, script: str) -> dict[str, object]:
    capabilities = {"tools": True, "json_schema": True, "vision": True}
    told = {"provider": "openai-compatible", "base_url": base_url, "api_key": "sk-upstream", "price": PRICE, "context_tokens": 100_000}
    return {"id": f"{api}/{script}", "model": script, "apis": [api], "capabilities": capabilities, **told}


@contextmanager
def upstream_in_a_thread() -> Iterator[tuple[ScriptedUpstream, asyncio.AbstractEventLoop]]:
    """A scripted upstream which keeps its ledger in this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    upstream = ScriptedUpstream()
    try:
        asyncio.run_coroutine_threadsafe(upstream.__aenter__(), loop).result()
        try:
            yield upstream, loop
        finally:
            asyncio.run_coroutine_threadsafe(upstream.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def events_of(base_url: str) -> dict[str, int]:
    """How many events a stream has that says `SAID`, by API."""
    bodies = {
        "chat": {"messages": [{"role": "user", "content": SAID}], "stream_options": {"include_usage": True}},
        "responses": {"input": SAID},
        "messages": {"messages": [{"role": "user", "content": SAID}], "max_tokens": 1_000},
        "completions": {"prompt": SAID, "stream_options": {"include_usage": True}},
    }
    headers = {"content-type": "application/json", "authorization": "Bearer k", "anthropic-version": "2023-06-01"}
    found = {}
    for api, body in bodies.items():
        content = json.dumps({"model": "ok", "stream": True, **body}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{base_url}{PATHS[api]}", content, headers)) as answer:
            found[api] = answer.read().count(b"\n\n")
    return found


@contextmanager
def staged(folder: Path, own: dict[str, list[str]]) -> Iterator[Stage]:
    """The gateway, from its first words to its end by SIGTERM."""
    with upstream_in_a_thread() as (upstream, loop):
        events = events_of(upstream.base_url)
        (folder / "pointsman.yaml").write_text(configuration(upstream.base_url, events, own))
        command = [sys.executable, "-m", "pointsman", "serve", "--port", "0"]
        log = (folder / "gateway.log").open("w")
        with log, subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True) as process:
            said = ""
            for line in process.stdout:
                said += line
                if "ready" in line:
                    break
            url, key = re.search(r"listens on (http://\S+)/v1", said)[1], re.search(r"key +(pm_\S+)", said)[1]
            try:
                yield Stage(url, key, upstream, loop, events)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) in (0, -signal.SIGTERM)
