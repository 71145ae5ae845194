"""One channel over its broadcasts: when one begins, when it is another one, and when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collector.chzzk.chat import Heartbeat
from simulator import Broadcast, Channel, Fault, Simulator
from store.database import Database
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


def show(*faults: Fault, duration_sec: float = 30, base_rate: float = 3, **rest: Any) -> Channel:
    return Channel("시험방송", [Broadcast(duration_sec, base_rate, **{**ONE, **rest})], faults)


async def collected(database: Database, channel: Channel, broadcasts: int = 1, **changes: Any) -> Simulator:
    """Plays the channel and collects it to its end."""
    async with Simulator([channel], speed=SPEED) as chzzk:
        async with collecting(chzzk, database, [channel.channel_id], quick(**changes)) as work:
            await until(lambda: len(work.ended) >= broadcasts, "the end")
    return chzzk


def assert_complete(database: Database, chzzk: Simulator, channel: Channel) -> None:
    assert_same(stored_items(database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id)))
    assert gaps(database) == []


async def test_a_broadcast_is_noticed_within_a_poll_and_ends_after_two_closes(plain_database: Database) -> None:
    channel = show(Fault(12, "retitle", title="새 제목"), offline_before_sec=5, duration_sec=20, viewers=1000)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)
    (row,) = fetch(
        plain_database, "SELECT opened_at, closed_at - opened_at, close_cause, title, stream_id FROM broadcast"
    )
    assert row[0] == chzzk.sent(channel.channel_id)[0].open_date
    assert row[1].total_seconds() == 20  # Chzzk's own closeDate, not the second CLOSE's time
    assert row[2:4] == ("closed", "새 제목")
    assert row[4].endswith(f"_{channel.channel_id}")
    assert fetch(plain_database, "SELECT title FROM broadcast_change ORDER BY ts") == [
        ("오늘도 달려봅시다",),
        ("새 제목",),
    ]
    assert fetch(plain_database, "SELECT min(viewers) > 500, count(*) > 3 FROM viewer_sample") == [(True, True)]
    assert fetch(plain_database, "SELECT name FROM channel") == [("시험방송",)]
    first = next(index for index, request in enumerate(chzzk.requests) if request.simulated_sec >= 5)
    # The token is asked for right after the first answer that says OPEN.
    assert "token" in [request.endpoint for request in chzzk.requests[first : first + 4]]


async def test_a_false_close_an_error_and_block_end_nothing(plain_database: Database) -> None:
    channel = show(
        Fault(6, "false_close"),
        Fault(11, "block", polls=3),
        Fault(15, "http_status", code=500, polls=3),
        Fault(19, "html", polls=2),
        Fault(22, "http_status", code=429, retry_after=0, polls=2),
    )
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT close_cause FROM broadcast") == [("closed",)]
    assert len(chzzk.connections) == 1


async def test_two_false_closes_and_the_broadcast_goes_on_as_the_same(plain_database: Database) -> None:
    channel = show(Fault(12, "false_close", polls=4), duration_sec=40, base_rate=2)
    chzzk = await collected(plain_database, channel, broadcasts=2)
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*), count(closed_at) FROM broadcast") == [(1, 1)]
    assert causes(plain_database) == ["broadcast ended", "broadcast ended"]


async def test_a_new_open_date_is_a_new_broadcast(plain_database: Database) -> None:
    # No poll sees the moment between the two.
    channel = Channel("연속", [Broadcast(25, 3, **ONE), Broadcast(25, 3, title="2부", **ONE)])
    chzzk = await collected(plain_database, channel, broadcasts=2)
    assert_complete(plain_database, chzzk, channel)
    rows = fetch(plain_database, "SELECT close_cause, title FROM broadcast ORDER BY opened_at")
    assert rows == [("replaced", "오늘도 달려봅시다"), ("closed", "2부")]


@pytest.mark.parametrize("code", [None, 1000, 4001])
async def test_a_moved_chat_is_followed_and_nothing_is_lost(plain_database: Database, code: int | None) -> None:
    channel = show(Fault(12, "chat_channel_change", code=code), base_rate=5)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)
    assert len({record.chat_channel_id for record in chzzk.connections}) == 2
    if code is None:
        assert causes(plain_database) == ["chat channel changed", "broadcast ended"]


async def test_a_chat_that_moves_while_there_is_no_connection_is_asked_for_its_last_words(
    plain_database: Database,
) -> None:
    faults = [
        Fault(11, "handshake_reject", code=503, attempts=4),
        Fault(11.5, "drop"),
        Fault(13, "chat_channel_change"),
    ]
    channel = show(*faults, base_rate=5, duration_sec=40)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)


async def test_a_chat_that_moves_while_the_handshake_runs_is_followed(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collector import broadcast as broadcast_module

    channel = show(Fault(13, "chat_channel_change"), base_rate=5, duration_sec=40)
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
    channel = show(duration_sec=25, base_rate=0, channel_events_per_min=0, donations_per_min=0)
    chzzk = await collected(plain_database, channel, idle_timeout_sec=0.3)
    assert fetch(plain_database, "SELECT close_cause FROM broadcast") == [("idle",)]
    assert len(chzzk.connections) == 1


async def test_a_missing_open_date_is_looked_up(plain_database: Database) -> None:
    faults = [Fault(0, "patch", omit=["openDate", "closeDate"], endpoint="live-status", polls=9_999)]
    channel = Channel("무날짜", [Broadcast(20, 3, **ONE), Broadcast(25, 3, offline_before_sec=0, **ONE)], faults)
    chzzk = await collected(plain_database, channel, broadcasts=2)
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*) FROM broadcast") == [(2,)]


async def test_without_an_open_date_no_broadcast_is_made_up(plain_database: Database) -> None:
    faults = [
        Fault(0, "patch", omit=["openDate"], endpoint="live-status", polls=3),
        Fault(0, "http_status", code=500, endpoint="live-detail", polls=3),
    ]
    channel = show(*faults, quiet_start_sec=15)
    chzzk = await collected(plain_database, channel)
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*) FROM broadcast") == [(1,)]


async def test_an_adult_broadcast_without_a_login_is_watched_without_its_chat(plain_database: Database) -> None:
    chzzk = await collected(plain_database, show(adult=True, duration_sec=10))
    assert chzzk.connections == []
    opened, closed, cause = gaps(plain_database)[0]
    assert (closed - opened, cause) == (10_000, "late start")


async def test_a_half_open_socket_is_given_up_and_refilled(plain_database: Database) -> None:
    channel = show(Fault(12, "half_open"), duration_sec=40)
    chzzk = await collected(plain_database, channel, heartbeat=Heartbeat(ping_after=0.3, dead_after=0.6))
    assert_complete(plain_database, chzzk, channel)
    assert causes(plain_database)[0] == "silent for 0.6 s"
    refilled = fetch(plain_database, "SELECT refilled > 0 FROM connection ORDER BY connected_at DESC LIMIT 1")
    assert refilled == [(True,)]


async def test_recent_chat_that_is_not_understood_does_not_hide_a_gap(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.room import Room

    monkeypatch.setattr(Room, "recent_body", lambda room, count: {"messageList": None})
    channel = show(Fault(15, "handshake_reject", attempts=3), Fault(15.1, "drop"), base_rate=10)
    chzzk = await collected(plain_database, channel)
    stored, sent = stored_items(plain_database), sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    lost = [row[1] for row in set(sent) - set(stored)]
    assert lost
    for time_ms in lost:
        assert any(from_ms <= time_ms <= to_ms for from_ms, to_ms, _ in gaps(plain_database))
