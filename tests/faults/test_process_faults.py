"""A collector that is stopped, or killed at any moment, whose clock is set, and that has no file descriptor left."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from collector import watcher
from collector.chzzk.chat import Heartbeat
from collector.health import problems
from collector.records import Events
from collector.snapshot import Snapshot, read_snapshot
from collector.spool import Spool
from simulator import Channel, Fault, SentItem, Simulator
from store.database import Database
from tests.collector.studio import PATIENCE_SEC, causes, collecting, fetch, gaps, quick, sent_items, stored_items, until
from tests.collector.test_spool import drained
from tests.faults.clock import WallClock
from tests.faults.command import Place, Run, place, running
from tests.faults.forks import forking
from tests.faults.play import assert_complete, assert_lost_is_in_gaps, attempts, show
from tests.faults.proxy import DatabaseProxy

SPEED = 20
HOUR_SEC = 3600.0
STOP_SEC = 10  # a container is killed after so long


def busy(name: str = "수난", duration_sec: float = 4000) -> Channel:
    """400 messages a second, from the moment when the collector is there."""
    return show(name=name, duration_sec=duration_sec, base_rate=400 / SPEED)


async def further(chzzk: Simulator, channel: Channel, count: int) -> None:
    """Returns when so many more messages were sent."""
    said = len(chzzk.sent(channel.channel_id))
    await until(lambda: len(chzzk.sent(channel.channel_id)) >= said + count, f"{count} more messages")


def handed(items: list[SentItem]) -> list[SentItem]:
    """What the one connection so far was handed, in order: the recent chat, and then what was said."""
    return [item for item in items if item.recalled] + [item for item in items if item.delivered]


async def assert_ended(run: Run, expected: int, within_sec: float) -> None:
    """It ends with this code (negative: by a signal), and soon."""
    code, took_sec = await run.ended()
    assert code == expected
    assert took_sec < within_sec


def assert_stored(database: Database, channel: Channel, items: list[SentItem]) -> None:
    """All of these are rows."""
    missing = set(sent_items(channel.channel_id, items)) - set(stored_items(database, channel.channel_id))
    assert not missing, f"{len(missing)} of {len(items)} are not stored"


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (SIGTERM, "answers"),
        (SIGINT, "slow"),
        (SIGTERM, "down"),
        (SIGINT, "hangs"),
        (SIGTERM, "has never answered"),
    ],
)
async def test_a_signal_stops_it_within_ten_seconds_and_nothing_is_left_unflushed(
    plain_database: Database, tmp_path: Path, number: signal.Signals, state: str
) -> None:
    channel = busy()
    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        proxy.hang(state == "has never answered")
        async with running(where) as run:
            received = await run.received(200)
            match state:
                case "slow":
                    proxy.delay = 0.05
                case "down":
                    proxy.down()
                case "hangs":
                    proxy.hang(True)
            received = await run.received(received + 400)
            run.signal(number)
            await assert_ended(run, 0, STOP_SEC)
        kept = handed(chzzk.sent(channel.channel_id))[:received]
        assert state in ("answers", "slow") or where.spool_bytes() > 0
        # Longer than the recent chat reaches back: what is there of the first run has been kept by itself.
        await further(chzzk, channel, 150)
        proxy.delay = 0
        proxy.hang(False)
        await proxy.up()
        async with running(where) as run:
            await run.received(200)
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
        sent = chzzk.sent(channel.channel_id)
    assert where.spool_bytes() == 0
    assert "Traceback" not in where.log.read_text()
    assert_stored(plain_database, channel, kept)
    newest = stored_items(plain_database)[-1][1]
    lost = assert_lost_is_in_gaps(plain_database, channel, [item for item in sent if item.time_ms <= newest])
    assert len(lost) >= 50
    assert causes(plain_database) == ["stopped", "stopped"]


@pytest.mark.parametrize(("first", "second"), [(SIGINT, SIGINT), (SIGTERM, SIGINT)])
async def test_a_second_signal_ends_it_at_once(
    plain_database: Database, tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    channel = busy()
    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        async with running(where) as run:
            await run.received(200)
            proxy.hang(True)
            await until(where.spool_bytes, "a spool")
            run.signal(first)
            await until(lambda: '"stopping"' in where.log.read_text(), "the stop")
            run.signal(second)
            await assert_ended(run, -second, 1.0)
        assert "stopped" not in where.log.read_text()
        proxy.hang(False)
        async with running(where) as run:
            await run.received(200)
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
        sent = chzzk.sent(channel.channel_id)
    newest = stored_items(plain_database)[-1][1]
    assert assert_lost_is_in_gaps(plain_database, channel, [item for item in sent if item.time_ms <= newest])


NAMES_HANG = """
import socket, threading
socket.getaddrinfo = lambda *given, **options: threading.Event().wait(60)
from nokchart.cli import main
main()
"""


async def test_a_name_server_that_hangs_does_not_hold_up_a_stop(plain_database: Database, tmp_path: Path) -> None:
    channel = busy()
    async with Simulator([channel], speed=SPEED) as chzzk:
        nowhere = f"ws://localhost:{chzzk.port}/chat/{{server}}"
        where = place(chzzk, [channel], plain_database.url, tmp_path, chzzk_chat_url=nowhere)
        async with running(where, ("-c", NAMES_HANG)) as run:
            await until(lambda: any(request.endpoint == "token" for request in chzzk.requests), "a token")
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)


KILLS = 50
SPARED = 5  # of so many runs one lives until what its recent chat has brought is stored


async def test_killed_fifty_times_in_a_row(plain_database: Database, tmp_path: Path) -> None:
    """At random moments, from before the first connection to well after it.

    Of the quiet channel and the lively one the recent chat reaches back over any outage, of the busy one over none.
    """
    dice, sec = random.Random(50), 45 * SPEED
    quiet = show(name="조용", duration_sec=sec, base_rate=4 / SPEED, quiet_start_sec=0)
    lively = show(name="활발", duration_sec=sec, base_rate=10 / SPEED, quiet_start_sec=0)
    channels = [quiet, lively, busy("수난", sec)]
    async with Simulator(channels, speed=SPEED, seed=4) as chzzk:
        where = place(chzzk, channels, plain_database.url, tmp_path)
        async with forking(where) as forks:
            for number in range(KILLS):
                fork = await forks.start()
                if number % SPARED == 0:
                    await given_back(plain_database, chzzk, channels[number // SPARED % len(channels)])
                await asyncio.sleep(dice.uniform(0.05, 1.0))
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
            await assert_ended(run, 0, STOP_SEC)
        sent = chzzk.sent(channel.channel_id)
    newest = stored_items(plain_database)[-1][1]
    assert assert_lost_is_in_gaps(plain_database, channel, [item for item in sent if item.time_ms <= newest])


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
    """Killed three times while the database is away: then while it comes back."""
    dice, channel = random.Random(7), busy()
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
            before = len(causes(plain_database))
            fork = await forks.start()
            await until(lambda: len(causes(plain_database)) > before, "its connection")
            await until(lambda: kept <= keys(plain_database), "what was spooled")
            await fork.ended(SIGTERM)
        sent = chzzk.sent(channel.channel_id)
    assert where.spool_bytes() == 0
    newest = stored_items(plain_database)[-1][1]
    assert assert_lost_is_in_gaps(plain_database, channel, [item for item in sent if item.time_ms <= newest])
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


async def test_a_clock_that_is_set_changes_nothing(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour ahead, back, an hour behind, and back, with heartbeats and leases that are renewed meanwhile."""
    monkeypatch.setattr(watcher, "BEAT_SEC", 0.1)
    clock = WallClock(monkeypatch)
    notices = [Fault(at_sec, "channel_event", body={"n": at_sec}) for at_sec in range(30, 100, 5)]
    channel = show(*notices, name="시계", duration_sec=120, base_rate=10, quiet_start_sec=20, odd_share=0.1)
    interval = 0.2
    settings = quick(poll_interval_sec=interval, heartbeat=Heartbeat(ping_after=0.3, dead_after=2.0))
    snapshots: list[Snapshot] = []
    async with Simulator([channel], speed=10) as chzzk:
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
        polls = [request.at_sec for request in chzzk.requests if request.endpoint == "live-status"]
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*) FROM rejected_item") == [(0,)]
    assert causes(plain_database) == ["broadcast ended"]
    assert attempts(chzzk) == ["client 1000"]
    waits = [later - earlier for earlier, later in pairwise(polls)]
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
    assert fetch(plain_database, DURATIONS) == [(True, timedelta(seconds=120))]


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


# Of the command, so that all is tried while there is no descriptor.
SHORT_PAUSES = """
import nokchart.collecting
from collector import watcher
from collector.backoff import Backoff
from nokchart.cli import main
nokchart.collecting.Backoff = lambda factor: Backoff(first=0.05, cap=0.2)
watcher.BEAT_SEC = 0.2
main()
"""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits of another process on this system")
async def test_without_file_descriptors_it_lives_on_and_catches_up(plain_database: Database, tmp_path: Path) -> None:
    """No connection, no status file and no spool can be opened, and both the chat's and the database's are cut then."""
    channel = show(name="마른", duration_sec=4000, base_rate=8 / SPEED, quiet_start_sec=0)
    status = tmp_path / "collector" / "1" / "status.json"

    def seen() -> float:
        snapshot = read_snapshot(status.parent)
        return 0.0 if snapshot is None else snapshot.running_sec

    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        async with running(where, ("-c", SHORT_PAUSES)) as run:
            await until(lambda: len(stored_items(plain_database)) > 20, "twenty rows")
            usual = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, usual[1]))  # stdin, stdout, stderr: not one more
            proxy.cut()
            for visitor in chzzk._visitors:
                visitor.cut()
            for trouble in ("status not written", "not committed", "connect failed", "the spool takes no more"):
                await until(lambda trouble=trouble: trouble in where.log.read_text(), trouble)
            rows, last = len(stored_items(plain_database)), seen()
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, usual)
            await until(lambda: seen() > last, "a status that is written again")
            await until(lambda: len(stored_items(plain_database)) > rows + 50, "fifty more rows")
            sent = chzzk.sent(channel.channel_id)
            await until(lambda: stored_items(plain_database)[-1][1] >= sent[-1].time_ms, "what was said meanwhile")
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
    assert "Traceback" not in where.log.read_text()
    # The outage lasts some seconds, and the recent chat reaches back over more than ten.
    assert_stored(plain_database, channel, sent)
    assert gaps(plain_database) == []
    assert causes(plain_database) == ["close 1006", "stopped"]
