"""What is measured of a gateway, step by step, against the same requests sent directly to the model server."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateways.contenders import Gateway, Launch, Place
from gateways.environments import program
from gateways.machine import MEASURED, MEASURING, Process, busy_s, free_port, pinned, until

HERE = Path(__file__).parent
CONNECTIONS = 32
EVENTS, GAP_US = 200, 2000  # of a stream
_START_LIMIT_S = 120.0
_NOTE = (
    "Here is the note of this morning's meeting, as it was taken down: the bridge on the lower road is to be closed while its bearings are "
    "looked at, the ferry will have to carry what usually crosses there, and somebody must tell the school. "
)
_SYSTEM = "You read notes for a busy town clerk. Answer in plain words, keep it short, and name every decision that is asked for."


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long each step takes."""

    warm: float = 2.5  #: for those that compile while they run
    saturate: float = 3.0
    rate: float = 5.0
    serial: float = 3.0
    large: float = 2.0
    streams: int = 5  #: how many, one after the other

    def quick(self) -> Seconds:
        """Enough to see that everything works."""
        return Seconds(1.0, 1.5, 1.5, 0.8, 0.8, 2)


class Bench:
    """A model server on one core, ready to measure gateways on the other."""

    def __init__(self, folder: Path, seconds: Seconds, real_time: bool) -> None:
        """Everything is built and written in `folder`."""
        self.folder, self.real_time, self._seconds = folder, real_time, seconds
        os.sched_setaffinity(0, {MEASURING})  # this program, too, stays off the gateway's core
        for name in ("upstream", "load"):
            _build(name, folder)
        self._port = free_port()
        self._upstream = Process(
            [str(folder / "upstream"), str(self._port), str(EVENTS), str(GAP_US)], MEASURING, folder / "upstream.txt", real_time=real_time
        )
        direct = Launch([])
        self._direct = {kind: self._request("direct", kind, direct, self._port) for kind in _BODIES}
        if not until(lambda: _answers(self._port, direct), 5):
            raise RuntimeError(f"the model server did not start: {self._upstream.said()}")

    def close(self) -> None:
        """Stop the model server."""
        self._upstream.stop()

    def measuring_s(self) -> float:
        """Processor time of the model server, and of the load generators that have ended."""
        return self._upstream.cpu_s() + sum(os.times()[2:4])

    def direct(self) -> dict[str, float]:
        """Requests a second without any gateway: the most this bench can measure."""
        found = self.saturate(self._direct["plain"], self._seconds.saturate)
        return {"per_s": found["per_s"], "saturated_p99_ms": round(found["latency"]["p99"] / 1000, 2)}

    def measure(self, gateway: Gateway) -> dict[str, float]:
        """Every figure of one gateway, freshly started. Raises `RuntimeError` where it does not start, or fails a request."""
        running, targets, start_s = self.start(gateway)
        try:
            time.sleep(1.0)
            figures = {"start_s": round(start_s, 2), "pss_idle_mib": round(running.pss_mib(), 1)}
            self.saturate(targets["plain"], self._seconds.warm)
            figures |= self._saturated(running, targets["plain"])
            figures |= self._added("at_50", "rate", 50, self._seconds.rate, targets, "plain")
            figures |= self._added("serial", "serial", 100_000, self._seconds.serial, targets, "plain")
            figures |= {"large_per_s": self.saturate(targets["large"], self._seconds.large)["per_s"]}
            figures |= self._added("large", "serial", 100_000, self._seconds.large, targets, "large")
            figures |= self._streamed(targets)
            return figures | {"pss_after_mib": round(running.pss_mib(), 1)}
        finally:
            running.stop()

    def saturate(self, target: str, seconds: float) -> dict[str, Any]:
        """Keep a target busy: what the load generator saw."""
        return self._load("saturate", CONNECTIONS, seconds, target)[0]

    def keep_busy(self, target: str, seconds: float) -> Process:
        """The same, meanwhile."""
        command = [str(self.folder / "load"), "saturate", str(CONNECTIONS), str(seconds), "0", target]
        return Process(command, MEASURING, self.folder / "busy.txt", real_time=self.real_time)

    def start(self, gateway: Gateway) -> tuple[Process, Mapping[str, str], float]:
        """The running gateway, what to tell the load generator by kind of request, and the seconds until the first answer."""
        home = self.folder / gateway.name.replace(" ", "-")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        place = Place(home, free_port(), self._port)
        launch = gateway.launch(place)
        began = time.monotonic()
        running = Process(launch.command, MEASURED, home / "output.txt", launch.env, self.real_time)
        try:
            port = _told_port(running) if launch.tells_port else place.port
            if not until(lambda: running.ended or _answers(port, launch), _START_LIMIT_S) or running.ended:
                raise RuntimeError(f"did not start: {running.said().strip()[-500:] or 'it said nothing'}")
        except BaseException:
            running.stop()
            raise
        start_s = time.monotonic() - began
        return running, {kind: self._request(home.name, kind, launch, port) for kind in _BODIES}, start_s

    def _saturated(self, running: Process, target: str) -> dict[str, float]:
        def used_s() -> tuple[float, float, float]:
            return (of_gateway := running.cpu_s()), of_gateway + self.measuring_s(), busy_s()

        before, began = used_s(), time.monotonic()
        found = self.saturate(target, self._seconds.saturate)
        took_s = time.monotonic() - began
        of_gateway_s, own_s, all_s = (after - earlier for after, earlier in zip(used_s(), before, strict=True))
        return {
            "per_s": found["per_s"],
            "saturated_p99_ms": round(found["latency"]["p99"] / 1000, 2),
            "cpu_us": round(of_gateway_s / found["answered"] * 1e6, 1),
            "others_cores": round(max(0.0, all_s - own_s) / took_s, 2),
        }

    def _added(self, name: str, mode: str, number: int, seconds: float, targets: Mapping[str, str], kind: str) -> dict[str, float]:
        direct, through = self._load(mode, number, seconds, self._direct[kind], targets[kind])
        return {f"{name}_added_{q}_us": round(through["latency"][q] - direct["latency"][q], 1) for q in ("p50", "p99")}

    def _streamed(self, targets: Mapping[str, str]) -> dict[str, float]:
        one_s = (EVENTS + 1) * GAP_US / 1e6
        seconds = (self._seconds.streams + 1) * one_s * 4
        direct, through = self._load(
            "serial", self._seconds.streams, seconds, self._direct["stream"], targets["stream"], warm_s=1.5 * one_s
        )
        chunks = {f"chunk_added_{q}_us": round(through["chunk"][q] - direct["chunk"][q], 1) for q in ("p50", "p99")}
        return {"first_byte_added_p50_us": round(through["first_byte"]["p50"] - direct["first_byte"]["p50"], 1)} | chunks

    def _load(self, mode: str, number: int, seconds: float, *targets: str, warm_s: float = 0.3) -> list[dict[str, Any]]:
        """One line of the load generator a target. Raises `RuntimeError` where a request failed."""
        command = [str(self.folder / "load"), mode, str(number), str(seconds), str(warm_s), *targets]
        command = pinned(command, MEASURING, self.real_time)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode or not all(line["ok"] and not line["failed"] for line in found):
            raise RuntimeError(f"{mode}: {done.stderr.strip() or 'no request was answered in time'}"[:400])
        return found

    def _request(self, name: str, kind: str, launch: Launch, port: int) -> str:
        """Write a whole request into a file, and say so as the load generator reads it."""
        body = _BODIES[kind](launch.model)
        head = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", **launch.headers, "Content-Length": str(len(body))}
        lines = [f"POST {launch.path} HTTP/1.1", *(f"{key}: {value}" for key, value in head.items()), "", ""]
        file = self.folder / f"{name}-{kind}.http"
        file.write_bytes("\r\n".join(lines).encode() + body)
        return f"{name},{port},{file},{EVENTS if kind == 'stream' else 1}"


def _body(model: str, notes: int, more: Mapping[str, object]) -> bytes:
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _NOTE * notes}]
    return json.dumps({"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 256, **more}).encode()


_BODIES: Mapping[str, Callable[[str], bytes]] = {
    "plain": lambda model: _body(model, 3, {}),
    "large": lambda model: _body(model, 100_000 // len(_NOTE), {}),
    "stream": lambda model: _body(model, 3, {"stream": True, "stream_options": {"include_usage": True}}),
}
"""The requests, by kind, for what a gateway calls the model: about 1 kB, 100 kB, and 1 kB with a streamed answer."""


def _build(name: str, folder: Path) -> None:
    subprocess.run([program("cc"), "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True)


def _answers(port: int, launch: Launch) -> bool:
    """Whether a request gets its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", launch.path, _BODIES["plain"](launch.model), {"Content-Type": "application/json", **launch.headers})
        answer = connection.getresponse()
        return b"t=" in answer.read() and answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _told_port(running: Process) -> int:
    found: list[str] = []

    def told() -> bool:
        found[:] = re.findall(r"^port (\d+)\n", running.said(), re.MULTILINE)
        return bool(found) or running.ended

    until(told, _START_LIMIT_S)
    if not found:
        raise RuntimeError(f"did not say its port: {running.said()}")
    return int(found[0])
