"""A play: the real collector against faults of the simulator, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import pytest

from collector.backoff import Backoff
from collector.channel import WatchSettings
from collector.chzzk.chat import Heartbeat
from simulator import Broadcast, Channel, Fault, SentItem, Simulator
from store.database import Database
from tests.collector.studio import assert_same, collecting, fetch, gaps, quick, sent_items, stored_items, until
from tests.faults.leap import Leap

# Times are those of production, but for the delays between attempts: what a fault needs is that there is a next one.
EAGER = WatchSettings(poll_interval_sec=5.0, backoff=lambda: Backoff(first=0.1, cap=0.1))
# For plays in real time.
BRISK = quick(heartbeat=Heartbeat(ping_after=2.0, dead_after=4.0), backoff=lambda: Backoff(first=0.02, cap=0.05))


def show(*faults: Fault, name: str = "수난", duration_sec: float = 60, base_rate: float = 2, **rest: Any) -> Channel:
    """A channel with one broadcast, whose talk begins when the collector is there."""
    calm = {"quiet_start_sec": 3, "quiet_rate": 0, "blind_share": 0, "channel_events_per_min": 0}
    return Channel(name, [Broadcast(duration_sec, base_rate, **{**calm, **rest})], faults)


def collect(
    patch: pytest.MonkeyPatch,
    database: Database,
    channels: Sequence[Channel],
    settings: WatchSettings = EAGER,
    *,
    ends: int | None = None,
    place: Callable[[Simulator], AbstractAsyncContextManager[Any]] = nullcontext,
    **options: Any,
) -> Simulator:
    """Plays the channels in leaps, at speed 1, and collects them to their ends.

    `ends`: how many broadcasts end, where that is not all of them.
    `place`: what stands for Chzzk where that is not the simulator itself.
    """
    leap = Leap(patch)
    expected = sum(len(channel.broadcasts) for channel in channels) if ends is None else ends

    async def play() -> Simulator:
        async with Simulator(channels, **options) as chzzk:
            ids = [channel.channel_id for channel in channels]
            async with place(chzzk) as chat, collecting(chat, database, ids, settings) as work:
                await until(lambda: chzzk.requests, "the first poll")
                span = max(channel.span_sec() for channel in channels)
                await leap.pass_by(span + 3 * settings.poll_interval_sec)
                await until(lambda: len(work.ended) >= expected, "every end")
        return chzzk

    return leap.run(play())


def busy(speed: float, name: str = "수난", duration_sec: float = 4000) -> Channel:
    """A channel with 400 messages a real second, of which the recent chat holds the last quarter of one."""
    return show(name=name, duration_sec=duration_sec, base_rate=400 / speed)


async def further(chzzk: Simulator, channel: Channel, count: int) -> None:
    """Returns when so many more messages were sent."""
    said = len(chzzk.sent(channel.channel_id))
    await until(lambda: len(chzzk.sent(channel.channel_id)) >= said + count, f"{count} more messages")


def attempts(chzzk: Simulator) -> list[str]:
    """How each connection, and each attempt at one, ended as the server saw it, in the order of their beginning."""
    return [
        record.cause if record.close_code is None else f"{record.cause} {record.close_code}"
        for record in chzzk.connections
    ]


def refusals(database: Database) -> list[tuple[str, str]]:
    """(source, reason) of everything in rejected_item, in order."""
    return [(str(source), str(reason)) for source, reason in fetch(database, REFUSED)]


REFUSED = "SELECT source, reason FROM rejected_item ORDER BY rejected_item_id"


def assert_complete(database: Database, chzzk: Simulator, channel: Channel) -> None:
    """Every item is one row, and nothing is said to be missing."""
    sent = sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    assert_same(stored_items(database, channel.channel_id), sent)
    assert gaps(database, channel.channel_id) == []


def assert_gaps_are_what_is_lost(database: Database, channel: Channel, items: Iterable[SentItem]) -> list[int]:
    """Nothing is invented or twice, all that is lost is in a gap, and no gap is wider than that. Returns the lost."""
    lost = assert_lost_is_in_gaps(database, channel, items)
    stored = stored_items(database, channel.channel_id)
    for from_ms, to_ms, _ in gaps(database, channel.channel_id):
        assert not [row for row in stored if from_ms < row[1] < to_ms], "a gap is wider than what is lost"
    return lost


def assert_lost_is_in_gaps(database: Database, channel: Channel, items: Iterable[SentItem]) -> list[int]:
    """Nothing is invented or twice, and all that is lost is in a gap. Returns when that was said, ms since 1970."""
    stored, sent = stored_items(database, channel.channel_id), sent_items(channel.channel_id, items)
    assert len(stored) == len(set(stored))
    assert not set(stored) - set(sent)
    kept = {row[1] for row in stored}
    lost = sorted(row[1] for row in set(sent) - set(stored))
    found = gaps(database, channel.channel_id)
    for time_ms in lost:
        # On a gap's border only beside a message of the same millisecond.
        inside = any(begin < time_ms < end or (begin <= time_ms <= end and time_ms in kept) for begin, end, _ in found)
        assert inside, "lost outside of every gap"
    return lost


def assert_lost_so_far_is_in_gaps(database: Database, channel: Channel, items: Iterable[SentItem]) -> list[int]:
    """The same of everything up to the newest row, of a broadcast that goes on."""
    newest = stored_items(database, channel.channel_id)[-1][1]
    return assert_lost_is_in_gaps(database, channel, [item for item in items if item.time_ms <= newest])


def assert_stored(database: Database, channel: Channel, items: Iterable[SentItem]) -> None:
    """All of these are rows."""
    wanted = set(sent_items(channel.channel_id, items))
    missing = wanted - set(stored_items(database, channel.channel_id))
    assert not missing, f"{len(missing)} of {len(wanted)} are not stored"
