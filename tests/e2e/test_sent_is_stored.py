"""What the simulator sent is what the database holds, through the code that talks to Chzzk."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from collector.backoff import Backoff
from collector.channel import WatchSettings
from collector.chzzk.chat import Heartbeat
from simulator import Broadcast, Burst, Channel, Fault, SentItem, Simulator
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

# The talk begins when the collector is there, on a busy machine too; each kind of item is frequent.
LIVELY: dict[str, Any] = {
    "quiet_start_sec": 40,
    "quiet_rate": 0,
    "donations_per_min": 20,
    "twin_share": 0.3,
    "subscriptions_per_min": 6,
    "gifts_per_min": 4,
    "parties_per_min": 3,
    "shops_per_min": 3,
    "systems_per_min": 3,
    "channel_events_per_min": 6,
    "odd_share": 0.05,
}
RARELY = {**LIVELY, "donations_per_min": 12, "subscriptions_per_min": 2, "gifts_per_min": 1}

FAULTS = [
    Fault(45, "close", code=1000),
    Fault(55, "drop"),
    Fault(65, "duplicate", last=30),
    Fault(70, "chat_channel_change"),
    Fault(85, "false_close"),
    Fault(92, "http_status", code=503, polls=2),
    Fault(95, "close", code=1011),
    Fault(105, "chat_channel_change", code=1000),
    Fault(120, "blind", back=3),
    Fault(121, "blind", back=9),
    Fault(122, "restore"),
    Fault(125, "http_status", code=429, retry_after=0),
    Fault(126, "close", code=4000),
    Fault(131, "token_refusal"),
    Fault(132, "drop"),
    Fault(140, "half_open"),
    Fault(180, "raw_frame", text='{"cmd":93101,"bdy":[{"msgTime":"now"},7]}'),
    Fault(181, "raw_frame", text="<html>", bytes_base64="AAEC/w=="),
    Fault(185, "ret_code"),
    Fault(186, "close"),
]

QUIET_CHANNEL = Channel(
    "둘", [Broadcast(80, 6, **LIVELY), Broadcast(80, 6, title="2부", offline_before_sec=30, **LIVELY)]
)
BUSY_CHANNEL = Channel(
    "하나", [Broadcast(150, 10, bursts=[Burst(80, 4)], blind_share=0.05, restore_share=0.4, **LIVELY)]
)
# About 2.5 items a second: what is missed in the few seconds of an outage is well within the recent chat.
HAUNTED_CHANNEL = Channel("수난", [Broadcast(200, 2, blind_share=0, **RARELY)], FAULTS)
# The first outage is longer than the recent chat reaches back, the second is not.
CUT_CHANNEL = Channel(
    "긴정전",
    [Broadcast(170, 5, blind_share=0, **RARELY)],
    [Fault(60, "handshake_reject", code=503, attempts=10), Fault(60.5, "drop"), Fault(150, "close", code=1000)],
)


class Steady(Backoff):
    """Waits a quarter of a second before each attempt."""

    def seconds(self) -> float:
        return 0.25


@pytest.fixture(params=["plain_database", "timescale_database"])
def database(request: pytest.FixtureRequest) -> Database:
    """Either edition."""
    found: Database = request.getfixturevalue(request.param)
    return found


async def play(database: Database, channels: list[Channel], settings: WatchSettings) -> list[list[SentItem]]:
    """Plays the channels and collects them to their ends. Returns what was sent, a list a channel."""
    ids = [channel.channel_id for channel in channels]
    broadcasts = sum(len(channel.broadcasts) for channel in channels)
    async with Simulator(channels, speed=20, seed=3) as chzzk:
        async with collecting(chzzk, database, ids, settings) as work:
            await until(lambda: len(work.ended) == broadcasts, "the end of every broadcast")
        return [chzzk.sent(channel_id) for channel_id in ids]


async def test_sent_is_stored(database: Database) -> None:
    busy, quiet = await play(database, [BUSY_CHANNEL, QUIET_CHANNEL], quick())
    # A socket that went deaf is noticed before the recent chat has forgotten what it missed.
    impatient = quick(heartbeat=Heartbeat(ping_after=0.5, dead_after=1.2, handshake=5.0))
    (haunted,) = await play(database, [HAUNTED_CHANNEL], impatient)
    # A server of its own: a handshake is refused before anybody knows whose it is. And one after the other: the
    # TimescaleDB of tests has one backend, which two writers would fight for.
    (cut,) = await play(database, [CUT_CHANNEL], quick(backoff=Steady))
    everything_that_was_said(database, BUSY_CHANNEL, busy)
    everything_that_was_said(database, QUIET_CHANNEL, quiet)
    what_the_collector_saw(database)
    everything_in_spite_of_faults(database, haunted)
    a_gap_around_exactly_what_is_lost(database, cut)


def everything_that_was_said(database: Database, channel: Channel, items: list[SentItem]) -> None:
    stored, sent = stored_items(database, channel.channel_id), sent_items(channel.channel_id, items)
    assert_same(stored, sent)
    assert len(sent) > 500
    assert {row[2] for row in sent} == {"chat", "donation", "subscription", "gift", "party", "system", "other"}
    assert any(row[7] for row in sent), "nothing was hidden"
    assert gaps(database, channel.channel_id) == []


def what_the_collector_saw(database: Database) -> None:
    # Channel events are kept too, and are no items.
    assert fetch(database, "SELECT count(*) > 0 FROM event WHERE kind = 'other' AND user_id IS NULL") == [(True,)]
    ends = "SELECT close_cause, count(*) FROM broadcast GROUP BY 1"
    assert fetch(database, ends) == [("closed", 5)]
    # Viewers were sampled, in the broadcast's own time.
    outside = """
        SELECT count(*) FILTER (WHERE s.ts NOT BETWEEN b.opened_at - interval '1 s' AND b.closed_at), count(*) > 5
        FROM viewer_sample AS s JOIN broadcast AS b USING (broadcast_id)
    """
    assert fetch(database, outside) == [(0, True)]
    titles = "SELECT title FROM broadcast_change JOIN broadcast USING (broadcast_id, title) ORDER BY ts"
    assert len(fetch(database, titles)) == 5


def everything_in_spite_of_faults(database: Database, items: list[SentItem]) -> None:
    channel_id = HAUNTED_CHANNEL.channel_id
    sent = sent_items(channel_id, items)
    assert_same(stored_items(database, channel_id), sent)
    assert sum(1 for row in sent if row[7]) >= 1, "nothing was hidden"
    assert gaps(database, channel_id) == []
    ends = causes(database, channel_id)
    assert None not in ends
    for cause in ("close 1000", "close 1006", "close 1011", "close 4000", "silent for 1.2 s", "chat channel changed"):
        assert cause in ends, f"no connection ended by {cause}: {ends}"
    # The two items and the two frames that nobody can read are kept.
    assert fetch(database, "SELECT count(*) FROM rejected_item") == [(4,)]


def a_gap_around_exactly_what_is_lost(database: Database, items: list[SentItem]) -> None:
    channel_id = CUT_CHANNEL.channel_id
    stored, sent = stored_items(database, channel_id), sent_items(channel_id, items)
    assert len(stored) == len(set(stored))
    assert not set(stored) - set(sent)
    lost = [row[1] for row in set(sent) - set(stored)]
    kept = {row[1] for row in stored}
    found = gaps(database, channel_id)
    assert len(lost) > 50
    assert found[0][2] == "close 1006"
    for time_ms in lost:
        assert any(from_ms <= time_ms <= to_ms for from_ms, to_ms, _ in found), "lost outside of every gap"
    for from_ms, to_ms, _ in found:
        assert {from_ms, to_ms} <= kept
        assert not [time_ms for time_ms in kept if from_ms < time_ms < to_ms], "a gap is wider than what is lost"


async def test_the_command_over_tls_until_sigterm(plain_database: Database, tmp_path: Path) -> None:
    channel = Channel("자물쇠", [Broadcast(4000, 3, **LIVELY)])
    async with Simulator([channel], speed=40, seed=6, tls=True) as chzzk:
        channels = tmp_path / "channels.yaml"
        channels.write_text(f"channels: [{channel.channel_id}]\n")
        environment = {
            **os.environ,
            "SSL_CERT_FILE": str(chzzk.certificate),
            "NOKCHART_CHZZK_API_URL": chzzk.api_url,
            "NOKCHART_CHZZK_GAME_API_URL": chzzk.game_api_url,
            "NOKCHART_CHZZK_CHAT_URL": chzzk.chat_url,
            "NOKCHART_POLL_INTERVAL_SEC": "0.3",
            "NOKCHART_OUTDIR": str(tmp_path),
            "NOKCHART_DATABASE_URL": plain_database.url,
        }
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nokchart", "watch", "--channels", str(channels)),
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await until(lambda: len(stored_items(plain_database)) > 300, "three hundred rows")
        finally:
            command.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                output, _ = await command.communicate()
        assert command.returncode == 0, output.decode()
        items = chzzk.sent(channel.channel_id)
    stored = stored_items(plain_database)
    assert len(stored) == len(set(stored))
    # All between the first and the last that are stored (either may have a twin in its millisecond on the other side).
    first, last = min(row[1] for row in stored), max(row[1] for row in stored)
    if not gaps(plain_database):
        assert first == items[0].time_ms
    held = [row for row in sent_items(channel.channel_id, items) if first < row[1] < last]
    held = [row[:7] + row[8:] for row in held]  # what was blinded later than the stop is another state
    assert set(held) <= {row[:7] + row[8:] for row in stored}
    assert causes(plain_database) == ["stopped"]
    assert fetch(plain_database, "SELECT closed_at FROM broadcast") == [(None,)]
    assert fetch(plain_database, "SELECT stopped_at IS NOT NULL FROM collector_status") == [(True,)]
