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
from collector.chzzk.chat import Heartbeat
from simulator import Broadcast, Burst, Channel, Fault, Simulator
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

LIVELY: dict[str, Any] = {
    "quiet_start_sec": 15,  # nothing is lost before the first poll
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


@pytest.fixture(params=["plain_database", "timescale_database"])
def database(request: pytest.FixtureRequest) -> Database:
    """Either edition."""
    found: Database = request.getfixturevalue(request.param)
    return found


async def test_two_channels_three_broadcasts_every_kind(database: Database) -> None:
    channels = [
        Channel("하나", [Broadcast(90, 12, bursts=[Burst(40, 4)], blind_share=0.05, restore_share=0.4, **LIVELY)]),
        Channel("둘", [Broadcast(50, 8, **LIVELY), Broadcast(50, 8, title="2부", offline_before_sec=30, **LIVELY)]),
    ]
    ids = [channel.channel_id for channel in channels]
    async with Simulator(channels, speed=30, seed=3) as chzzk:
        async with collecting(chzzk, database, ids) as work:
            await until(lambda: len(work.ended) == 3, "the end of three broadcasts")
        sent = [row for channel_id in ids for row in sent_items(channel_id, chzzk.sent(channel_id))]
    assert_same(stored_items(database), sorted(sent, key=repr))
    assert len(sent) > 1500
    assert {row[2] for row in sent} == {"chat", "donation", "subscription", "gift", "party", "system", "other"}
    assert any(row[7] for row in sent)
    assert gaps(database) == []
    assert fetch(database, "SELECT count(*) FROM rejected_item") == [(0,)]
    # Channel events are kept too, and are no items.
    assert fetch(database, "SELECT count(*) > 0 FROM event WHERE kind = 'other' AND user_id IS NULL") == [(True,)]
    assert fetch(database, "SELECT DISTINCT close_cause FROM broadcast WHERE closed_at IS NOT NULL") == [("closed",)]
    # Viewers were sampled, in the broadcast's own time.
    outside = """
        SELECT count(*) FILTER (WHERE s.ts NOT BETWEEN b.opened_at - interval '1 s' AND b.closed_at), count(*) > 5
        FROM viewer_sample AS s JOIN broadcast AS b USING (broadcast_id)
    """
    assert fetch(database, outside) == [(0, True)]


async def test_faults_that_recent_chat_can_make_good_lose_nothing(database: Database) -> None:
    faults = [
        Fault(25, "close", code=1000),
        Fault(40, "drop"),
        Fault(55, "duplicate", last=30),
        Fault(60, "chat_channel_change"),
        Fault(80, "false_close"),
        Fault(85, "http_status", code=503, polls=2),
        Fault(90, "close", code=1011),
        Fault(105, "chat_channel_change", code=1000),
        Fault(120, "blind", back=3),
        Fault(121, "blind", back=9),
        Fault(122, "restore"),
        Fault(125, "http_status", code=429, retry_after=0),
        Fault(126, "close", code=4000),
        Fault(130, "token_refusal"),
        Fault(131, "drop"),
        Fault(140, "half_open"),
        Fault(170, "ret_code"),
        Fault(171, "close"),
        Fault(180, "raw_frame", text='{"cmd":93101,"bdy":[{"msgTime":"now"},7]}'),
        Fault(181, "raw_frame", text="<html>", bytes_base64="AAEC/w=="),
    ]
    # About 2.5 items a second: what is missed in the few seconds of an outage is well within the recent chat.
    script = {**LIVELY, "donations_per_min": 12, "subscriptions_per_min": 2, "gifts_per_min": 1}
    channel = Channel("수난", [Broadcast(200, 2, blind_share=0, **script)], faults)
    settings = quick(heartbeat=Heartbeat(ping_after=0.4, dead_after=0.8, handshake=5.0))
    async with Simulator([channel], speed=20, seed=4) as chzzk:
        async with collecting(chzzk, database, [channel.channel_id], settings) as work:
            await until(lambda: work.ended, "the end of the broadcast")
        sent = sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    assert_same(stored_items(database), sent)
    assert sum(1 for row in sent if row[7]) >= 1
    assert gaps(database) == []
    assert fetch(database, "SELECT count(*) FROM broadcast") == [(1,)]
    ends = causes(database)
    assert None not in ends
    for cause in ("close 1000", "close 1006", "close 1011", "close 4000", "silent for 0.8 s", "chat channel changed"):
        assert cause in ends
    # The two items and the two frames that nobody can read are kept.
    assert fetch(database, "SELECT count(*) FROM rejected_item") == [(4,)]


async def test_an_outage_beyond_the_recent_chat_is_a_gap_around_exactly_what_is_lost(database: Database) -> None:
    channel = Channel(
        "긴정전",
        [Broadcast(240, 10, **{**LIVELY, "channel_events_per_min": 0}, blind_share=0)],
        [
            Fault(60, "handshake_reject", code=503, attempts=12),
            Fault(60.5, "drop"),
            Fault(190, "handshake_reject", code=403, attempts=1),
            Fault(190.5, "close", code=1000),
        ],
    )
    steady = quick(backoff=lambda: Steady(0.25))
    async with Simulator([channel], speed=30, seed=5) as chzzk:
        async with collecting(chzzk, database, [channel.channel_id], steady) as work:
            await until(lambda: work.ended, "the end of the broadcast")
        items = chzzk.sent(channel.channel_id)
    stored = stored_items(database)
    sent = sent_items(channel.channel_id, items)
    lost = sorted(set(sent) - set(stored), key=lambda row: row[1])
    assert not set(stored) - set(sent)
    assert len(stored) == len(set(stored))
    found = gaps(database)
    assert len(lost) > 100
    assert len(found) == 1
    ((from_ms, to_ms, cause),) = found
    assert cause == "close 1006"
    assert all(from_ms <= row[1] <= to_ms for row in lost)
    # The gap is no wider than what is lost: between its ends no item that was sent is stored.
    times = sorted(item.time_ms for item in items)
    inside = [time_ms for time_ms in times if from_ms < time_ms < to_ms]
    assert set(inside) <= {row[1] for row in lost}
    assert {from_ms, to_ms} <= {row[1] for row in stored}


class Steady(Backoff):
    """Waits the same time before each attempt."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._delay = delay

    def seconds(self) -> float:
        return self._delay


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
    # All from the first to the last that is stored; what came after it was not flushed or not sent yet.
    first, last = min(row[1] for row in stored), max(row[1] for row in stored)
    if not gaps(plain_database):
        assert first == items[0].time_ms
    held = [row for row in sent_items(channel.channel_id, items) if first <= row[1] < last]
    held = [row[:7] + row[8:] for row in held]  # what was blinded later than the stop is another state
    assert set(held) <= {row[:7] + row[8:] for row in stored}
    assert causes(plain_database) == ["stopped"]
    assert fetch(plain_database, "SELECT closed_at FROM broadcast") == [(None,)]
    assert fetch(plain_database, "SELECT stopped_at IS NOT NULL FROM collector_status") == [(True,)]
