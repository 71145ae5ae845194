"""The writer while the database is away: what waits goes to disk, comes back in order, and the stop is soon."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector import writer as writer_module
from collector.committer import Committer
from collector.losses import CAUSE
from collector.records import Statement
from collector.spool import Spool
from collector.writer import Writer
from store.database import Database, DatabaseUnavailable
from tests.collector.studio import fetch, gaps, until
from tests.collector.test_writer import OPENED_MS, beginning, contents, some


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of an outage, a tenth of those in production."""
    monkeypatch.setattr(writer_module, "SPILL_AFTER_SEC", 0.2)
    monkeypatch.setattr(writer_module, "_LOOK_EVERY_SEC", 0.02)
    monkeypatch.setattr(writer_module, "_FULL_RETRY_SEC", 0.1)
    monkeypatch.setattr(writer_module, "_RETRY_CAP_SEC", 0.1)


class Moody:
    """A pool that fails, or hangs, until it is let in."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], error: Exception | None = None) -> None:
        self.pool = pool
        self.error = error or ConnectionRefusedError()
        self.away = True
        self.hangs = False

    async def __call__(self) -> Any:
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise self.error
        return self.pool


class Desk:
    """A writer at work on a moody pool."""

    def __init__(self, pool: Moody, folder: Path, **options: Any) -> None:
        self.pool = pool
        limit = options.pop("limit_bytes", 10**8)
        self.spool = Spool(folder, limit)
        self.writer = Writer(Committer(pool), self.spool, **options)
        self.task = asyncio.create_task(self.writer.run())

    async def leave(self) -> None:
        await self.writer.stop()
        async with asyncio.timeout(20):
            await self.task
        self.spool.close()


@pytest.fixture
def desks(tmp_path: Path) -> Callable[..., Desk]:
    """Makes writers that share one folder, one after the other."""
    return lambda pool, **options: Desk(pool, tmp_path / "spool", **options)


def keys(database: Database) -> list[int]:
    return [row[0] for row in contents(database)]


AWAY = [
    ConnectionRefusedError(),
    DatabaseUnavailable("The database at db cannot be reached."),
    asyncpg.InvalidCatalogNameError("no such database"),
    asyncpg.InvalidPasswordError("no"),
    asyncpg.TooManyConnectionsError("full"),
    asyncpg.ReadOnlySQLTransactionError("read-only"),
    asyncpg.DiskFullError("full"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("serialization"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.InternalClientError("lost"),
    asyncpg.InterfaceError("closed"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_away_at_start_and_back(plain_database: Database, desks: Callable[..., Desk], error: Exception) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool, error), queue_rows=1000)
        await desk.writer.put(*beginning())
        async with asyncio.timeout(20):
            for first in range(0, 6000, 300):
                await desk.writer.put(some(300, first))  # more than memory holds: it goes to the disk
        await until(lambda: desk.writer.queued == 0, "everything on disk")
        assert desk.writer.away_sec > 0
        desk.pool.away = False
        async with asyncio.timeout(20):
            await desk.writer.flush()
        assert desk.writer.spool_bytes == 0
        assert desk.writer.away_sec == 0
        await desk.leave()
    assert keys(plain_database) == list(range(6000))
    assert desk.writer.losses.messages == 0


async def test_a_commit_that_hangs_is_spilled_and_written_once(
    plain_database: Database, desks: Callable[..., Desk]
) -> None:
    async with plain_database.pool() as pool:
        moody = Moody(pool)
        moody.hangs = True
        desk = desks(moody)
        await desk.writer.put(*beginning(), some(10))
        await until(lambda: desk.writer.spool_bytes > 0, "the batch on disk")
        await desk.writer.put(some(10, 10))
        await until(lambda: desk.writer.queued == 0, "the queue on disk")
        # A stop does not wait for it; the next start does the work.
        stopped = time.monotonic()
        await desk.writer.stop()
        desk.task.cancel()
        await asyncio.wait({desk.task}, timeout=10)
        assert time.monotonic() - stopped < 2
        desk.spool.close()
        later = desks(Moody(pool))
        later.pool.away = False
        await later.writer.put(some(10, 20))
        async with asyncio.timeout(20):
            await later.writer.flush()
        await later.leave()
    assert keys(plain_database) == list(range(30))


async def test_a_stop_while_the_database_is_away_keeps_everything(
    plain_database: Database, desks: Callable[..., Desk]
) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool))
        await desk.writer.put(*beginning(), some(2500))
        stopped = time.monotonic()
        await desk.leave()
        assert time.monotonic() - stopped < 3
        assert contents(plain_database) == []
        later = desks(Moody(pool))
        later.pool.away = False
        await later.leave()
    assert keys(plain_database) == list(range(2500))


async def test_a_cancel_in_the_middle_of_a_commit_keeps_the_batch(
    plain_database: Database, desks: Callable[..., Desk]
) -> None:
    async with plain_database.pool() as pool:
        moody = Moody(pool)
        moody.hangs = True
        desk = desks(moody)
        await desk.writer.put(*beginning(), some(700))
        await asyncio.sleep(0.05)
        desk.task.cancel()
        await asyncio.wait({desk.task})
        desk.spool.close()
        later = desks(Moody(pool))
        later.pool.away = False
        await later.leave()
    assert keys(plain_database) == list(range(700))


async def test_order_is_kept_across_disk_and_memory(plain_database: Database, desks: Callable[..., Desk]) -> None:
    """Statements that undo each other: the last one counts, though the database comes and goes."""
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool), queue_rows=500)
        await desk.writer.put(*beginning(), some(1))
        for turn in range(400):
            desk.pool.away = turn % 100 < 60
            await desk.writer.put(Statement("hide_event", ("s", OPENED_MS, "u0", turn % 2 == 0)))
            await desk.writer.put(Statement("move_chat", ("s", f"N{turn}")))
            await asyncio.sleep(0.005)
        desk.pool.away = False
        async with asyncio.timeout(20):
            await desk.writer.flush()
        await desk.leave()
    assert fetch(plain_database, "SELECT chat_channel_id FROM broadcast") == [("N399",)]
    assert fetch(plain_database, "SELECT hidden FROM event") == [(False,)]


@pytest.mark.parametrize("disk", ["bound", "full"])
async def test_no_room_anywhere_is_a_gap_and_ends(
    plain_database: Database, desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool), queue_rows=1000, limit_bytes=100_000 if disk == "bound" else 10**8)
        if disk == "full":

            def refuse(records: Any, rows: int) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            monkeypatch.setattr(desk.spool, "append", refuse)
        await desk.writer.put(*beginning())
        async with asyncio.timeout(20):
            for number in range(6000):
                await desk.writer.put(some(1, number))
                if number % 100 == 0:
                    await asyncio.sleep(0.02)
        dropped = desk.writer.losses.messages
        assert desk.writer.spool_full
        assert 1000 < dropped < 6000
        assert desk.writer.queued <= 2001  # the queue, and the batch that does not get through
        # What says where the chat is complete is kept all the same.
        await desk.writer.put(Statement("move_chat", ("s", "N2")))
        desk.pool.away = False
        await until(lambda: desk.writer.queued == 0, "room")
        await desk.writer.put(some(100, 7000))
        async with asyncio.timeout(20):
            await desk.writer.flush()
        assert not desk.writer.spool_full
        await desk.leave()
    stored = keys(plain_database)
    assert len(stored) == 6100 - dropped
    assert len(set(stored)) == len(stored)
    assert fetch(plain_database, "SELECT chat_channel_id FROM broadcast") == [("N2",)]
    found = gaps(plain_database)
    assert {cause for *_, cause in found} == {CAUSE}
    lost = {OPENED_MS + number for number in set(range(6000)) - set(stored)}
    assert len(lost) == dropped
    assert all(any(begin < time_ms < end for begin, end, _ in found) for time_ms in lost)
    assert all(begin + 1 in lost and end - 1 in lost for begin, end, _ in found)


async def test_a_disk_that_was_full_is_used_again(
    plain_database: Database, desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool))
        real, full = desk.spool.append, [True]

        def append(records: Any, rows: int) -> None:
            if full[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(records, rows)

        monkeypatch.setattr(desk.spool, "append", append)
        await desk.writer.put(*beginning(), some(3000))
        await until(lambda: desk.writer.spool_full, "a full disk")
        full[0] = False
        await until(lambda: desk.writer.queued == 0, "everything on disk")
        assert not desk.writer.spool_full
        desk.pool.away = False
        await desk.leave()
    assert keys(plain_database) == list(range(3000))


async def test_a_spool_that_cannot_be_read_now_is_read_later(
    plain_database: Database, desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool))
        await desk.writer.put(*beginning(), some(100))
        await desk.leave()
        later = desks(Moody(pool))
        real, left = later.spool.oldest, [3]

        def oldest() -> Any:
            if left[0]:
                left[0] -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return real()

        monkeypatch.setattr(later.spool, "oldest", oldest)
        later.pool.away = False
        await until(lambda: later.writer.counts.events == 100, "the rows")
        await later.leave()
    assert keys(plain_database) == list(range(100))
    assert left == [0]


async def test_records_of_another_version_do_not_stop_the_others(
    plain_database: Database, desks: Callable[..., Desk]
) -> None:
    async with plain_database.pool() as pool:
        desk = desks(Moody(pool))
        desk.pool.away = False
        await desk.writer.put(
            *beginning(), Statement("a_query_of_last_year", (1,)), some(5), Statement("move_chat", ("s", "N2", "x"))
        )
        await desk.writer.put(some(5, 5))
        async with asyncio.timeout(20):
            await desk.writer.flush()
        await desk.leave()
    assert keys(plain_database) == list(range(10))
