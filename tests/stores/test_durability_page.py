"""The verifier printed in docs/durability.md agrees with ours."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from pointsman.stores.sqlite import SqliteLog

PAGE = Path(__file__).parents[2] / "docs" / "durability.md"


@pytest.fixture
def verifier(tmp_path) -> list[str]:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "verifier.py"
    path.write_text(script)
    return [sys.executable, str(path)]


def test_the_printed_verifier_agrees(tmp_path, verifier):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path) as log:
            await log.put_snapshot("s", b"policy")
            for n in range(9):
                await log.append("decision", f"né{n}", bytes(n))
            return await log.head()

    head = asyncio.run(scene())
    ran = subprocess.run([*verifier, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(head)

    connection = apsw.Connection(str(path))
    connection.execute("DROP TRIGGER log_no_update; UPDATE log SET at_ns = 1 WHERE seq = 4")
    connection.close()
    ran = subprocess.run([*verifier, str(path)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.strip()) == (1, "broken at record 4")
