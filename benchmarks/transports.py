"""What carrying one call upstream costs: our own client beside well-kept ones.

`python benchmarks/transports.py [--seconds 2] [--environments DIR]` prints a table and writes benchmarks/results/transports.json. Each
client posts the same body of 1 kB to the model server of `gateway.py` and reads the whole answer, one call after the other and 32 in
flight; they take turns, five rounds, medians. Timed is the CPU of this process, in which the clients run; the server is another. The
newest releases of the others are installed into DIR (default: ~/.cache/pointsman-bench) and put behind ours on the path.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from gateways.environments import Environments, program
from gateways.machine import MEASURED, MEASURING, Process, described, free_port

from pointsman.upstream.http import HttpTransport, Pool

RESULTS = Path(__file__).parent / "results" / "transports.json"
SOURCE = Path(__file__).parent / "gateways" / "upstream.c"
PATH = "/v1/chat/completions"
HEADERS = {"content-type": "application/json", "accept": "application/json", "authorization": "Bearer k"}
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 900}]}).encode()
ROUNDS, IN_FLIGHT = 5, (1, 32)

Call = Callable[[], Awaitable[int]]
"""One call; how many bytes were answered."""


@asynccontextmanager
async def ours(base: str) -> AsyncIterator[Call]:
    """The product's own."""
    pool = Pool()
    transport = HttpTransport(base, pool)

    async def call() -> int:
        reply = await transport.send(PATH, HEADERS, BODY)
        size = 0
        async for piece in reply.body:
            size += len(piece)
        await reply.aclose()
        return size

    try:
        yield call
    finally:
        await pool.aclose()


@asynccontextmanager
async def pyreqwest(base: str) -> AsyncIterator[Call]:
    """Rust's reqwest, through pyreqwest."""
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().build() as client:

        async def call() -> int:
            request = client.post(base + PATH).headers(HEADERS).body_bytes(BODY).streamed_read_buffer_limit(0).build_streamed()
            async with request as answer:
                size = 0
                while (piece := await answer.body_reader.read()) is not None and piece:
                    size += len(piece)
                return size

        yield call


@asynccontextmanager
async def aiohttp(base: str) -> AsyncIterator[Call]:
    """aiohttp's client."""
    from aiohttp import ClientSession

    async with ClientSession() as session:

        async def call() -> int:
            async with session.post(base + PATH, data=BODY, headers=HEADERS) as answer:
                return len(await answer.read())

        yield call


@asynccontextmanager
async def httpx(base: str) -> AsyncIterator[Call]:
    """httpx's client."""
    from httpx import AsyncClient

    async with AsyncClient() as client:

        async def call() -> int:
            return len((await client.post(base + PATH, content=BODY, headers=HEADERS)).content)

        yield call


CLIENTS: Mapping[str, Callable[[str], object]] = {"pointsman": ours, "pyreqwest": pyreqwest, "aiohttp": aiohttp, "httpx": httpx}


async def calls(call: Call, at_once: int, seconds: float) -> float:
    """Microseconds of CPU that a call takes."""
    end = time.monotonic() + seconds
    done = 0

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < end:
            if await call() < 100:
                raise RuntimeError("an answer was cut")
            done += 1

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.process_time() - before) / done * 1e6


async def measure(base: str, seconds: float) -> dict[str, dict[str, float]]:
    """Medians by client."""
    taken: dict[str, dict[int, list[float]]] = {name: {at_once: [] for at_once in IN_FLIGHT} for name in CLIENTS}
    async with AsyncExitStack() as stack:
        ready = {name: await stack.enter_async_context(opened(base)) for name, opened in CLIENTS.items()}  # type: ignore[arg-type]
        for call in ready.values():
            await calls(call, max(IN_FLIGHT), seconds / 4)
        for _ in range(ROUNDS):
            for name, call in ready.items():
                for at_once in IN_FLIGHT:
                    taken[name][at_once].append(await calls(call, at_once, seconds))
    return {
        name: {f"cpu_us_{at_once}": round(statistics.median(found), 1) for at_once, found in rows.items()} for name, rows in taken.items()
    }


def version(name: str) -> str:
    """Of what was measured."""
    return importlib.metadata.version(name)


def main() -> None:
    """Install what is missing, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each step takes")
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "pointsman-bench")
    given = parser.parse_args()
    environments = Environments(given.environments)
    for name in ("pyreqwest", "aiohttp", "httpx"):
        bin_folder, _ = environments.pip(name, name)
        sys.path += [str(path) for path in (bin_folder.parent / "lib").glob("python*/site-packages")]
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        subprocess.run([program("cc"), "-O2", "-o", str(folder / "upstream"), str(SOURCE)], check=True)
        server = Process([str(folder / "upstream"), str(port), "10", "1000"], MEASURING, folder / "upstream.txt")
        os.sched_setaffinity(0, {MEASURED})
        try:
            time.sleep(0.3)
            found = uvloop.run(measure(f"http://127.0.0.1:{port}", given.seconds))
        finally:
            server.stop()
    rows = {name: {**row, "version": version(name)} for name, row in found.items()}
    for name, row in rows.items():
        print(f"{name:12}", *(f"{key} {value}" for key, value in row.items()))
    measured = datetime.now(UTC).strftime("%Y-%m-%d")
    RESULTS.write_text(json.dumps({"measured": measured, "machine": described(), "rounds": ROUNDS, "clients": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
