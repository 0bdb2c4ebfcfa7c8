"""The gateway as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai


@dataclass(frozen=True)
class Running:
    url: str
    key: str
    folder: Path
    said: str
    client: openai.OpenAI

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pointsman", *arguments], cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=60
        )


def environment() -> dict[str, str]:
    """No key of any provider, and no proxy between here and loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY") and "proxy" not in name.lower()}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@contextmanager
def served(folder: Path) -> Iterator[Running]:
    """The gateway as a process, from its first words to its end by SIGTERM."""
    command = [sys.executable, "-m", "pointsman", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        said = ""
        for line in process.stdout:
            said += line
            if "ready" in line:
                break
        found = re.search(r"key +(pm_\S+)", said)
        url, key = re.search(r"listens on (http://\S+)/v1", said)[1], found[1] if found else ""
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key or "none", max_retries=0, timeout=120) as client:
            yield Running(url, key, folder, said, client)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
