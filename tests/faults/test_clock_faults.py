"""A wall clock that is set by an hour: nothing that counts is told by it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from collector import watcher
from collector.chzzk.chat import Heartbeat
from collector.health import problems
from collector.snapshot import Snapshot
from simulator import Fault, Simulator
from store.database import Database
from tests.collector.standstill import standstills
from tests.collector.studio import PATIENCE_SEC, causes, collecting, fetch, quick, stored_items, until
from tests.faults.clock import WallClock
from tests.faults.play import assert_complete, attempts, show

HOUR_SEC = 3600.0


async def test_a_clock_that_is_set_changes_nothing(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour ahead, back, an hour behind, and back, with heartbeats and leases that are renewed meanwhile."""
    monkeypatch.setattr(watcher, "BEAT_SEC", 0.1)
    clock = WallClock(monkeypatch)
    notices = [Fault(at_sec, "channel_event", body={"n": at_sec}) for at_sec in range(30, 85, 5)]
    channel = show(*notices, name="시계", duration_sec=95, base_rate=10, quiet_start_sec=20, odd_share=0.1)
    interval = 0.2
    settings = quick(poll_interval_sec=interval, heartbeat=Heartbeat(ping_after=0.3, dead_after=2.0))
    snapshots: list[Snapshot] = []
    async with Simulator([channel], speed=10) as chzzk, standstills() as still:
        begun = time.monotonic()
        async with collecting(chzzk, plain_database, [channel.channel_id], settings) as work:
            for ahead_sec in (0.0, HOUR_SEC, 0.0, -HOUR_SEC, 0.0):
                clock.ahead_sec = ahead_sec
                rows, polls = len(stored_items(plain_database)), len(chzzk.requests)
                await until(lambda rows=rows: len(stored_items(plain_database)) > rows + 50, "fifty more rows")
                await until(lambda polls=polls: len(chzzk.requests) > polls + 5, "more polls")
                assert fetch(plain_database, LEASE) == [(True,)]
                now = datetime.now(UTC) + timedelta(seconds=ahead_sec)
                snapshots.append(work.watcher.snapshot())
                assert problems(snapshots[-1], now) == []
                assert abs(snapshots[-1].at - now) < timedelta(seconds=PATIENCE_SEC)
            await until(lambda: work.ended, "the end")
        polls = [begun + request.at_sec for request in chzzk.requests if request.endpoint == "live-status"]
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(0,)]
    assert causes(plain_database) == ["broadcast ended"]
    assert attempts(chzzk) == ["client 1000"]
    waits = [later - earlier for earlier, later in pairwise(polls) if still.none_between(earlier, later)]
    assert len(waits) >= 5
    assert min(waits) > interval / 4
    assert max(waits) < interval * 10
    for snapshot in snapshots:
        (one,) = snapshot.channels
        ages = (snapshot.running_sec, snapshot.commit_age_sec, one.poll_age_sec, one.frame_age_sec)
        assert all(age is not None and 0 <= age < PATIENCE_SEC for age in ages)
        assert snapshot.database_away_sec < 1
        assert one.connected
    # What has no time of its own has Chzzk's, as the messages around it tell.
    said = fetch(plain_database, NOTICES)
    assert [at_sec for at_sec, _ in said] == [notice.params["body"]["n"] for notice in notices]
    assert all(abs(ts_sec - at_sec) < 3 for at_sec, ts_sec in said)
    # It was set, for the collector: only when it received a row is told by it.
    assert fetch(plain_database, RECEIVED) == [(True, True)]
    assert fetch(plain_database, DURATIONS) == [(True, timedelta(seconds=95))]


LEASE = "SELECT expires_at BETWEEN now() + interval '10 s' AND now() + interval '21 s' FROM channel_lease"
RECEIVED = (
    "SELECT max(received_at) > now() + interval '30 min', min(received_at) < now() - interval '30 min' FROM event"
)
DURATIONS = """
    SELECT disconnected_at >= connected_at, closed_at - opened_at FROM connection JOIN broadcast USING (broadcast_id)
"""
NOTICES = """
    SELECT (extra -> 'body' ->> 'n')::int, extract(epoch FROM ts - opened_at)::float
    FROM event JOIN broadcast USING (broadcast_id) WHERE user_id IS NULL ORDER BY ts
"""


async def test_a_connection_from_the_future_is_ended(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector is killed, the clock is set back, and the next one begins before the time of that connection."""
    clock = WallClock(monkeypatch)
    channel = show(duration_sec=60)
    async with Simulator([channel], speed=15) as chzzk:
        clock.ahead_sec = HOUR_SEC
        async with collecting(chzzk, plain_database, [channel.channel_id]):
            await until(lambda: stored_items(plain_database), "a row")
        with plain_database.connect() as connection:
            connection.execute("UPDATE connection SET disconnected_at = NULL, cause = NULL")
        clock.ahead_sec = 0.0
        async with collecting(chzzk, plain_database, [channel.channel_id]) as work:
            await until(lambda: work.ended, "the end")
    assert sorted(map(str, causes(plain_database))) == ["broadcast ended", "collector killed"]
    assert_complete(plain_database, chzzk, channel)
