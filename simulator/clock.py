"""The simulated clock: it may run faster than the wall's, and reads in Korean time where Chzzk does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

KST = timezone(timedelta(hours=9), "KST")


def kst_text(moment: datetime) -> str:
    """Return ``moment`` as Chzzk writes its dates: ``YYYY-MM-DD HH:MM:SS`` in Korean time, without an offset.

    Raises ValueError for a naive ``moment``.
    """
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no Korean time; pass an aware one")
    return moment.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S")


class Clock:
    """Simulated seconds since the simulation's start, and the dates they stand for."""

    def __init__(self, speed: float, span_sec: float) -> None:
        """``speed``: simulated seconds per real second; ``span_sec``: simulated length of everything scripted.

        Raises ValueError for a speed that is not positive.
        """
        if not speed > 0:
            raise ValueError(f"speed must be positive, not {speed}")
        self.speed = speed
        # Dates are chosen so that the script ends "now", and never lies in the future while it runs: a client is
        # right to distrust a message from tomorrow. Whole seconds, because openDate has no fraction.
        head_start = span_sec * max(0.0, 1.0 - 1.0 / speed)
        self.zero = datetime.fromtimestamp(int(time.time() - head_start), UTC)
        self._started: float | None = None
        self._ahead_sec = 0.0

    def start(self) -> None:
        """Let simulated time begin to pass."""
        self._started = time.monotonic()
        if self.speed == 1.0:
            # In real time dates are the wall's, to the millisecond: a bench takes a message's age from them. What has
            # passed of the first second is played at once.
            self._ahead_sec = max(0.0, time.time() - self.zero.timestamp())

    def now_sec(self) -> float:
        """Simulated seconds since the start (0.0 before it)."""
        return 0.0 if self._started is None else self.real_sec() * self.speed + self._ahead_sec

    def real_sec(self) -> float:
        """Real seconds since the start (0.0 before it)."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    def real_until(self, simulated_sec: float) -> float:
        """Real seconds from now to ``simulated_sec``; 0.0 when it has passed."""
        return max(0.0, (simulated_sec - self.now_sec()) / self.speed)

    def date(self, simulated_sec: float) -> datetime:
        """The aware UTC date of a simulated second."""
        return self.zero + timedelta(seconds=simulated_sec)
