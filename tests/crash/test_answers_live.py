"""Two local models and a scripted stronger one, a gateway that is killed on the way, and a reviewer: nothing is lost, nothing done twice.

`POINTSMAN_LIVE_PROMPTS` says how many prompts; a local model takes some tenths of a second for each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pointsman.stores.logfile import LogFile
from tests.end_to_end.running import environment

PROMPTS = int(os.environ.get("POINTSMAN_LIVE_PROMPTS", "0"))
KEY = "an operator's key that is long enough"
PLANS = ("escalation", "votes", "judged", "doubted")
pytestmark = pytest.mark.skipif(not PROMPTS, reason="asks local models many times: set POINTSMAN_LIVE_PROMPTS=200")

CONFIG = """
version: 1
models:
  - {id: small, provider: local, weights: smollm2-135m, quality: {general: 0.3}}
  - {id: careful, provider: local, weights: smollm2-135m, tries: 2, quality: {general: 0.4}}
  - {id: strong, provider: openai-compatible, base_url: "BASE", model: able, quality: {general: 0.9}, price: {input: 1, output: 1}}
  - {id: judge, provider: openai-compatible, base_url: "BASE", model: "says@better: second@", quality: {general: 0.9}, price: {input: 1, output: 1}}
checks:
  number: {pattern: "^[0-9]+[.]?$"}
routes:
  escalation:
    plan: cascade
    cascade: {tiers: [small, careful, strong], accept: {checks: [number]}}
    fallback: [human]
    review: {sample: 0.1}
  votes: {plan: ensemble, ensemble: {members: [small, careful, strong], vote: weighted}}
  judged: {plan: ensemble, ensemble: {members: [small, strong], vote: judge, judge: judge}}
  doubted: {plan: escalate, cascade: {tiers: [small, careful], accept: {checks: [number]}}, fallback: [human]}
"""


@dataclass
class Seen:
    """What clients and reviewers were told."""

    answered: dict[int, str] = field(default_factory=dict)  #: prompt -> decision
    tickets: dict[str, str] = field(default_factory=dict)  #: ticket -> decision
    decided: dict[str, str] = field(default_factory=dict)  #: ticket -> what the reviewer was told it became


@contextmanager
def process(*arguments: str, folder: Path, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "pointsman", *arguments]
    env = {**environment(), "POINTSMAN_API_KEY": KEY}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if until in line:
                break
        try:
            yield running, said
        finally:
            with suppress(ProcessLookupError):
                running.kill()


def asked(port: int, path: str, body: object = None) -> tuple[int, Any, dict[str, str]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), dict(error.headers)


def prompt(at: int) -> dict[str, object]:
    one, other = random.Random(at).sample(range(2, 60), 2)
    text = f"How much is {one} + {other}? Answer with the number alone."
    return {"model": PLANS[at % len(PLANS)], "max_tokens": 24, "messages": [{"role": "user", "content": text}]}


def ask(port: int, at: int, seen: Seen) -> None:
    with suppress(OSError, ValueError):  # the gateway was killed: this prompt is asked again
        status, answer, headers = asked(port, "/v1/chat/completions", prompt(at))
        decision = headers["x-pointsman-decision-id"]
        if status == 200:
            seen.answered[at] = decision
        else:
            assert answer["error"]["code"] in ("review_required", "review_pending"), answer
            seen.answered[at], seen.tickets[headers["x-pointsman-review-id"]] = decision, decision


def review(port: int, seen: Seen, ended: threading.Event) -> None:
    """Two reviewers at once take whatever waits."""
    while not ended.is_set():
        with suppress(OSError, ValueError, KeyError):
            for ticket in asked(port, "/v1/reviews?limit=20")[1]["data"]:
                deed, body = ("approve", {}) if ticket["offered"] else ("answer", {"text": "Ask me later."})
                status, found, _ = asked(port, f"/v1/reviews/{ticket['id']}/{deed}", body)
                if status == 200:
                    assert ticket["id"] not in seen.decided, "decided twice"
                    seen.decided[ticket["id"]] = found["state"]
        time.sleep(0.05)


def run(folder: Path, left: list[int], seen: Seen, kill_after: int | None) -> None:
    """Ask what is left; kill the gateway once so many have been answered."""
    with process("serve", "--port", "0", folder=folder, until="ready") as (gateway, said):
        port = int(said.split("http://127.0.0.1:")[1].split("/")[0])
        ended = threading.Event()
        reviewers = [threading.Thread(target=review, args=(port, seen, ended)) for _ in range(2)]
        for each in reviewers:
            each.start()
        before = len(seen.answered)
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, port, at, seen) for at in left]
            while kill_after is not None and not all(each.done() for each in asking):
                if len(seen.answered) - before >= kill_after:
                    gateway.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.005)
            for each in asking:
                each.result()
        if kill_after is None:
            while asked(port, "/v1/reviews?limit=1")[1]["data"]:
                time.sleep(0.05)
        ended.set()
        for each in reviewers:
            each.join()


def test_a_live_run_with_kills(tmp_path: Path) -> None:
    with process("fake-upstream", "--port", "0", folder=tmp_path, until="http") as (_, said):
        base = "http://127.0.0.1:" + said.split("http://127.0.0.1:")[1].split()[0].split("/")[0] + "/v1"
        (tmp_path / "pointsman.yaml").write_text(CONFIG.replace("BASE", base), encoding="utf-8")
        seen, kills = Seen(), 3
        for _ in range(kills):
            run(tmp_path, [at for at in range(PROMPTS) if at not in seen.answered], seen, PROMPTS // (kills + 1))
        while left := [at for at in range(PROMPTS) if at not in seen.answered]:
            run(tmp_path, left, seen, None)
    shown(tmp_path, seen)


def shown(folder: Path, seen: Seen) -> None:
    log = LogFile(folder / ".pointsman" / "pointsman.db")
    assert log.verify().ok
    bodies: dict[str, list[dict[str, Any]]] = {}
    for record in log.recent(1_000_000, kind=None):
        bodies.setdefault(record.kind, []).append(json.loads(record.body) if record.body.startswith(b"{") else {})
    ends = Counter(one["id"] for one in bodies["review"] if one["state"] in ("answered", "approved", "rejected", "expired"))
    opened = {one["id"] for one in bodies["review"]}
    assert set(seen.tickets) <= opened, "a ticket that a client was told of is lost"
    assert max(ends.values()) == 1, "a ticket ended twice"
    assert set(seen.decided) <= set(ends), "a decision that a reviewer was told of is lost"
    courses = {one["decision"]: one for one in bodies["course"]}
    assert set(seen.answered.values()) <= set(courses), "an answer has no course"
    fates = Counter(step["fate"] for one in courses.values() for step in one["steps"])
    print(f"\n{PROMPTS} prompts, 3 kills: {len(bodies['outcome'])} calls; answers {dict(fates)}; tickets {len(opened)}, ended {len(ends)}")  # noqa: T201  what it is run for
    assert fates["escalated"]
    assert fates["outvoted"]
    assert fates["to_review"]
    assert any(grade["check"] == "agreement" for one in courses.values() for step in one["steps"] for grade in step["grades"])
    assert any("judge" in step["why"] for one in courses.values() for step in one["steps"])
    log.close()
