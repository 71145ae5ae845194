"""One look at what is on air, as values: channels, their peaks of the last hour, collectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from analytics.live_series import SETTLE_SEC

CURRENT_SEC: Final = 120
"""A peak is news for so long after it began."""


@dataclass(frozen=True)
class LivePeak:
    """A surge of the last hour, as the files would list it."""

    start_sec: int
    """Seconds since the broadcast opened, as all of these."""
    end_sec: int
    onset_sec: int
    value: int
    """Chats in [start_sec, end_sec)."""
    score: float
    times_usual: float
    """Its pace over that of the minutes before."""
    reasons: list[str]
    words: list[str]
    """Of a current peak the words that make it, harmless, best first; may be empty."""
    current: bool
    """It began within the last two minutes."""


@dataclass(frozen=True)
class LiveChannel:
    """A broadcast that is on air, or (closed_at) has ended since the moment that was asked about."""

    channel_id: str
    stream_id: str
    streamer: str
    """As title and category: harmless (analytics/harmless.py), in one line; empty where it is not known."""
    title: str
    category: str
    opened_at: datetime
    closed_at: datetime | None
    elapsed_sec: int
    viewers: int | None
    viewers_at: datetime | None
    chats_per_sec: float | None
    """Of the last 10 s; None: not collected."""
    excitement: float
    """Sigmas of the last 30 s above the usual of the last 15 minutes."""
    chats_15min: list[float | None]
    """90 steps of 10 s, in chats a second; None: not collected, or before the broadcast."""
    donations_15min: int
    donated_15min: int
    """KRW."""
    missing_15min: int
    """Seconds in a gap."""
    gap_open: bool
    """Nothing is being collected at this moment."""
    peaks: list[LivePeak]
    """Of the last hour, in order of time."""

    @property
    def peak(self) -> LivePeak | None:
        """The newest peak that is still news."""
        return next((peak for peak in reversed(self.peaks) if peak.current), None)

    @property
    def heat(self) -> float:
        """What channels are sorted by: the excitement, or the score of a current peak, which fades while it is news."""
        if self.peak is None:
            return self.excitement
        left = 1 - (self.elapsed_sec - self.peak.start_sec) / (CURRENT_SEC + SETTLE_SEC)
        return max(self.excitement, self.peak.score * left)


@dataclass(frozen=True)
class LiveCollector:
    """A collector that gave a sign of life within a day."""

    collector_id: str
    heartbeat_at: datetime
    silent_sec: float
    stopped: bool
    """It said goodbye."""
    stalled: bool
    """It did not, and is silent."""
    channels: int
    on_air: int
    queued: int
    spool_bytes: int
    delay_sec: float | None
    """From Chzzk's time of a message to its commit."""


@dataclass(frozen=True)
class LiveView:
    """One look."""

    at: datetime
    """By the clock of the database, as every time here."""
    channels: list[LiveChannel]
    """Most exciting first; what has ended comes last."""
    collectors: list[LiveCollector]

    @property
    def collecting(self) -> bool:
        """Whether any collector is at work."""
        return any(not one.stopped and not one.stalled for one in self.collectors)

    def as_document(self) -> dict[str, Any]:
        """What `nokchart live --once --json` prints; see docs/live.md."""
        document = asdict(self)
        for shown, channel in zip(document["channels"], self.channels, strict=True):
            shown["peak"] = None if channel.peak is None else asdict(channel.peak)
        return document
