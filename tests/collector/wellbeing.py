"""Snapshots of collectors that are well, for tests to make ill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from collector.snapshot import ChannelSnapshot, Snapshot

NOW = datetime(2026, 1, 6, 12, 0, 0, tzinfo=UTC)


def channel(channel_id: str = "a" * 32, **changes: Any) -> ChannelSnapshot:
    """A channel on air and connected."""
    values: dict[str, Any] = {
        "channel_id": channel_id,
        "live": True,
        "connected": True,
        "poll_age_sec": 12.0,
        "frame_age_sec": 3.0,
        "events": 5_000,
        "rejected": 2,
        "connections": 4,
        "gaps": 1,
    }
    return ChannelSnapshot(**{**values, **changes})


def silent(channel_id: str = "b" * 32, **changes: Any) -> ChannelSnapshot:
    """A channel that is not on air."""
    values = {"live": False, "connected": False, "frame_age_sec": None, "events": 0, "rejected": 0}
    return channel(channel_id, **{**values, "connections": 0, "gaps": 0, **changes})


def snapshot(*channels: ChannelSnapshot, **changes: Any) -> Snapshot:
    """A collector that is well, as of two seconds ago; of the two channels above where none are given."""
    values: dict[str, Any] = {
        "collector_id": "host:4711",
        "pid": 4711,
        "at": NOW - timedelta(seconds=2),
        "started_at": NOW - timedelta(hours=30),
        "poll_interval_sec": 60.0,
        "channels": list(channels or (channel(), silent())),
        "database_away_sec": 0.0,
        "commit_age_sec": 0.2,
        "queued_rows": 17,
        "queue_limit_rows": 200_000,
        "spool_bytes": 0,
        "spool_limit_bytes": 1024 * 2**20,
        "spool_full": False,
        "events": 123_456,
        "repeated": 789,
        "rejected": 5,
        "dropped": 0,
        "commit_errors": 3,
        "delay_sec": 0.41,
    }
    values |= changes
    return Snapshot(**{"running_sec": (values["at"] - values["started_at"]) / timedelta(seconds=1), **values})
