"""What is left after a power cut, simulated: synced writes stay, any sector written since may or may not have arrived."""

from __future__ import annotations

import asyncio
from bisect import bisect
from random import Random

import pytest

from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.sqlite import SqliteLog
from tests.conftest import EXAMPLES

CUTS = EXAMPLES // 2
BODY = bytes(20_000)  # large, so that 300 of them fill the WAL past its checkpoint


def write_and_cut(tmp_path, disk, after_power_cut, durability, seed):
    """For each of many cuts: how many records had been acknowledged, which are left, and whether the chain holds."""
    acknowledged = []

    async def client(log: SqliteLog, name: str):
        for n in range(75):
            await log.append("decision", f"{name}-{n}", BODY)
            acknowledged.append((len(disk.journal), f"{name}-{n}"))

    async def scene():
        async with SqliteLog(tmp_path / "live" / "log.db", durability, vfs=disk.name) as log:
            opened = len(disk.journal)
            await asyncio.gather(*(client(log, name) for name in "abcd"))
        return opened

    opened, chance = asyncio.run(scene()), Random(seed)
    for number in range(CUTS):
        cut = chance.randrange(opened, len(disk.journal))
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        after_power_cut(disk.journal[:cut], folder, chance)
        promised = {name for _, name in acknowledged[: bisect(acknowledged, (cut, "~"))]}
        yield promised, *reopened(folder / "log.db")


def reopened(path):
    asyncio.run(SqliteLog(path).close())
    file = LogFile(path)
    left = [record.decision for record in file.recent(100_000)]
    file.close()
    return left, verify(path).ok


@pytest.mark.parametrize("seed", [1, 2])
def test_power_keeps_every_acknowledged_record(tmp_path, disk, after_power_cut, seed):
    for promised, left, chain_holds in write_and_cut(tmp_path, disk, after_power_cut, "power", seed):
        assert promised <= set(left)
        assert len(left) == len(set(left))
        assert chain_holds


def test_crash_may_lose_the_last_records_but_never_the_chain(tmp_path, disk, after_power_cut):
    lost = 0
    for promised, left, chain_holds in write_and_cut(tmp_path, disk, after_power_cut, "crash", 3):
        lost += len(promised - set(left))
        assert len(left) == len(set(left))
        assert chain_holds
    assert lost > 0, "otherwise this disk would not tell the two durabilities apart"
