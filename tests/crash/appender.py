"""Appends to a log and prints the id of each record once it is acknowledged. Run as a process of its own, to be killed.

appender.py PATH DURABILITY NAME TASKS COUNT      (COUNT 0: until killed)
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

from pointsman.stores.sqlite import SqliteLog


async def client(log: SqliteLog, name: str, count: int) -> None:
    for n in range(count) if count else itertools.count():
        await log.append("decision", f"{name}-{n}", name.encode() * 100)
        os.write(1, f"{name}-{n}\n".encode())


async def main(path: str, durability: str, name: str, tasks: str, count: str) -> None:
    async with SqliteLog(path, durability) as log:
        await asyncio.gather(*(client(log, f"{name}-{task}", int(count)) for task in range(int(tasks))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
