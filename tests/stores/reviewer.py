"""Decides tickets, and prints each decision once it is acknowledged. A process of its own, to be raced and killed.

reviewer.py LOG KEYS NAME SEED COUNT OPEN      decides `rev_0` to `rev_<COUNT>`; OPEN: opens them itself, one after the other, before
"""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random

from pointsman.core.request import Caller
from pointsman.core.review import Action
from pointsman.errors import ReviewConflict
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from tests.tickets import CONTENTS, NOW_NS, ticket


def say(*words: str) -> None:
    os.write(1, f"{' '.join(words)}\n".encode())


async def decide(store: SqliteReviews, id: str, name: str, chance: Random) -> None:
    deed = chance.choice(["answer", "approve", "reject"])
    given = Action(deed, text=f"{name} of {id}" if deed == "answer" else "")  # type: ignore[arg-type]
    try:
        done = await store.act(id, given, Caller(name, role="reviewer"), NOW_NS)
        say("ended", id, done.state)
    except ReviewConflict:
        say("lost", id)


async def main(log_path: str, keys_path: str, name: str, seed: str, count: int, opens: bool) -> None:
    chance, keys = Random(seed), ContentKeys(keys_path)
    async with SqliteLog(log_path) as log:
        store = SqliteReviews(log, keys)

        async def one(id: str) -> None:
            if opens:
                await store.open(ticket(id), CONTENTS)
                say("opened", id)
            await decide(store, id, name, chance)

        ids = [f"rev_{name}_{n}" if opens else f"rev_{n}" for n in range(count)]
        say("ready")
        sys.stdin.readline()
        for first in range(0, count, 8):
            await asyncio.gather(*map(one, ids[first : first + 8]))
    keys.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5]), sys.argv[6] == "open"))
