"""Gaps as rows: opened where the chat is lost, closed or forgotten where it is known again, by whoever comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.report import coverage_percent
from collector.committer import Committer
from collector.coverage import GapClosed, GapOpened
from collector.records import Events, Record, Statement, close_abandoned, gap
from store.database import Database
from store.queries import query
from tests.collector.studio import fetch, gaps
from tests.collector.test_writer import OPENED, OPENED_MS, beginning, event, of_pool

Write = Callable[..., Any]


@pytest.fixture(params=["plain_database", "timescale_database"])
def database(request: pytest.FixtureRequest) -> Database:
    """Either edition."""
    found: Database = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def committing(database: Database) -> AsyncIterator[Write]:
    async with database.pool() as pool:
        committer: Committer = of_pool(pool)

        async def write(*records: Record) -> None:
            await committer.commit(records)

        await write(*beginning())
        yield write


def said(*offsets_ms: int) -> Events:
    return Events("s", [event(offset) for offset in offsets_ms])


OPEN = gap("s", GapOpened(None, "collector away"))


async def test_where_a_collector_begins(database: Database) -> None:
    async with committing(database) as write:
        await write(gap("s", GapOpened(None, "collector away")))
        assert gaps(database) == [(OPENED_MS, None, "late start")]
        await write(gap("s", GapOpened(None, "collector away")))  # one is enough
        await write(gap("s", GapClosed(OPENED_MS + 5000)), said(5000, 6000))
        assert gaps(database) == [(OPENED_MS, OPENED_MS + 5000, "late start")]
        # The next one goes on from what is stored, and is told that nothing was missed.
        await write(gap("s", GapOpened(None, "collector away")))
        assert gaps(database)[1] == (OPENED_MS + 6000, None, "collector away")
        await write(gap("s", GapClosed(OPENED_MS + 6000)))
        await write(gap("s", GapOpened(OPENED_MS + 6000, "close 1006")), gap("s", GapClosed(None)))
        assert len(gaps(database)) == 1


async def test_a_single_message_from_the_future_is_not_the_newest(plain_database: Database) -> None:
    async with committing(plain_database) as write:
        await write(said(1000, 2000, 3000, 86_000_000), gap("s", GapOpened(None, "collector away")))
    assert gaps(plain_database) == [(OPENED_MS + 3000, None, "collector away")]


async def test_channel_events_have_no_time_of_the_servers(plain_database: Database) -> None:
    notice = event(9000, kind="other", user_id=None)
    async with committing(plain_database) as write:
        await write(said(1000, 2000), Events("s", [notice]), gap("s", GapOpened(None, "collector away")))
    assert gaps(plain_database) == [(OPENED_MS + 2000, None, "collector away")]


async def test_a_replay_of_the_spool_ends_in_the_same_rows(plain_database: Database) -> None:
    story: list[Record] = [
        OPEN,
        gap("s", GapClosed(None)),
        said(1000, 2000),
        gap("s", GapOpened(OPENED_MS + 2000, "close 1006")),
        gap("s", GapClosed(OPENED_MS + 9000)),
        said(9000, 9500),
        gap("s", GapOpened(OPENED_MS + 9500, "silent for 55 s")),
        gap("s", GapClosed(OPENED_MS + 9500)),
        said(9600),
        gap("s", GapOpened(OPENED_MS + 9600, "close 1000")),
    ]
    async with committing(plain_database) as write:
        await write(*story)
        once = gaps(plain_database)
        for length in range(len(story)):  # killed anywhere in the segment: it is replayed from its beginning
            await write(*story[:length])
            await write(*story)
            assert gaps(plain_database) == once


async def test_the_end_closes_what_is_open(plain_database: Database) -> None:
    async with committing(plain_database) as write:
        await write(said(1000, 2000), gap("s", GapOpened(OPENED_MS + 2000, "close 1006")))
        # A later broadcast begins; the end of this one was seen by nobody.
        await write(close_abandoned("c", "t"))
    assert gaps(plain_database) == [(OPENED_MS + 2000, OPENED_MS + 2000, "close 1006")]
    closed = "SELECT close_cause, closed_at FROM broadcast"
    assert fetch(plain_database, closed) == [("unseen", OPENED + timedelta(seconds=2))]


async def test_an_open_gap_is_shown_everywhere(database: Database) -> None:
    async with committing(database) as write:
        await write(said(*range(0, 60_000, 1000)), gap("s", GapOpened(OPENED_MS + 59_000, "close 1006")))
        await write(said(120_000))
    (row,) = fetch(database, "SELECT missing_sec, duration_sec FROM broadcast_overview")
    assert row == (61.0, 120.0)
    with database.connect() as connection:
        now = datetime.now(UTC)
        ((from_ts, to_ts, cause, repaired),) = connection.execute(query("gaps"), {"broadcast_id": 1}).fetchall()
        assert (from_ts, cause, repaired) == (OPENED + timedelta(seconds=59), "close 1006", None)
        assert abs(to_ts - now) < timedelta(minutes=1)
    rows = [{"from_ts": from_ts, "to_ts": to_ts, "repaired_at": None}]
    assert coverage_percent(rows, OPENED, OPENED + timedelta(seconds=118)) == 50.0


async def test_two_collectors_at_once_agree(plain_database: Database) -> None:
    """One is connected, the other takes over: what it opens it closes, and the first has opened nothing."""
    async with committing(plain_database) as write:
        await write(said(1000, 2000))
        await asyncio.gather(write(OPEN, gap("s", GapClosed(OPENED_MS + 500))), write(said(3000)))
        await write(OPEN, gap("s", GapClosed(OPENED_MS + 2500)))
    assert gaps(plain_database) == []


async def test_a_recording_of_its_own_beside_the_first(plain_database: Database, tmp_path: Path) -> None:
    async with committing(plain_database) as write:
        other = ("s_from", "c", OPENED, "제목", None, "N1", OPENED + timedelta(minutes=5))
        await write(Statement("open_broadcast", other), Statement("open_broadcast", other))
        await write(said(1000), Events("s_from", [event(400_000)]))
    counts = "SELECT stream_id, count(e.*) FROM broadcast JOIN event AS e USING (broadcast_id) GROUP BY 1 ORDER BY 1"
    assert fetch(plain_database, counts) == [("s", 1), ("s_from", 1)]
