"""`pointsman fake-upstream` serves until it is told to stop, and keeps its ledger."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pointsman.testing import scripts


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pointsman", "fake-upstream", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("stop", "options"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--bodies",))])
def test_it_serves_until_a_signal(stop: signal.Signals, options: tuple[str, ...], tmp_path: Path):
    ledger = tmp_path / "ledger"
    with start("--port", "0", "--ledger", str(ledger), *options) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:(\d+)/v1$", process.stdout.readline().strip())
            body = json.dumps({"model": "ok@me", "messages": [{"role": "user", "content": "hello"}]}).encode()
            with urllib.request.urlopen(f"{url[0]}/chat/completions", body, timeout=10) as answer:
                assert json.load(answer)["choices"][0]["message"]["content"] == "hello"
            with socket.create_connection(("127.0.0.1", int(url[1]))) as leaving:
                leaving.sendall(b'POST /v1/responses HTTP/1.1\r\ncontent-length: 16\r\n\r\n{"model":"hang"}')
                leaving.shutdown(socket.SHUT_WR)
                assert leaving.recv(1) == b""
            process.send_signal(stop)
            told, wrong = process.stdout.read(), process.stderr.read()
            process.wait(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, wrong) == (0, "")
    assert all(f"{example} " in told for example, _ in scripts.table())
    answered, left = map(json.loads, ledger.read_text().splitlines())
    assert answered.pop("bytes_sent") > 100
    bodies = [call.pop("json", None) for call in (answered, left)]
    assert bodies == ([json.loads(body), {"model": "hang"}] if options else [None, None])
    assert answered == {"model": "ok@me", "url_path": "/v1/chat/completions", "answered": True, "left_after_s": None}
    assert left.pop("left_after_s") > 0
    assert left == {"model": "hang", "url_path": "/v1/responses", "bytes_sent": 0, "answered": False}


def test_what_cannot_be_done_is_told(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, problem in [
            (["--port", port], "cannot listen on 127.0.0.1:"),
            (["--port", "0", "--ledger", str(tmp_path)], "cannot write to `"),
            (["--port", "0", "--bodies"], "--bodies says what stands in the ledger"),
        ]:
            with start(*arguments) as process:
                told, wrong = process.communicate(timeout=10)
            assert (process.returncode, told) == (2, "")
            assert wrong.startswith(problem)
