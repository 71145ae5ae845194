"""How a collector is doing at one moment: what `nokchart health`, the metrics and the collector's own row are made of.

Times ago are seconds by the monotonic clock, so that a clock that is set does not make a healthy collector look dead.
"""

from datetime import datetime
from pathlib import Path

import msgspec

FILE_NAME = "status.json"


class ChannelSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One channel that is watched. Counts are of the broadcast on air, and 0 where there is none."""

    channel_id: str
    live: bool
    connected: bool
    poll_age_sec: float | None
    """Since the last poll that got an answer, or before the first since this collector watches; None: not known."""
    frame_age_sec: float | None
    """Since the last frame of the chat, pongs included; before the first, since it is on air. None off air."""
    events: int
    rejected: int
    connections: int
    gaps: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole collector."""

    collector_id: str
    pid: int
    at: datetime
    started_at: datetime
    running_sec: float
    """Since then."""
    poll_interval_sec: float
    channels: list[ChannelSnapshot]
    """Those that this collector watches now; several collectors may share a list."""
    database_away_sec: float
    """Since when nothing could be committed although something waits; 0.0 while the database answers."""
    commit_age_sec: float | None
    """Since the last commit; None before the first."""
    queued_rows: int
    """Records in memory that are not committed."""
    queue_limit_rows: int
    spool_bytes: int
    """Records on disk that are not committed."""
    spool_limit_bytes: int
    spool_full: bool
    """The spool takes no more: its bound or the disk's is reached. What does not fit in memory either is dropped."""
    events: int
    """New rows committed since the start."""
    repeated: int
    """Second deliveries that changed nothing."""
    rejected: int
    dropped: int
    """Messages that were delivered, and could be kept nowhere."""
    commit_errors: int
    delay_sec: float | None
    """From a message's time at Chzzk to its commit, the newest batch's median by our clock; None before the first."""


def write_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Replaces `folder`/status.json in one piece. OSError where the disk does not take it."""
    beside = folder / f"{FILE_NAME}.new"
    beside.write_bytes(msgspec.json.encode(snapshot))
    beside.replace(folder / FILE_NAME)


def read_snapshot(folder: Path) -> Snapshot | None:
    """The last one that was written, None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Snapshot)
    except (OSError, msgspec.MsgspecError):
        return None
