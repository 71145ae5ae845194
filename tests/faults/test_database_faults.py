"""The database in every trouble: what was sent is stored once, and nothing is missing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collector import spool as spool_module
from collector import watcher as watcher_module
from collector import writer as writer_module
from simulator import Broadcast, Channel, Fault, Simulator
from store.database import Database, reachable
from tests.collector.studio import (
    Collecting,
    assert_same,
    causes,
    collecting,
    fetch,
    gaps,
    quick,
    sent_items,
    stored_items,
    until,
)
from tests.faults.proxy import DatabaseProxy

SPEED = 20
BUSY = {
    "quiet_start_sec": 20,
    "quiet_rate": 0.2,
    "donations_per_min": 20,
    "twin_share": 0.3,
    "channel_events_per_min": 6,
}
ODD = '{"cmd":93101,"bdy":[{"msgTime":"now"}]}'


@pytest.fixture(autouse=True)
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments so small that a few seconds fill as many as an hour does, and waits a fifth of those in production."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 20_000)
    monkeypatch.setattr(writer_module, "SPILL_AFTER_SEC", 0.4)
    monkeypatch.setattr(writer_module, "_RETRY_CAP_SEC", 0.5)
    monkeypatch.setattr(watcher_module, "BEAT_SEC", 1.0)


class Play:
    """A broadcast of a minute, collected through a proxy."""

    def __init__(self, chzzk: Simulator, work: Collecting, proxy: DatabaseProxy, channel: Channel) -> None:
        self.chzzk = chzzk
        self.work = work
        self.proxy = proxy
        self.channel = channel
        self.writer = work.watcher.writer

    @property
    def sent(self) -> int:
        return len(self.chzzk.sent(self.channel.channel_id))

    async def more(self, items: int) -> None:
        """Waits until so many more items were sent."""
        seen = self.sent
        await until(lambda: self.sent >= seen + items, f"{items} items")


@asynccontextmanager
async def playing(database: Database, *faults: Fault, duration_sec: float = 80) -> AsyncIterator[Play]:
    """Plays to the end after the block, and compares what was sent with what is stored."""
    channel = Channel("시험", [Broadcast(duration_sec, 15, **BUSY)], faults)
    ids = [channel.channel_id]
    async with Simulator([channel], speed=SPEED) as chzzk, DatabaseProxy(database.parameters) as proxy:
        async with collecting(chzzk, lambda: proxy.database(database.edition), ids, quick()) as work:
            play = Play(chzzk, work, proxy, channel)
            yield play
            await until(lambda: work.ended, "the end of the broadcast")
            assert play.writer.losses.messages == 0
            assert play.writer.spool_bytes == 0
        assert_same(stored_items(database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(database) == []
    assert causes(database) == ["broadcast ended"]  # the chat has noticed nothing


async def test_away_for_a_moment(plain_database: Database) -> None:
    async with playing(plain_database) as play:
        await play.more(50)
        for _ in range(5):
            await play.proxy.refuse(0.1)
            await play.more(30)
        assert play.writer.counts.retries > 0


async def test_away_at_the_start_and_for_long(plain_database: Database) -> None:
    async with playing(plain_database) as play:
        play.proxy.down()
        await play.more(400)
        await until(lambda: play.writer.spool_bytes > 100_000, "several segments on disk")
        assert play.work.watcher.snapshot().database_away_sec > 1
        await play.proxy.up()
        await until(lambda: play.writer.spool_bytes == 0, "the replay")
        assert play.work.watcher.snapshot().database_away_sec < 1


async def test_cut_in_the_middle_of_statements(plain_database: Database) -> None:
    async with playing(plain_database, duration_sec=160) as play:
        for turn in range(12):
            cut = play.proxy.cut_after(1 + turn * 797 % 7000)
            await until(cut.is_set, "a cut")
    assert play.proxy.accepted > 12


async def test_an_answer_to_commit_that_never_came(plain_database: Database) -> None:
    odd = [Fault(20 + number, "raw_frame", text=ODD) for number in range(40)]
    async with playing(plain_database, *odd) as play:
        for _ in range(12):
            cut = play.proxy.cut_answer_to(b"COMMIT")
            await play.more(20)
            await until(cut.is_set, "a commit that nobody knows of")
    # Neither messages nor what could not be understood is there twice.
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(40,)]


async def test_a_server_that_hangs(plain_database: Database) -> None:
    async with playing(plain_database) as play:
        await play.more(50)
        play.proxy.hang(True)
        await until(lambda: play.writer.spool_bytes > 20_000, "chat on disk")
        await play.more(200)
        play.proxy.hang(False)


async def test_a_slow_server(plain_database: Database) -> None:
    with plain_database.connect(autocommit=True) as other:
        other.execute(
            """
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END';
            CREATE TRIGGER slow_events BEFORE INSERT ON event EXECUTE FUNCTION dawdle();
            CREATE TRIGGER slow_blinds BEFORE UPDATE ON event EXECUTE FUNCTION dawdle();
            CREATE TRIGGER slow_samples BEFORE INSERT ON viewer_sample EXECUTE FUNCTION dawdle();
            """
        )
    async with playing(plain_database) as play:
        play.proxy.delay = 0.05  # and far away
        await play.more(500)


TROUBLES = {
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "read-only": "25006",
    "deadlock": "40P01",
    "serialization": "40001",
    "lock timeout": "55P03",
    "cancelled": "57014",
    "shutting down": "57P01",
}


async def test_statements_that_fail_for_a_while(plain_database: Database) -> None:
    codes = "''" + "'',''".join(TROUBLES.values()) + "''"
    with plain_database.connect(autocommit=True) as other:
        # A sequence counts on though its transaction fails: each error twice, then no more.
        other.execute(
            f"""
            CREATE SEQUENCE failures;
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            'DECLARE n int := nextval(''failures'');
            BEGIN
                IF n <= {2 * len(TROUBLES)} THEN
                    RAISE EXCEPTION USING ERRCODE = (ARRAY[{codes}])[1 + n % {len(TROUBLES)}];
                END IF;
                RETURN NULL;
            END';
            CREATE TRIGGER failing BEFORE INSERT ON event EXECUTE FUNCTION fail();
            """
        )
    async with playing(plain_database) as play:
        await until(lambda: play.writer.counts.retries >= 2 * len(TROUBLES), "every failure twice")
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(0,)]


async def test_a_real_deadlock(plain_database: Database) -> None:
    """Somebody locks two tables in the other order, again and again."""
    stop = False

    async def meddle(play: Play) -> None:
        while not stop:
            async with (await play.work.pool()).acquire() as connection:
                with_luck = connection.transaction()
                await with_luck.start()
                try:
                    await connection.execute("LOCK TABLE viewer_sample IN EXCLUSIVE MODE")
                    await asyncio.sleep(0.05)
                    await connection.execute("LOCK TABLE event IN EXCLUSIVE MODE")
                except Exception:
                    await with_luck.rollback()
                else:
                    await with_luck.commit()

    async with playing(plain_database) as play:
        await play.more(20)
        meddling = asyncio.create_task(meddle(play))
        await play.more(300)
        stop = True
        await meddling


async def test_a_migration_meanwhile(plain_database: Database) -> None:
    """A table is locked for seconds, then has another column."""
    async with playing(plain_database) as play:
        await play.more(50)
        with plain_database.connect() as other:
            other.execute("ALTER TABLE event ADD COLUMN later text")
            other.execute("ALTER TABLE connection ADD COLUMN later text")
            await play.more(150)
            assert play.writer.counts.events < 150
            other.commit()


class Home:
    """An embedded server of the test's own, which may be stopped and killed."""

    def __init__(self, reach: Callable[[], Database]) -> None:
        self.reach = reach
        self.database = reach()

    @property
    def postmaster(self) -> int:
        pid, *_ = fetch(self.database, "SELECT pg_stat_file('postmaster.pid'), pg_read_file('postmaster.pid')")
        return int(str(pid[1]).split()[0])


async def test_an_embedded_server_that_is_killed_is_started_again(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    channel = Channel("시험", [Broadcast(160, 5, **BUSY)])
    with reachable(None, tmp_path) as reach:
        home = await asyncio.to_thread(Home, reach)
        async with (
            Simulator([channel], speed=SPEED) as chzzk,
            collecting(chzzk, reach, [channel.channel_id], quick()) as work,
        ):
            await until(lambda: work.watcher.writer.counts.events > 50, "some rows")
            os.kill(home.postmaster, signal.SIGQUIT)  # no checkpoint, no goodbye: recovery at the next start
            await until(lambda: work.ended, "the end of the broadcast")
        stored = stored_items(home.database)
        found = gaps(home.database)
    assert_same(stored, sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert found == []
