"""From start to end as processes: drain, reload, workers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.config.load import load
from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.server.run import bind_shared
from pointsman.server.workers import Handed, Workers
from pointsman.stores.logfile import LogFile, verify
from pointsman.testing.upstream import ScriptedUpstream
from tests.end_to_end.running import environment
from tests.server.raw import Connection

STREAMS = 50


def config(base_url: str, *, drain_s: float = 60.0, policies: str = "[]") -> str:
    return f"""
version: 1
models:
  - {{id: slow, provider: openai-compatible, model: stall-after-2, base_url: "{base_url}", price: {{input: 1, output: 1}}, perimeter: on_prem}}
  - {{id: good, provider: openai-compatible, model: ok, base_url: "{base_url}", price: {{input: 1, output: 1}}, perimeter: on_prem}}
routes: {{}}
policies: {policies}
server: {{drain_s: {drain_s}}}
"""


@dataclass
class Gateway:
    process: asyncio.subprocess.Process
    port: int
    key: str
    file: Path

    async def ask(self, path: str = "/v1/chat/completions", body: object = None) -> Connection:
        connection = await Connection.open(self.port)
        await connection.request(path, body, key=self.key)
        return connection

    async def status(self, path: str, body: object = None) -> int:
        connection = await self.ask(path, body)
        try:
            return (await connection.answered()).status
        finally:
            connection.close()

    async def finds(self, fault: str) -> bool:
        """Whether that is what the gateway finds wrong with its file."""
        connection = await self.ask("/readyz")
        try:
            return fault in (await connection.answered()).json.get("config", "")
        finally:
            connection.close()

    async def streams(self) -> list[Connection]:
        """Streams of which the client has read the beginning."""
        opened = [await self.ask(body=chat("slow", stream=True)) for _ in range(STREAMS)]
        for connection in opened:
            assert (await connection.head())[0] == 200
            await connection.piece()
        return opened

    async def rest(self, connection: Connection) -> bytes:
        rest = b""
        while piece := await connection.piece():
            rest += piece
        connection.close()
        return rest

    async def ended(self) -> str:
        """What it said to the operator, once it has ended well."""
        _, said = await self.process.communicate()
        assert self.process.returncode == 0, said
        assert b"Traceback" not in said, said
        return said.decode()

    def outcomes(self) -> list[Outcome]:
        path = self.file.parent / ".pointsman" / "pointsman.db"
        assert verify(path).ok
        log = LogFile(path)
        try:
            return [from_json(Outcome, entry.body) for entry in log.recent(1_000, kind="outcome")]
        finally:
            log.close()

    def workers(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]


def chat(model: str, **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "one two three"}], **fields}


@asynccontextmanager
async def gateway(folder: Path, text: str, *arguments: str) -> AsyncIterator[Gateway]:
    file = folder / "pointsman.yaml"
    file.write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pointsman", "serve", "--port", "0", *arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        try:
            said = (await process.stdout.readuntil(b"readyz")).decode()
        except asyncio.IncompleteReadError:
            pytest.fail((await process.stderr.read()).decode())
        made = Gateway(process, int(re.search(r"listens on http://[^:]+:(\d+)", said)[1]), re.search(r"(pm_\S+)", said)[1], file)
        await until(lambda: made.status("/readyz"), 200)
        yield made
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()


async def until(ask: Callable, wanted: object) -> None:
    while await ask() != wanted:
        await asyncio.sleep(0.02)


def run(scene: Callable) -> None:
    async def patient() -> None:
        async with asyncio.timeout(60), ScriptedUpstream() as upstream:
            await scene(upstream)

    asyncio.run(patient())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_streams_survive_sigterm(tmp_path, workers):
    async def scene(upstream: ScriptedUpstream) -> None:
        async with gateway(tmp_path, config(upstream.base_url), "--workers", workers) as running:
            streams = await running.streams()
            running.process.send_signal(signal.SIGTERM)
            await until(lambda: running.status("/readyz"), 503)
            upstream.release.set()
            assert all([(await running.rest(stream)).endswith(b"data: [DONE]\n\n") for stream in streams])
            assert "60 s to end" in await running.ended()
            assert [outcome.ok for outcome in running.outcomes()] == [True] * STREAMS

    run(scene)


def test_at_the_deadline_every_stream_hears_why_it_ends(tmp_path):
    async def scene(upstream: ScriptedUpstream) -> None:
        async with gateway(tmp_path, config(upstream.base_url, drain_s=0.1)) as running:
            streams = await running.streams()
            running.process.send_signal(signal.SIGTERM)
            for stream in streams:
                last = (await running.rest(stream)).rstrip().rpartition(b"data: ")[2]
                assert json.loads(last)["error"]["code"] == "shutting_down"
            await running.ended()
            assert [(outcome.status, outcome.error) for outcome in running.outcomes()] == [("error", "shutting_down")] * STREAMS

    run(scene)


def test_workers_drain_when_the_terminal_says_so_and_stop_when_it_says_so_again(tmp_path):
    async def scene(upstream: ScriptedUpstream) -> None:
        async with gateway(tmp_path, config(upstream.base_url), "--workers", "2") as running:
            streams = await running.streams()
            os.killpg(running.process.pid, signal.SIGINT)
            for worker in running.workers():
                os.kill(worker, signal.SIGTERM)  # as a supervisor does that tells every process of a service
            await until(lambda: running.status("/readyz"), 503)
            os.killpg(running.process.pid, signal.SIGINT)
            assert all([b"shutting_down" in await running.rest(stream) for stream in streams])
            await running.ended()

    run(scene)


def test_a_worker_that_dies_is_replaced_and_none_outlives_its_parent(tmp_path):
    async def scene(upstream: ScriptedUpstream) -> None:
        async with gateway(tmp_path, config(upstream.base_url), "--workers", "2") as running:
            first, second = running.workers()
            os.kill(first, signal.SIGKILL)
            statuses = await asyncio.gather(
                *(running.status("/v1/chat/completions", chat("good")) for _ in range(20)), return_exceptions=True
            )
            assert statuses.count(200) >= 10  # what had reached the one that died is lost
            await until(lambda: asyncio.sleep(0, len(running.workers())), 2)
            assert second in running.workers()
            assert first not in running.workers()
            assert [await running.status("/v1/chat/completions", chat("good")) for _ in range(20)] == [200] * 20

            taken = await asyncio.to_thread(second_gateway, tmp_path, running.port)
            assert (taken.returncode, taken.stdout) == (2, "")
            assert f"cannot listen on 127.0.0.1:{running.port}" in taken.stderr

            workers = running.workers()
            running.process.kill()
            await running.process.wait()
            for worker in workers:
                await until(lambda worker=worker: asyncio.sleep(0, gone(worker)), True)

    run(scene)


def second_gateway(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman", "serve", "--workers", "2", "--port", str(port)]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_reloading_under_load_fails_no_request(tmp_path, workers):
    forbidding = "[{name: nothing outside, forbid: {perimeter: [on_prem]}}]"

    async def scene(upstream: ScriptedUpstream) -> None:
        async with gateway(tmp_path, config(upstream.base_url), "--workers", workers) as running:
            statuses: list[int] = []
            enough = asyncio.Event()

            async def client() -> None:
                while not enough.is_set():
                    statuses.append(await running.status("/v1/chat/completions", chat("good")))

            async def all_answer(status: int) -> None:
                seen = 0
                while seen < 20:
                    seen = seen + 1 if await running.status("/v1/chat/completions", chat("good")) == status else 0

            def edit(text: str) -> None:
                (tmp_path / "new").write_text(text)
                (tmp_path / "new").rename(running.file)
                running.process.send_signal(signal.SIGHUP)

            clients = [asyncio.create_task(client()) for _ in range(4)]
            for number in range(30):
                edit("models: 3" if number % 3 == 2 else config(upstream.base_url, drain_s=number))
                await asyncio.sleep(0.02)
            enough.set()
            await asyncio.gather(*clients)
            assert set(statuses) == {200}
            assert await running.status("/readyz") == 200

            edit(config(upstream.base_url, policies=forbidding))
            await all_answer(403)
            running.file.write_text("version: 1")
            if workers == "2":
                os.kill(running.workers()[0], signal.SIGKILL)  # one that is started now has the last sound one too
                await until(lambda: asyncio.sleep(0, len(running.workers())), 2)
            await until(lambda: running.finds("problem"), True)  # which, the log says, and root is told
            await all_answer(403)
            running.process.send_signal(signal.SIGTERM)
            assert "missing key `models`" in await running.ended()

    run(scene)


def test_workers_that_cannot_live_are_given_up():
    handed = Handed(load(config("http://127.0.0.1:9/v1"), "test", {}), None)

    async def scene() -> int:
        listeners = bind_shared("127.0.0.1", 0, 4)
        return await Workers((sys.executable, "-c", "import sys; sys.exit(3)"), listeners, handed).run()

    assert asyncio.run(scene()) == 1


def test_every_worker_knows_a_response_that_is_sealed_and_so_does_the_next_gateway(tmp_path):
    """Each request comes on a connection of its own: the system deals them out."""

    async def scene(upstream: ScriptedUpstream) -> None:
        text = config(upstream.base_url) + "store: {responses: sealed}\n"
        async with gateway(tmp_path, text, "--workers", "3") as running:
            made = await answered(running, "/v1/responses", {"model": "good", "input": "my name is Ada"})
            for _ in range(12):
                assert (await running.status(f"/v1/responses/{made['id']}")) == 200
                asked = {"model": "good", "input": "and?", "previous_response_id": made["id"]}
                following = await answered(running, "/v1/responses", asked)
                assert following["previous_response_id"] == made["id"]
            assert b"my name is Ada" in upstream.ledger[-1].body
            running.process.send_signal(signal.SIGTERM)
            await running.ended()
        async with gateway(tmp_path, text, "--new-key") as later:
            later.key = running.key
            assert (await answered(later, f"/v1/responses/{following['id']}")) == following

    run(scene)


async def answered(running: Gateway, path: str, body: object = None) -> dict[str, object]:
    connection = await running.ask(path, body)
    try:
        answer = await connection.answered()
        assert answer.status == 200, answer.body
        return answer.json
    finally:
        connection.close()
