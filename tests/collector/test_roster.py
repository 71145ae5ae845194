"""Leases: nobody's channel is watched by nobody, a dead one's move on, and the load is shared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector import roster as roster_module
from collector import watcher as watcher_module
from collector.roster import BEAT_SEC, LEASE_SEC, Roster
from collector.snapshot import ChannelSnapshot, Snapshot
from simulator import Broadcast, Channel, Simulator
from store.database import Database
from tests.collector.studio import assert_same, collecting, fetch, gaps, sent_items, stored_items, until
from tests.collector.test_channel import ONE

EIGHT = [f"c{number}" for number in range(8)]


def snapshot(collector_id: str, live: Sequence[str] = ()) -> Snapshot:
    """A collector that is well, with these channels on air."""
    values: dict[str, Any] = dict.fromkeys(Snapshot.__struct_fields__, 0)
    now = datetime.now(UTC)
    values |= {"collector_id": collector_id, "at": now, "started_at": now, "commit_age_sec": None, "delay_sec": None}
    one = {"live": True, "connected": True, "poll_age_sec": 1.0, "frame_age_sec": 1.0}
    counts = {"events": 0, "rejected": 0, "connections": 0, "gaps": 0}
    values["channels"] = [ChannelSnapshot(channel_id=channel_id, **one, **counts) for channel_id in live]  # type: ignore[arg-type]
    return Snapshot(**values)


class Office:
    """Collectors that share a database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self.rosters: dict[str, Roster] = {}

    async def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        return self._pool

    async def beat(
        self, name: str, channels: Sequence[str] = tuple(EIGHT), *, lease: float = 20, live: Sequence[str] = ()
    ) -> set[str]:
        self.rosters[name] = roster = Roster(self.pool, name, channels, lease)
        return await roster.beat(snapshot(name, live))


@pytest.fixture
async def office(plain_database: Database) -> Any:
    async with plain_database.pool(5) as pool:
        yield Office(pool)


async def test_one_collector_has_all_at_once(office: Office) -> None:
    assert await office.beat("a") == set(EIGHT)
    assert await office.beat("a") == set(EIGHT)


async def test_a_second_and_a_third_take_their_share(office: Office) -> None:
    await office.beat("a")
    for _ in range(4):
        for name in "abc":
            held = await office.beat(name)
    shares = [await office.beat(name) for name in "abc"]
    assert sorted(map(len, shares)) == [2, 3, 3]
    assert set.union(*shares) == set(EIGHT)
    assert sum(map(len, shares)) == 8
    assert held


async def test_channels_off_air_move_first(office: Office) -> None:
    await office.beat("a")
    await office.beat("a", live=EIGHT[:5])
    assert await office.beat("b") == {*EIGHT[5:], "c0"}


async def test_what_only_one_wants_stays(office: Office) -> None:
    await office.beat("a")
    assert await office.beat("b", ["c1", "x"]) == {"c1", "x"}
    for _ in range(3):
        mine, theirs = await office.beat("a"), await office.beat("b", ["c1", "x"])
    assert mine | theirs == {*EIGHT, "x"}
    assert mine & theirs == set()


async def test_a_dead_ones_channels_are_free_when_its_leases_end(office: Office) -> None:
    await office.beat("a", lease=0.3)
    await office.beat("b")
    assert len(await office.beat("b")) < 8
    await asyncio.sleep(0.4)
    assert await office.beat("b") == set(EIGHT)
    # Who was only asleep sees that its channels are gone, and takes its share again.
    assert len(await office.beat("a")) == 4


async def test_who_stops_gives_its_channels_back(office: Office, plain_database: Database) -> None:
    await office.beat("a")
    await office.rosters["a"].leave(snapshot("a"))
    assert await office.beat("b") == set(EIGHT)
    stopped = "SELECT collector_id, stopped_at IS NOT NULL FROM collector_status ORDER BY 1"
    assert fetch(plain_database, stopped) == [("a", True), ("b", False)]


async def test_a_restart_under_the_same_name_waits_for_nothing(office: Office) -> None:
    await office.beat("a")
    office.rosters.clear()  # kill -9
    assert await office.beat("a") == set(EIGHT)


async def test_many_at_once_hold_each_channel_once(office: Office, plain_database: Database) -> None:
    for _ in range(3):
        await asyncio.gather(*(office.beat(f"n{number}") for number in range(5)))
    rows = fetch(plain_database, "SELECT count(*), count(DISTINCT channel_id) FROM channel_lease")
    assert rows == [(8, 8)]


def test_a_takeover_is_within_a_minute() -> None:
    assert LEASE_SEC >= 3 * BEAT_SEC
    assert LEASE_SEC + BEAT_SEC < 30


async def test_a_channel_is_handed_over_in_mid_broadcast_without_a_loss(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two collectors, two channels; the second one joins late, and stays when the first one leaves."""
    monkeypatch.setattr(watcher_module, "BEAT_SEC", 0.2)
    monkeypatch.setattr(roster_module, "LEASE_SEC", 1.0)
    channels = [Channel(name, [Broadcast(150, 4, **ONE)]) for name in ("하나", "둘")]
    ids = [channel.channel_id for channel in channels]
    async with Simulator(channels, speed=10) as chzzk, collecting(chzzk, plain_database, ids, home=tmp_path) as one:
        await until(lambda: len(stored_items(plain_database)) > 50, "some chat")
        async with collecting(chzzk, plain_database, ids, home=tmp_path) as two:
            await until(lambda: len(two.watcher.broadcasts) == len(one.watcher.broadcasts) == 1, "a share each")
            held = len(stored_items(plain_database))
            await until(lambda: len(stored_items(plain_database)) > held + 50, "more chat")
            await one.finish()
            await until(lambda: len(two.watcher.broadcasts) == 2, "all of it")
            await until(lambda: len(two.ended) == 2, "both ends")
    for channel in channels:
        stored = stored_items(plain_database, channel.channel_id)
        assert_same(stored, sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(plain_database) == []
    assert fetch(plain_database, "SELECT count(*), count(closed_at) FROM broadcast") == [(2, 2)]
