"""What waits to be sent to one place: held back where it is too much, sent together, and tried until it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from analytics.alerts import Alert

HOUR_SEC: Final = 3600.0
MOST_TOGETHER: Final = 6
"""Alerts in one message, for Discord takes 2,000 characters; of more, peaks are counted first, and the oldest."""

MOST_WAITING: Final = 200
FIRST_DELAY_SEC: Final = 5.0
LONGEST_DELAY_SEC: Final = 600.0


class Limits(NamedTuple):
    """How much is too much."""

    channel_sec: float = 300.0
    """Between two messages about peaks of one channel."""
    per_hour: int = 30
    """Messages to one place; that the collection has stalled or goes on is always told."""


class Batch(NamedTuple):
    """What one message says."""

    alerts: Sequence[Alert]
    left_out: int
    """How many more it only counts."""
    covered: Sequence[Alert]
    """What needs no telling after it."""


class Outbox(msgspec.Struct):
    """Of one place. Times are seconds since 1970 by this machine's clock, which may jump: no wait gets longer by it."""

    waiting: list[Alert] = []
    left_out: int = 0
    peaks_at: dict[str, float] = {}
    """By channel, when its last peak was sent."""
    sent_at: list[float] = []
    """Messages of the last hour."""
    failures: int = 0
    """In a row."""
    failed_at: float = 0.0

    def add(self, alerts: Sequence[Alert]) -> None:
        """What is new, in order. Of too many the oldest peaks go first."""
        self.waiting += alerts
        while len(self.waiting) > MOST_WAITING:
            del self.waiting[next((i for i, one in enumerate(self.waiting) if one.kind == "peak"), 0)]
            self.left_out += 1

    def due(self, now: float, limits: Limits) -> Batch | None:
        """What may be sent now, as one message; None where nothing may, or nothing waits."""
        self._follow_clock(now)
        if self.failures and now - self.failed_at < self.delay_sec():
            return None
        self.sent_at = [at for at in self.sent_at if now - at < HOUR_SEC]
        full = len(self.sent_at) >= limits.per_hour
        ready = [one for one in self.waiting if self._allowed(one, now, limits, full)]
        if not ready:
            return None
        first = sorted(ready, key=lambda one: (one.kind == "peak", -one.at.timestamp()))[:MOST_TOGETHER]
        told = [one for one in ready if one in first]
        return Batch(told, self.left_out + len(ready) - len(told), ready)

    def sent(self, batch: Batch, now: float) -> None:
        """It has arrived."""
        self.waiting = [one for one in self.waiting if one not in batch.covered]
        self.left_out -= batch.left_out - (len(batch.covered) - len(batch.alerts))
        self.peaks_at |= {one.channel_id: now for one in batch.covered if one.kind == "peak"}
        self.sent_at.append(now)
        self.failures = 0

    def failed(self, now: float) -> None:
        """It has not; the next attempt comes later."""
        self.failures += 1
        self.failed_at = now

    def delay_sec(self) -> float:
        """Between the last failure and the next attempt: 5 s, doubled each time, at most 10 minutes."""
        return float(min(FIRST_DELAY_SEC * 2 ** min(self.failures - 1, 20), LONGEST_DELAY_SEC))

    def _allowed(self, alert: Alert, now: float, limits: Limits, full: bool) -> bool:
        if alert.kind in ("stalled", "recovered"):
            return True
        last = self.peaks_at.get(alert.channel_id) if alert.kind == "peak" else None
        return not full and (last is None or now - last >= limits.channel_sec)

    def _follow_clock(self, now: float) -> None:
        """A clock that was set back must not hold anything until it is there again."""
        self.sent_at = [min(at, now) for at in self.sent_at]
        self.peaks_at = {channel: min(at, now) for channel, at in self.peaks_at.items() if now - at < HOUR_SEC}
        self.failed_at = min(self.failed_at, now)
