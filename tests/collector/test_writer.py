"""The writer: batches, order, second deliveries, poison, and a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

import sql
from collector import writer as writer_module
from collector.chzzk.decode import Blind, Rejected
from collector.committer import Committer
from collector.records import Events, Statement, hide, reject
from collector.spool import Spool
from collector.writer import BATCH_ROWS, BATCH_SEC, Writer
from store.database import Database
from store.event import Event
from tests.collector.studio import fetch, until

OPENED = datetime(2026, 1, 6, 11, tzinfo=UTC)
OPENED_MS = int(OPENED.timestamp() * 1000)


def event(number: int, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "ts_ms": OPENED_MS + number,
        "kind": "chat",
        "event_key": number,
        "user_id": f"u{number % 7}",
        "nickname": "녹두",
        "content": f"말 {number}",
        "amount": None,
        "hidden": False,
        "source": "live",
        "received_ms": OPENED_MS + number,
        "extra": None,
    }
    return Event(**{**values, **changes})


def some(count: int, first: int = 0) -> Events:
    return Events("s", [event(number) for number in range(first, first + count)])


def beginning(stream: str = "s", channel: str = "c") -> list[Statement]:
    return [
        Statement("upsert_channel", (channel, None)),
        Statement("open_broadcast", (stream, channel, OPENED, "제목", None, "N1", None)),
    ]


def of_pool(pool: Any) -> Committer:
    """A committer that has its pool already."""

    async def there() -> Any:
        return pool

    return Committer(there)


@asynccontextmanager
async def writing(database: Database, folder: Path, **options: Any) -> AsyncIterator[Writer]:
    """A running writer, with the broadcast `s`; stopped, and so flushed, at the end of the block."""
    async with database.pool() as pool:
        writer = Writer(of_pool(pool), Spool(folder), **options)
        task = asyncio.create_task(writer.run())
        await writer.put(*beginning())
        try:
            yield writer
        finally:
            await writer.stop()
            async with asyncio.timeout(30):
                await task


def contents(database: Database) -> Sequence[Any]:
    return fetch(database, "SELECT event_key, content, hidden FROM event ORDER BY ts, event_key")


async def test_rows_are_committed_by_size(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.flush()
        before = writer.counts.batches
        await writer.put(some(2 * BATCH_ROWS + 1))
        await writer.flush()
        assert writer.counts.batches - before == 3
        assert writer.counts.events == 2 * BATCH_ROWS + 1
    assert len(contents(plain_database)) == 2 * BATCH_ROWS + 1


async def test_a_single_row_waits_for_company_but_not_for_long(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.flush()
        before = writer.counts.batches
        for number in range(5):
            await writer.put(some(1, number))
        await asyncio.sleep(0)
        assert writer.counts.batches == before
        started = asyncio.get_running_loop().time()
        await writer.flush()
        assert asyncio.get_running_loop().time() - started >= BATCH_SEC * 0.5
        assert writer.counts.batches == before + 1
        assert writer.queued == 0


async def test_what_is_there_when_a_batch_is_done_does_not_wait_again(
    plain_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_SEC", 30.0)
    async with writing(plain_database, tmp_path) as writer:
        # The second thousand is 31 s old by its own clock, though the writer is free only now.
        await writer.put(some(BATCH_ROWS + 10))
        writer._waiting_since -= 31
        async with asyncio.timeout(20):
            await writer.flush()


async def test_stop_flushes(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(some(3000))
    assert len(contents(plain_database)) == 3000


async def test_flush_waits_for_what_was_put_before_and_not_for_what_comes_after(
    plain_database: Database, tmp_path: Path
) -> None:
    async with writing(plain_database, tmp_path) as writer:
        busy = True

        async def chatter() -> None:
            number = 1000
            while busy:
                await writer.put(some(50, number))
                number += 50
                await asyncio.sleep(0.001)

        talking = asyncio.create_task(chatter())
        await writer.put(some(10))
        async with asyncio.timeout(20):
            await writer.flush()
        assert len([row for row in contents(plain_database) if row[0] < 10]) == 10
        busy = False
        await talking


async def test_a_second_delivery_changes_nothing(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(some(100), some(100), some(150))
        await writer.flush()
        again = [event(number, source="recent", content="changed") for number in range(200)]
        await writer.put(Events("s", again))
        await writer.flush()
        assert (writer.counts.events, writer.counts.repeated) == (200, 350)
    stored = contents(plain_database)
    assert [row[0] for row in stored] == list(range(200))
    assert stored[100][1] == "말 100"


async def test_records_are_written_in_order(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(
            some(2),
            hide("s", Blind("u0", OPENED_MS, True)),
            hide("s", Blind("u1", OPENED_MS + 1, True)),
            hide("s", Blind("u1", OPENED_MS + 1, False)),
            hide("s", Blind("u2", OPENED_MS + 2, True)),  # of a message that comes right after it
            some(1, 2),
            Statement("move_chat", ("s", "N2")),
            Statement("move_chat", ("s", "N3")),
        )
    assert [row[2] for row in contents(plain_database)] == [True, False, True]
    assert fetch(plain_database, "SELECT chat_channel_id FROM broadcast") == [("N3",)]


async def test_a_poisonous_row_is_kept_aside_and_its_neighbours_are_stored(
    plain_database: Database, tmp_path: Path
) -> None:
    poison: dict[int, dict[str, Any]] = {
        10: {"kind": "nonsense"},
        333: {"amount": 2**40},
        500: {"content": "\ud800"},
        501: {"extra": "{not json"},
        777: {"content": "nul\x00"},
        998: {"ts_ms": 10**18},
    }
    events = [event(number, **poison.get(number, {})) for number in range(1000)]
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(
            Events("s", events[:700]), reject("s", Rejected("live", "odd", '"x"')), Events("s", events[700:])
        )
        async with asyncio.timeout(30):
            await writer.flush()
        assert writer.counts.events == 1000 - len(poison)
        assert writer.counts.rejected == len(poison) + 1
    assert {row[0] for row in contents(plain_database)} == set(range(1000)) - set(poison)
    kept = fetch(plain_database, "SELECT reason, raw, broadcast_id IS NOT NULL FROM rejected_item ORDER BY raw")
    assert len(kept) == len(poison) + 1
    assert all(known for _, _, known in kept)
    for number in poison:
        assert any(f"({OPENED_MS + number}," in raw or "1000000000000000000" in raw for _, raw, _ in kept)


async def test_a_poisonous_statement_does_not_stop_the_others(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(
            some(1),
            Statement("insert_viewer_sample", ("s", OPENED, 2**50)),
            Statement("move_chat", ("s", 7)),
            some(1, 1),
        )
    assert len(contents(plain_database)) == 2


async def test_rows_of_a_broadcast_that_is_not_there_do_not_vanish(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(some(3), Events("nobody", [event(9), event(10)]))
    assert len(contents(plain_database)) == 3
    kept = fetch(plain_database, "SELECT broadcast_id, raw FROM rejected_item")
    assert [row[0] for row in kept] == [None, None]
    assert any("말 10" in raw.encode().decode("unicode_escape") for _, raw in kept)


def kill(database: Database) -> int:
    """Ends the collector's connections, whatever they are doing."""
    statement = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'nokchart collector' AND datname = current_database()
    """
    ((killed,),) = fetch(database, statement)
    return int(killed)


async def test_connections_killed_in_mid_flow_lose_nothing_and_write_nothing_twice(
    plain_database: Database, tmp_path: Path
) -> None:
    total, killed = 30_000, 0
    async with writing(plain_database, tmp_path, queue_rows=5_000) as writer:

        async def feed() -> None:
            for first in range(0, total, 100):
                await writer.put(some(100, first), hide("s", Blind(f"u{first % 7}", OPENED_MS + first, True)))

        feeding = asyncio.create_task(feed())
        while not feeding.done():
            killed += await asyncio.to_thread(kill, plain_database)
            await asyncio.sleep(0.1)
        await feeding
    assert killed > 1
    assert writer.counts.retries >= 1
    stored = contents(plain_database)
    assert [row[0] for row in stored] == list(range(total))
    assert [row[0] for row in stored if row[2]] == list(range(0, total, 100))
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(0,)]


async def test_what_is_not_the_rows_fault_is_waited_for(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.flush()
        with plain_database.connect(autocommit=True) as other:
            # Read-only, without a right, and in the middle of somebody's change of the schema.
            other.execute(
                f"ALTER DATABASE {plain_database.parameters['dbname']} SET default_transaction_read_only = on"
            )
            kill(plain_database)
            await writer.put(some(10))
            await until(lambda: writer.counts.retries >= 1, "a refusal")
            other.execute("SET default_transaction_read_only = off")
            other.execute("ALTER TABLE event RENAME TO away")
            other.execute(f"ALTER DATABASE {plain_database.parameters['dbname']} RESET default_transaction_read_only")
            kill(plain_database)
            before = writer.counts.retries
            await until(lambda: writer.counts.retries > before, "another refusal")
            assert writer.counts.events == 0
            other.execute("ALTER TABLE away RENAME TO event")
        async with asyncio.timeout(30):
            await writer.flush()
        assert writer.counts.events == 10
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(0,)]


async def test_a_changed_schema_is_no_reason_to_refuse_rows(plain_database: Database, tmp_path: Path) -> None:
    async with writing(plain_database, tmp_path) as writer:
        await writer.put(some(10))
        await writer.flush()
        with plain_database.connect(autocommit=True) as other:
            other.execute("ALTER TABLE event ADD COLUMN later text")
            other.execute("ALTER TABLE broadcast ADD COLUMN later text")
        await writer.put(some(10, 10))
        async with asyncio.timeout(30):
            await writer.flush()
        assert (writer.counts.events, writer.counts.rejected) == (20, 0)


def test_a_title_is_recorded_when_it_changes_only(plain_connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Through the writer's own statements, by hand: a restart and a null are no change."""
    plain_connection.execute("INSERT INTO channel (channel_id) VALUES ('c')")
    plain_connection.execute("INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('s', 'c', now())")
    change = sql.query("change_broadcast").replace("$1", "%(s)s").replace("$2", "%(at)s")
    change = change.replace("$3", "%(t)s").replace("$4", "%(c)s")
    steps = [("가", "x"), ("가", "x"), (None, "x"), ("가", None), (None, None), ("나", "x"), ("나", None), ("가", "x")]
    for second, (title, category) in enumerate(steps):
        at = datetime(2026, 1, 6, 11, 0, second, tzinfo=UTC)
        plain_connection.execute(change, {"s": "s", "at": at, "t": title, "c": category})
    rows = plain_connection.execute("SELECT title, category FROM broadcast_change ORDER BY ts").fetchall()
    assert rows == [("가", "x"), ("나", "x"), ("가", "x")]
