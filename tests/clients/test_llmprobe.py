"""llmprobe's conformance suite against the gateway, in front of a model that can do all that is asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.clients import folder, node
from tests.end_to_end.running import environment

PROBE = "node_modules/llmprobe/bin/dist/llmprobe.mjs"

# What passes, and how many checks there are, by the API that is asked in. Failures below are all there may be.
EVERY = {
    "models": (4, 4),
    "chat": (73, 73),
    "responses": (66, 66),
    "messages": (64, 64),
    "count-tokens": (3, 3),
    "completions": (3, 3),
    "embeddings": (4, 4),
}
TRANSLATED = {name: counts for name, counts in EVERY.items() if name != "embeddings"}
SCORES = {
    "every": (EVERY, {}),
    "chat": (
        {**TRANSLATED, "messages": (64, 65)},
        # Chat Completions does not say which stop sequence it was.
        {"messages-stop-sequence-echo"},
    ),
    "responses": (
        {**TRANSLATED, "chat": (69, 70), "messages": (64, 65)},
        # Responses has no stop sequences: refused, with the reason.
        {"chat-stop-string", "messages-stop-sequence-echo"},
    ),
    "messages": (
        {**TRANSLATED, "chat": (61, 62), "responses": (64, 65)},
        # Messages has no JSON mode but with a schema: dropped, and the client is told.
        {"chat-json-mode", "responses-json-mode"},
    ),
}
TIERS = {"every": (9, 15), "chat": (9, 15), "responses": (9, 14), "messages": (9, 13)}  # of 9 in the core and 15 beyond


@pytest.mark.parametrize("speaks", SCORES)
def test_the_conformance_suite(stage, speaks, tmp_path: Path):
    """`every`: the model speaks each API, and bytes pass through. Else it speaks one, and the others are translated."""
    surfaces, failing = SCORES[speaks]
    command = [
        node(),
        str(folder() / "node" / PROBE),
        stage.url,
        "-k",
        stage.key,
        "-m",
        f"{speaks}/able",
        "--no-bench",
        "--no-save",
        "--json",
    ]
    said = tmp_path / "said.json"
    with said.open("w") as out:  # more than a pipe takes at once, and it does not wait
        subprocess.run(command, env={**environment(), "HOME": str(tmp_path)}, stdout=out, timeout=120, check=False)
    found = json.loads(said.read_text())
    conformance = found["conformance"]
    failed = {result["id"]: result["failures"] for result in conformance["results"] if result["outcome"] == "fail"}
    assert failed.keys() == set(failing), failed
    assert {row["surface"]: (row["passed"], row["total"]) for row in conformance["bySurface"]} == surfaces
    assert tuple(row["supported"] for row in found["coverage"]["byTier"] if row["tier"] in {"core", "extended"}) == TIERS[speaks]
