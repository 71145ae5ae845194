"""A collector that is killed at any moment: what can be had is had by the next one, and gaps say what cannot."""

from __future__ import annotations

import asyncio
import random
import shutil
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL, SIGTERM

from collector.records import Events
from collector.spool import Spool
from simulator import Channel, Simulator
from store.database import Database
from tests.collector.studio import causes, fetch, sent_items, stored_items, until
from tests.collector.test_spool import drained
from tests.faults.command import Place, place, running
from tests.faults.forks import forking
from tests.faults.play import assert_lost_is_in_gaps, assert_lost_so_far_is_in_gaps, busy, further, show
from tests.faults.proxy import DatabaseProxy

SPEED = 20
KILLS = 50
SPARED = 5  # of so many runs one lives until what its recent chat has brought is stored


async def test_killed_fifty_times_in_a_row(plain_database: Database, tmp_path: Path) -> None:
    """At random moments, from before the first connection to well after it.

    Of the quiet channel and the lively one the recent chat reaches back over any outage, of the busy one over none.
    """
    dice, sec = random.Random(50), 46 * SPEED
    quiet = show(name="조용", duration_sec=sec, base_rate=4 / SPEED, quiet_start_sec=0)
    lively = show(name="활발", duration_sec=sec, base_rate=10 / SPEED, quiet_start_sec=0)
    channels = [quiet, lively, busy(SPEED, "수난", sec)]
    async with Simulator(channels, speed=SPEED, seed=4) as chzzk:
        where = place(chzzk, channels, plain_database.url, tmp_path)
        async with forking(where) as forks:
            for number in range(KILLS):
                fork = await forks.start()
                if number % SPARED == 0:
                    await given_back(plain_database, chzzk, channels[number // SPARED % len(channels)])
                await asyncio.sleep(dice.uniform(0.05, 0.85))
                await fork.ended(SIGKILL)
            fork = await forks.start()
            await until(lambda: fetch(plain_database, CLOSED) == [(len(channels),)], "the end of every broadcast")
            await fork.ended(SIGTERM)
    for channel in channels:
        lost = assert_lost_is_in_gaps(plain_database, channel, chzzk.sent(channel.channel_id))
        assert bool(lost) is (channel.name == "수난")
        *killed, last = causes(plain_database, channel.channel_id)
        assert last == "broadcast ended"
        assert set(killed) == {"collector killed"}
        assert len(killed) >= KILLS // SPARED
    # A gap is wider than what is lost only where the kill came between a row and the note that it is there.
    assert len(fetch(plain_database, TOO_WIDE)) <= 3
    assert fetch(plain_database, "SELECT count(*) FROM broadcast") == [(len(channels),)]


CLOSED = "SELECT count(*) FROM broadcast WHERE close_cause = 'closed'"
TOO_WIDE = """
    SELECT FROM gap WHERE EXISTS (
        SELECT FROM event AS e
        WHERE e.broadcast_id = gap.broadcast_id AND e.ts > gap.from_ts AND e.ts < gap.to_ts AND e.user_id IS NOT NULL
    )
"""


async def given_back(database: Database, chzzk: Simulator, channel: Channel) -> None:
    """Returns when what the recent chat gives to the run that begins now is stored."""
    began = len(chzzk.connections)
    known = {id(item): item.recalled for item in chzzk.sent(channel.channel_id)}

    def asked() -> bool:
        new = [record for record in chzzk.connections[began:] if record.channel_id == channel.channel_id]
        return any(record.recent_asked for record in new)

    await until(asked, "a request for the recent chat")
    back = [item for item in chzzk.sent(channel.channel_id) if item.recalled > known.get(id(item), 0)]
    assert back
    rows = set(sent_items(channel.channel_id, back))
    await until(lambda: rows <= set(stored_items(database, channel.channel_id)), "the recent chat's rows")


# It kills itself when it has noted that nothing is missing up to its recent chat, which comes half a second late.
DIES = """
import asyncio, os, signal
from chzzkpy.unofficial.chat.gateway import ChzzkWebSocket
from collector import committer, writer
from nokchart.cli import main

commit, ask = committer.Committer.commit, ChzzkWebSocket.request_recent_chat

async def dies(self, batch):
    done = await commit(self, batch)
    if any(getattr(record, "query", None) == "close_gap" for record in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return done

async def late(self, *given):
    asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(ask(self, *given)))

committer.Committer.commit, ChzzkWebSocket.request_recent_chat = dies, late
writer.BATCH_ROWS = 1
main()
"""


async def test_killed_as_soon_as_nothing_is_missing(plain_database: Database, tmp_path: Path) -> None:
    """What has come late is stored before it is said to be there; and nobody else could bring it afterwards."""
    channel = show(duration_sec=4000, base_rate=60 / SPEED, quiet_start_sec=0)
    async with Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], plain_database.url, tmp_path)
        async with running(where, ("-c", DIES)) as run:
            assert (await run.ended())[0] == -SIGKILL
        assert stored_items(plain_database)
        await further(chzzk, channel, 150)
        async with running(where) as run:
            await run.received(120)
            run.signal(SIGTERM)
            assert (await run.ended())[0] == 0
        sent = chzzk.sent(channel.channel_id)
    assert assert_lost_so_far_is_in_gaps(plain_database, channel, sent)


async def test_killed_and_the_broadcast_is_over_before_the_next_start(plain_database: Database, tmp_path: Path) -> None:
    channel = show(duration_sec=120, base_rate=100 / SPEED)
    async with Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], plain_database.url, tmp_path)
        async with forking(where) as forks:
            fork = await forks.start()
            await until(lambda: stored_items(plain_database), "a row")
            await fork.ended(SIGKILL)
            await chzzk.wait_finished()
            fork = await forks.start()
            await until(lambda: fetch(plain_database, "SELECT FROM broadcast WHERE closed_at IS NOT NULL"), "the end")
            await fork.ended(SIGTERM)
    assert len(assert_lost_is_in_gaps(plain_database, channel, chzzk.sent(channel.channel_id))) > 100
    ends = "SELECT close_cause, closed_at - opened_at FROM broadcast"
    assert fetch(plain_database, ends) == [("unseen", timedelta(seconds=120))]
    assert causes(plain_database) == ["collector killed"]


async def test_what_was_spooled_survives_kills(plain_database: Database, tmp_path: Path) -> None:
    """Killed three times while the database is away, and five times while the spool comes back."""
    dice, channel = random.Random(7), busy(SPEED)
    kept: set[tuple[int, int]] = set()
    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        async with forking(where) as forks:
            fork = await forks.start()
            await until(lambda: stored_items(plain_database), "a row")
            for number in range(3):
                proxy.down()
                if number:
                    fork = await forks.start()
                size = where.spool_bytes()
                await until(lambda size=size: where.spool_bytes() > size + 50_000, "a spool that grows")
                await asyncio.sleep(dice.uniform(0.0, 0.5))
                await fork.ended(SIGKILL)
                kept |= spooled(where, tmp_path / f"spool {number}")
            assert len(kept) > 1000
            await proxy.up()
            for _ in range(5):  # in the middle of the replay
                fork = await forks.start()
                await asyncio.sleep(dice.uniform(0.05, 0.4))
                await fork.ended(SIGKILL)
            fork = await forks.start()
            newest = chzzk.sent(channel.channel_id)[-1].time_ms
            await until(lambda: stored_items(plain_database)[-1][1] >= newest, "rows of the last one")
            assert kept <= keys(plain_database)
            await fork.ended(SIGTERM)
        sent = chzzk.sent(channel.channel_id)
    assert where.spool_bytes() == 0
    assert assert_lost_so_far_is_in_gaps(plain_database, channel, sent)
    assert set(causes(plain_database)) == {"collector killed", "stopped"}


def spooled(where: Place, copy: Path) -> set[tuple[int, int]]:
    """Time and key of each message that is in the spool."""
    (folder,) = where.home.glob("collector/1/spool/*")
    shutil.copytree(folder, copy)
    records = [record for record in drained(Spool(copy)) if isinstance(record, Events)]
    return {(event.ts_ms, event.event_key) for record in records for event in record.events}


def keys(database: Database) -> set[tuple[int, int]]:
    """The same of each row."""
    found = fetch(database, "SELECT (extract(epoch FROM ts) * 1000)::bigint, event_key FROM event")
    return {(int(time_ms), int(key)) for time_ms, key in found}
