"""The README's first request, as it stands there, against the gateway that `make run` starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import Running, environment, served

pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")
pytestmark = pytest.mark.xdist_group("local-model")

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(tmp_path_factory.mktemp("made")) as running:
        yield running


def block(language: str, containing: str) -> str:
    found = [body for body in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in body]
    assert len(found) == 1, f"one `{language}` block about `{containing}`"
    return found[0]


def run(running: Running, *command: str) -> str:
    env = {**environment(), "POINTSMAN_KEY": running.key, "OPENAI_API_KEY": running.key}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True, cwd=running.folder)
    return done.stdout


def test_curl(running):
    command = block("sh", "/v1/chat/completions").replace("http://127.0.0.1:8080", running.url)
    answer = json.loads(run(running, "bash", "-c", command))
    assert "Paris" in answer["choices"][0]["message"]["content"]


def test_the_official_client(running):
    code = block("python client", "OpenAI").replace("http://127.0.0.1:8080", running.url)
    assert "Paris" in run(running, sys.executable, "-c", code)
