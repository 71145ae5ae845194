"""All channels: rhythm, restarts, stopping, and the parts that may die."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from collector import watcher as watcher_module
from collector.broadcast import Broadcast as Collected
from collector.committer import Committer
from collector.writer import Writer
from simulator import Broadcast, Channel, Fault, Simulator
from store.database import Database, DatabaseUnavailable
from tests.collector.standstill import standstills
from tests.collector.studio import (
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
from tests.collector.test_channel import ONE, show


async def test_a_restart_goes_on_with_the_same_broadcast(plain_database: Database) -> None:
    channel = show(duration_sec=70, base_rate=2)
    async with Simulator([channel], speed=20) as chzzk:
        for _ in range(2):
            async with collecting(chzzk, plain_database, [channel.channel_id]) as work:
                before = len(stored_items(plain_database))
                await until(lambda b=before: len(stored_items(plain_database)) > b + 10, "ten more")
            assert fetch(plain_database, "SELECT count(*), count(closed_at) FROM broadcast") == [(1, 0)]
            await asyncio.sleep(0.1)
        async with collecting(chzzk, plain_database, [channel.channel_id]) as work:
            await until(lambda: work.ended, "the end")
    assert_same(stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(plain_database) == []
    assert causes(plain_database) == ["stopped"] * 2 + ["broadcast ended"]


async def test_time_away_that_recent_chat_does_not_cover_is_a_gap(plain_database: Database) -> None:
    channel = show(duration_sec=60, base_rate=10, channel_events_per_min=60)
    async with Simulator([channel], speed=20) as chzzk:
        async with collecting(chzzk, plain_database, [channel.channel_id]):
            await until(lambda: len(stored_items(plain_database)) > 50, "fifty")
        seen = len(chzzk.sent(channel.channel_id))
        await until(lambda: len(chzzk.sent(channel.channel_id)) > seen + 200, "two hundred unheard")
        async with collecting(chzzk, plain_database, [channel.channel_id]) as work:
            await until(lambda: work.ended, "the end")
    stored, sent = stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    lost = {row[1] for row in set(sent) - set(stored)}
    ((from_ms, to_ms, cause),) = gaps(plain_database)
    assert cause == "collector away"
    assert lost
    assert from_ms <= min(lost)
    assert max(lost) <= to_ms
    assert not [row for row in stored if from_ms < row[1] < to_ms]


async def test_what_a_killed_collector_left_open_is_closed(plain_database: Database) -> None:
    channel = Channel("시험", [Broadcast(40, 3, **ONE), Broadcast(60, 3, offline_before_sec=600, **ONE)])
    async with Simulator([channel], speed=15) as chzzk:
        async with collecting(chzzk, plain_database, [channel.channel_id]):
            await until(lambda: len(stored_items(plain_database)) > 10, "ten")
        with plain_database.connect() as connection:
            connection.execute("UPDATE connection SET disconnected_at = NULL, cause = NULL")
        async with collecting(chzzk, plain_database, [channel.channel_id]):
            await until(lambda: len(causes(plain_database)) == 2, "the next connection")
        killed = "SELECT disconnected_at >= connected_at, cause FROM connection ORDER BY connected_at LIMIT 1"
        assert fetch(plain_database, killed) == [(True, "collector killed")]
        # Its broadcast ends while nobody looks; the next start finds CLOSE.
        with plain_database.connect() as connection:
            connection.execute("UPDATE connection SET disconnected_at = NULL, cause = NULL WHERE cause = 'stopped'")
        await until(lambda: chzzk.progress(channel.channel_id).simulated_sec > 41, "the end of the first")
        async with collecting(chzzk, plain_database, [channel.channel_id]):
            unseen = "SELECT close_cause, closed_at > opened_at FROM broadcast"
            await until(lambda: fetch(plain_database, unseen) == [("unseen", True)], "the sweep")
        assert causes(plain_database) == ["collector killed"] * 2


async def test_the_collectors_own_row(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "BEAT_SEC", 0.1)
    channel = show()
    status = """
        SELECT channels, live, events > 0, heartbeat_at > started_at, stopped_at IS NULL, last_commit_at IS NULL
        FROM collector_status
    """
    async with Simulator([channel], speed=10) as chzzk, collecting(chzzk, plain_database, [channel.channel_id]):
        await until(lambda: fetch(plain_database, status) == [(1, 1, True, True, True, False)], "a report")
    assert fetch(plain_database, status)[0][4] is False


async def test_two_hundred_channels_are_polled_in_their_rhythm_without_a_burst(plain_database: Database) -> None:
    channels = [
        Channel(f"채널 {number}", [Broadcast(600, 0.2, **ONE, offline_before_sec=9_999)]) for number in range(200)
    ]
    interval = 1.0
    async with Simulator(channels) as chzzk, standstills() as still:
        ids = [channel.channel_id for channel in channels]
        begun = time.monotonic()
        async with collecting(chzzk, plain_database, ids, quick(poll_interval_sec=interval)):
            await asyncio.sleep(3.2 * interval)
            took = time.monotonic() - begun
        polls = [request for request in chzzk.requests if request.endpoint == "live-status"]
    by_channel: dict[str | None, list[float]] = {}
    for poll in polls:
        by_channel.setdefault(poll.channel_id, []).append(begun + poll.at_sec)
    assert len(by_channel) == 200
    for moments in by_channel.values():
        assert len(moments) <= took / interval + 1
        if still.none_between(begun, begun + took):
            assert len(moments) >= 2
        # At least the interval, but for the jitter of a busy machine.
        waits = [later - earlier for earlier, later in pairwise(moments) if still.none_between(earlier, later)]
        assert all(wait > interval * 0.5 for wait in waits)
    tenths = [int(10 * moment) for moments in by_channel.values() for moment in moments]
    spread = [tenth for tenth in tenths if still.none_between(tenth / 10 - interval, tenth / 10 + 0.1)]
    assert max((spread.count(tenth) for tenth in set(spread)), default=0) < 100  # evenly spread: 10 each


async def test_more_than_a_hundred_chats_at_once(plain_database: Database) -> None:
    channels = [Channel(f"채널 {number}", [Broadcast(600, 0.1, **ONE)]) for number in range(130)]
    ids = [channel.channel_id for channel in channels]
    async with Simulator(channels) as chzzk, collecting(chzzk, plain_database, ids, quick(poll_interval_sec=1)) as work:
        await until(
            lambda: sum(one.counts.connected for one in work.watcher.broadcasts) == len(channels), "every connection"
        )


async def test_a_poll_that_hangs_is_not_made_up_for(plain_database: Database) -> None:
    channel = show(Fault(0, "hang", real_seconds=1.2), duration_sec=100)
    async with Simulator([channel], speed=10) as chzzk:
        await asyncio.sleep(0.05)
        async with collecting(chzzk, plain_database, [channel.channel_id], quick(poll_interval_sec=0.1)):
            await until(lambda: len(chzzk.requests) > 5, "some polls")
        polls = [request.at_sec for request in chzzk.requests if request.endpoint == "live-status"]
    assert min(later - earlier for earlier, later in pairwise(polls[:4])) > 0.03


async def test_retry_after_is_heeded_by_all_channels(plain_database: Database) -> None:
    refused = show(Fault(0, "http_status", code=429, retry_after=1), duration_sec=100)
    channels = [refused, Channel("다른", [Broadcast(100, 1, **ONE)])]
    async with Simulator(channels, speed=10) as chzzk:
        await asyncio.sleep(0.05)
        async with collecting(chzzk, plain_database, [channel.channel_id for channel in channels]):
            await until(lambda: len({request.channel_id for request in chzzk.requests}) > 1, "the other channel's poll")
    assert chzzk.requests[0].status == 429
    assert chzzk.requests[1].at_sec - chzzk.requests[0].at_sec > 0.95


async def test_a_database_that_is_away_at_start_is_not_waited_for(plain_database: Database, tmp_path: Path) -> None:
    channel = show(duration_sec=60)
    away = True

    def reach() -> Database:
        if away:
            raise DatabaseUnavailable("The database at db cannot be reached.")
        return plain_database

    async with Simulator([channel], speed=10) as chzzk, collecting(chzzk, reach, [channel.channel_id]) as work:
        await until(lambda: work.watcher.writer.spool_bytes > 5_000, "chat on the disk")
        assert work.watcher.snapshot().database_away_sec > 1
        away = False
        await until(lambda: work.ended, "the end")
        assert work.watcher.writer.spool_bytes == 0
    assert_same(stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(plain_database) == []


async def test_what_a_stopped_collector_left_on_disk_is_there_after_the_next_start(
    plain_database: Database, tmp_path: Path
) -> None:
    # A stop waits 3 s for the database; what is sent meanwhile, 45 messages, has to fit in the recent chat, 100.
    channel = show(duration_sec=120, base_rate=1.5)
    ids = [channel.channel_id]

    def away() -> Database:
        raise DatabaseUnavailable("The database at db cannot be reached.")

    async with Simulator([channel], speed=10) as chzzk:
        async with collecting(chzzk, away, ids, home=tmp_path):
            await until(lambda: len(chzzk.sent(channel.channel_id)) > 40, "forty messages")
        assert stored_items(plain_database) == []
        async with collecting(chzzk, plain_database, ids, home=tmp_path) as work:
            await until(lambda: work.ended, "the end")
    assert_same(stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(plain_database) == []
    assert causes(plain_database) == ["stopped", "broadcast ended"]


async def test_without_resume_a_restart_begins_a_recording_of_its_own(plain_database: Database) -> None:
    channel = show(duration_sec=120, base_rate=2)
    anew = quick(resume=False)
    async with Simulator([channel], speed=20) as chzzk:
        for _ in range(2):
            async with collecting(chzzk, plain_database, [channel.channel_id], anew):
                before = len(stored_items(plain_database))
                await until(lambda b=before: len(stored_items(plain_database)) > b + 10, "ten more")
            await asyncio.sleep(1.0)  # a recording is named after its second
        async with collecting(chzzk, plain_database, [channel.channel_id], anew) as work:
            await until(lambda: work.ended, "the end")
    rows = fetch(
        plain_database,
        "SELECT stream_id, opened_at, anew_at IS NOT NULL, close_cause FROM broadcast ORDER BY broadcast_id",
    )
    assert len({opened_at for _, opened_at, _, _ in rows}) == 1
    assert [cause for *_, cause in rows] == ["unseen", "unseen", "closed"]
    plain = rows[0][0].split("_from-")[0]
    assert plain.endswith(channel.channel_id)
    # The first start found it on air as well: nobody knows whether an earlier recording is somewhere.
    assert all(stream_id.startswith(f"{plain}_from-2") and anew for stream_id, _, anew, _ in rows)
    assert len({stream_id for stream_id, *_ in rows}) == 3


async def test_without_resume_a_broadcast_that_begins_later_has_its_usual_name(plain_database: Database) -> None:
    channel = Channel("시험", [Broadcast(30, 3, offline_before_sec=20, **ONE)])
    async with (
        Simulator([channel], speed=15) as chzzk,
        collecting(chzzk, plain_database, [channel.channel_id], quick(resume=False)) as work,
    ):
        await until(lambda: work.ended, "the end")
    assert fetch(plain_database, "SELECT anew_at, stream_id LIKE %s FROM broadcast", f"%{channel.channel_id}") == [
        (None, True)
    ]


async def test_a_part_that_dies_takes_the_process_with_it(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, frame: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Collected, "_take", broken)
    channel = show(duration_sec=100)
    async with (
        Simulator([channel], speed=10) as chzzk,
        collecting(chzzk, plain_database, [channel.channel_id]) as work,
    ):
        await asyncio.wait({work.task}, timeout=20)
        with pytest.raises(ZeroDivisionError):
            work.task.result()
    # And yet its rows are closed.
    assert causes(plain_database) == ["stopped"]


async def test_a_writer_that_dies_takes_the_process_with_it(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, batch: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Writer, "_commit", broken)
    channel = show(duration_sec=100)
    async with (
        Simulator([channel], speed=10) as chzzk,
        collecting(chzzk, plain_database, [channel.channel_id]) as work,
    ):
        await asyncio.wait({work.task}, timeout=20)
        with pytest.raises(ZeroDivisionError):
            work.task.result()


async def test_a_stop_is_soon_even_with_sockets_that_do_not_answer_and_a_database_that_hangs(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = [Channel(f"채널 {n}", [Broadcast(200, 50, **ONE)], [Fault(20, "half_open")]) for n in range(3)]
    ids = [channel.channel_id for channel in channels]
    async with Simulator(channels, speed=20) as chzzk, collecting(chzzk, plain_database, ids) as work:
        writer = work.watcher.writer
        await until(lambda: writer.counts.events > 100, "some rows")

        async def hangs(self: Any, batch: Any) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(Committer, "commit", hangs)
        await until(lambda: writer.queued > 200, "a queue")
        started = time.monotonic()
        await work.finish()
        assert time.monotonic() - started < 9  # a container is killed after ten
        assert writer.queued == 0
        assert writer.spool_bytes > 0
