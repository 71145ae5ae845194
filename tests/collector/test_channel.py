"""One channel over its broadcasts: when one begins, when it is another one, and when it is over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from collector import broadcast as broadcast_module
from collector.channel import ChannelWatch
from collector.chzzk.chat import Heartbeat
from collector.coverage import GapOpened
from collector.records import gap
from simulator import Broadcast, Channel, ConnectionRecord, Fault, Simulator
from simulator.room import Room
from store.database import Database
from store.queries import query
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

# Real seconds; the simulated ones of these tests are ten to the second.
POLL_SEC = 0.2
SPEED = 10.0
ONE: dict[str, Any] = {"blind_share": 0, "quiet_start_sec": 8, "quiet_rate": 0}
HEARTBEAT = Heartbeat(ping_after=1.0, dead_after=2.5)


def show(
    *faults: Fault, name: str = "시험방송", duration_sec: float = 30, base_rate: float = 3, **rest: Any
) -> Channel:
    return Channel(name, [Broadcast(duration_sec, base_rate, **{**ONE, **rest})], faults)


NOTICED = show(Fault(12, "retitle", title="새 제목"), name="시작", offline_before_sec=5, duration_sec=20, viewers=1000)
DOUBTED = show(
    Fault(6, "false_close"),
    Fault(11, "block", polls=3),
    Fault(15, "http_status", code=500, polls=3),
    Fault(19, "html", polls=2),
    Fault(22, "http_status", code=429, retry_after=0, polls=2),
    name="의심",
)
DENIED = show(Fault(12, "false_close", polls=4), name="부정", duration_sec=40, base_rate=2)
# No poll sees the moment between the two.
FOLLOWED = Channel("연속", [Broadcast(20, 3, **ONE), Broadcast(20, 3, title="2부", **ONE)])
MOVED = {
    code: show(Fault(12, "chat_channel_change", code=code), name=f"이사 {code}", base_rate=5)
    for code in (None, 1000, 4001)
}
UNDATED = Channel(
    "무날짜",
    [Broadcast(20, 3, **ONE), Broadcast(20, 3, **ONE)],
    [Fault(0, "patch", omit=["openDate", "closeDate"], endpoint="live-status", polls=9_999)],
)
UNKNOWN = show(
    Fault(0, "patch", omit=["openDate"], endpoint="live-status", polls=3),
    Fault(0, "http_status", code=500, endpoint="live-detail", polls=3),
    name="모름",
    quiet_start_sec=15,
)
# Of both answers, once at the beginning, and for good.
ONCE_DATELESS = show(
    Fault(0, "patch", omit=["openDate"], endpoint="live", polls=2), name="한번", duration_sec=30, quiet_start_sec=15
)
DATELESS = show(
    Fault(0, "patch", omit=["openDate"], endpoint="live", polls=9_999), name="영영", duration_sec=40, quiet_start_sec=20
)
ADULT = show(name="성인", adult=True, duration_sec=10)
DEAF = show(Fault(12, "half_open"), name="먹통", duration_sec=60, base_rate=2)

SCHEDULE = [NOTICED, DOUBTED, DENIED, FOLLOWED, *MOVED.values(), UNDATED, UNKNOWN, ONCE_DATELESS, DATELESS, ADULT, DEAF]


@dataclass
class Played:
    """All of SCHEDULE, collected at once."""

    database: Database
    chzzk: Simulator
    ended: list[str]

    def rows(self, channel: Channel, columns: str, rest: str = "broadcast AS b", order: str = "1") -> list[Any]:
        parts = ("SELECT", columns, "FROM", rest, "WHERE b.channel_id = %s ORDER BY", order)
        return fetch(self.database, " ".join(parts), channel.channel_id)

    def connections(self, channel: Channel) -> list[ConnectionRecord]:
        return [record for record in self.chzzk.connections if record.channel_id == channel.channel_id]

    def assert_complete(self, channel: Channel) -> None:
        assert_complete(self.database, self.chzzk, channel)


@pytest.fixture(scope="module")
def played(shared_database: Database) -> Played:
    async def play() -> Played:
        ids = [channel.channel_id for channel in SCHEDULE]
        async with Simulator(SCHEDULE, speed=SPEED) as chzzk:
            async with collecting(chzzk, shared_database, ids, quick(heartbeat=HEARTBEAT)) as work:
                # Three channels have two ends each.
                await until(lambda: len(work.ended) == len(SCHEDULE) + 3, "every end")
                await asyncio.sleep(3 * POLL_SEC)
            return Played(shared_database, chzzk, work.ended)

    return asyncio.run(play())


async def collected(database: Database, channel: Channel, **changes: Any) -> Simulator:
    """Plays the channel and collects it to its end."""
    async with (
        Simulator([channel], speed=SPEED) as chzzk,
        collecting(chzzk, database, [channel.channel_id], quick(**changes)) as work,
    ):
        await until(lambda: work.ended, "the end")
    return chzzk


def assert_complete(database: Database, chzzk: Simulator, channel: Channel) -> None:
    sent = sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    assert_same(stored_items(database, channel.channel_id), sent)
    assert gaps(database, channel.channel_id) == []


def test_a_broadcast_is_noticed_within_a_poll_and_ends_after_two_closes(played: Played) -> None:
    played.assert_complete(NOTICED)
    columns = "opened_at, closed_at - opened_at, close_cause, title, stream_id"
    (row,) = played.rows(NOTICED, columns)
    assert row[0] == played.chzzk.sent(NOTICED.channel_id)[0].open_date
    assert row[1].total_seconds() == 20  # Chzzk's own closeDate, not the second CLOSE's time
    assert row[2:4] == ("closed", "새 제목")
    assert row[4].endswith(f"_{NOTICED.channel_id}")
    changes = "broadcast_change AS c JOIN broadcast AS b USING (broadcast_id)"
    assert played.rows(NOTICED, "c.title", changes, "c.ts") == [("오늘도 달려봅시다",), ("새 제목",)]
    samples = "viewer_sample AS s JOIN broadcast AS b USING (broadcast_id)"
    assert played.rows(NOTICED, "min(s.viewers) > 500, count(*) > 3", samples) == [(True, True)]
    assert played.rows(NOTICED, "name", "channel AS b") == [("시작",)]
    # It was connected to within one poll of the first that could have said OPEN.
    opened_sec = 5 / SPEED
    asked = [request.at_sec for request in played.chzzk.requests if request.channel_id == NOTICED.channel_id]
    first = next(moment for moment in asked if moment > opened_sec)
    (connection,) = played.connections(NOTICED)
    assert connection.opened_sec - first < 2


def test_a_false_close_an_error_and_block_end_nothing(played: Played) -> None:
    played.assert_complete(DOUBTED)
    assert played.rows(DOUBTED, "close_cause") == [("closed",)]
    assert len(played.connections(DOUBTED)) == 1
    statuses = [request.status for request in played.chzzk.requests if request.channel_id == DOUBTED.channel_id]
    assert statuses.count(500) == 3
    assert statuses.count(429) == 2


def test_two_false_closes_and_the_broadcast_goes_on_as_the_same(played: Played) -> None:
    played.assert_complete(DENIED)
    assert played.rows(DENIED, "count(*), count(closed_at)") == [(1, 1)]
    assert causes(played.database, DENIED.channel_id) == ["broadcast ended", "broadcast ended"]
    assert len([stream for stream in played.ended if stream.endswith(DENIED.channel_id)]) == 2


def test_a_new_open_date_is_a_new_broadcast(played: Played) -> None:
    played.assert_complete(FOLLOWED)
    rows = played.rows(FOLLOWED, "close_cause, title", order="opened_at")
    assert rows == [("replaced", "오늘도 달려봅시다"), ("closed", "2부")]


@pytest.mark.parametrize("code", MOVED)
def test_a_moved_chat_is_followed_and_nothing_is_lost(played: Played, code: int | None) -> None:
    channel = MOVED[code]
    played.assert_complete(channel)
    assert len({record.chat_channel_id for record in played.connections(channel)}) == 2
    if code is None:
        assert causes(played.database, channel.channel_id) == ["chat channel changed", "broadcast ended"]


def test_a_missing_open_date_is_looked_up(played: Played) -> None:
    played.assert_complete(UNDATED)
    assert played.rows(UNDATED, "count(*)") == [(2,)]


def test_without_an_open_date_no_broadcast_is_made_up(played: Played) -> None:
    played.assert_complete(UNKNOWN)
    assert played.rows(UNKNOWN, "count(*)") == [(1,)]


def test_a_date_that_is_missing_once_makes_no_second_broadcast(played: Played) -> None:
    played.assert_complete(ONCE_DATELESS)
    assert played.rows(ONCE_DATELESS, "count(*)") == [(1,)]


def test_a_broadcast_whose_date_is_never_told_is_collected_all_the_same(played: Played) -> None:
    ((broadcasts, early),) = played.rows(DATELESS, "count(*), max(opened_at) < min(closed_at)")
    assert (broadcasts, early) == (1, True)
    sent = played.chzzk.sent(DATELESS.channel_id)
    stored = stored_items(played.database, DATELESS.channel_id)
    assert sorted(row[1] for row in stored) == sorted(item.time_ms for item in sent)


def test_an_adult_broadcast_without_a_login_is_watched_without_its_chat(played: Played) -> None:
    assert played.connections(ADULT) == []
    ((opened, closed, cause),) = gaps(played.database, ADULT.channel_id)
    assert (closed - opened, cause) == (10_000, "late start")


def test_a_half_open_socket_is_given_up_and_refilled(played: Played) -> None:
    played.assert_complete(DEAF)
    assert causes(played.database, DEAF.channel_id)[0] == "silent for 2.5 s"
    connections = "connection AS c JOIN broadcast AS b USING (broadcast_id)"
    assert played.rows(DEAF, "c.refilled > 0", connections, "c.connected_at")[-1] == (True,)


async def test_a_chat_that_moves_while_there_is_no_connection_is_asked_for_its_last_words(
    plain_database: Database,
) -> None:
    faults = [
        Fault(11, "handshake_reject", code=503, attempts=4),
        Fault(11.5, "drop"),
        Fault(13, "chat_channel_change"),
    ]
    channel = show(*faults, base_rate=5, duration_sec=25)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)


async def test_a_chat_that_moves_while_the_handshake_runs_is_followed(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = show(Fault(13, "chat_channel_change"), base_rate=5, duration_sec=30)
    slow, opened = broadcast_module.ChatSocket.open, 0

    async def open_slowly(*arguments: Any) -> Any:
        nonlocal opened
        opened += 1
        if opened == 1:
            await asyncio.sleep(1.7)  # from about 0.1 to about 1.8 s: the poll meanwhile finds another chat
        return await slow(*arguments)

    monkeypatch.setattr(broadcast_module.ChatSocket, "open", open_slowly)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)


async def test_silence_asks_and_does_not_end_an_open_broadcast(plain_database: Database) -> None:
    channel = show(duration_sec=12, base_rate=0, channel_events_per_min=0, donations_per_min=0)
    chzzk = await collected(plain_database, channel, idle_timeout_sec=0.3)
    assert fetch(plain_database, "SELECT close_cause FROM broadcast") == [("idle",)]
    assert len(chzzk.connections) == 1


async def test_recent_chat_that_is_not_understood_does_not_hide_a_gap(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "recent_body", lambda room, count: {"messageList": None})
    channel = show(Fault(15, "handshake_reject", attempts=3), Fault(15.1, "drop"), base_rate=10)
    chzzk = await collected(plain_database, channel)
    stored, sent = stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    lost = [row[1] for row in set(sent) - set(stored)]
    assert lost
    for time_ms in lost:
        assert any(from_ms <= time_ms <= to_ms for from_ms, to_ms, _ in gaps(plain_database))


async def test_a_gap_that_another_collector_left_open_is_closed_with_the_broadcast(plain_database: Database) -> None:
    """It handed the channel over in its first seconds, and its records came last."""
    channel = show(duration_sec=30, base_rate=5)
    async with (
        Simulator([channel], speed=SPEED) as chzzk,
        collecting(chzzk, plain_database, [channel.channel_id]) as work,
    ):
        await until(lambda: fetch(plain_database, "SELECT 1 FROM event LIMIT 1"), "chat")
        stream_id = fetch(plain_database, "SELECT stream_id FROM broadcast")[0][0]
        stray: Any = gap(stream_id, GapOpened(None, "late start"))
        async with plain_database.pool(1) as pool:
            await pool.execute(query(stray.query), *stray.arguments)
        assert [to_ms for _, to_ms, _ in gaps(plain_database)] == [None]
        await until(lambda: work.ended, "the end")
    assert gaps(plain_database) == []
    assert_complete(plain_database, chzzk, channel)


async def test_collecting_is_stopped_even_while_a_timeout_of_its_own_expires() -> None:
    patiences: list[asyncio.Timeout] = []

    async def collect() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(60) as patience:
                patiences.append(patience)
                await asyncio.sleep(60)
        await asyncio.sleep(60)

    nothing: Any = None
    watch = ChannelWatch("c", nothing, nothing, quick(), on_ended=nothing)
    watch._collecting = asyncio.create_task(collect())
    await asyncio.sleep(0)
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stop() -> None:
        await gate
        await watch._stop_collecting()

    stopping = asyncio.create_task(stop())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(gate.set_result, None)
    patiences[0].reschedule(0.0)
    async with asyncio.timeout(5):
        await stopping
