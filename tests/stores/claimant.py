"""Claims ids in an answer store, prints what it got of each, and holds it until its standard input ends. Run as a process of its own.

claimant.py PATH NOW_NS ID...
"""

from __future__ import annotations

import asyncio
import sys

from pointsman.errors import IdempotencyConflict
from pointsman.stores.log import Claim
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_answers import SqliteAnswers


async def main(path: str, now_ns: str, *ids: str) -> None:
    async with SqliteLog(path) as log:
        answers = SqliteAnswers(log)
        found = await asyncio.gather(*(answers.claim(name.encode(), b"same", int(now_ns)) for name in ids), return_exceptions=True)
        assert all(isinstance(each, Claim | IdempotencyConflict) for each in found), found
        sys.stdout.write("".join("1" if isinstance(each, Claim) else "0" for each in found) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        answers.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
