"""The simulated clock: it may run faster than the wall's, and reads in Korean time where Chzzk does."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

# Simulated time passes in steps of at most this, in real seconds: see Clock.run.
_STEP_SEC = 0.1
_TICK_SEC = 0.02

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
        self._passed_sec = 0.0  # real seconds until the last tick, without those in which the process stood still
        self._ticked = 0.0

    def start(self) -> None:
        """Let simulated time begin to pass."""
        self._started = self._ticked = time.monotonic()
        if self.speed == 1.0:
            # In real time dates are the wall's, to the millisecond: a bench takes a message's age from them. What has
            # passed of the first second is played at once.
            self._ahead_sec = max(0.0, time.time() - self.zero.timestamp())

    def now_sec(self) -> float:
        """Simulated seconds since the start (0.0 before it)."""
        if self._started is None:
            return 0.0
        if self.speed == 1.0:
            return self.real_sec() + self._ahead_sec
        return (self._passed_sec + min(time.monotonic() - self._ticked, _STEP_SEC)) * self.speed

    async def run(self) -> None:
        """Keep simulated time from leaping, for as long as this runs.

        A machine that is busy elsewhere may stand still for a second. Played at twenty times the speed that would be
        twenty seconds of a broadcast at once, in which no client could have done anything. In real time dates are the
        wall's, and there is no leap to speak of.
        """
        while self.speed != 1.0:
            now = time.monotonic()
            self._passed_sec += min(now - self._ticked, _STEP_SEC)
            self._ticked = now
            await asyncio.sleep(_TICK_SEC)

    def real_sec(self) -> float:
        """Real seconds since the start (0.0 before it)."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    def real_until(self, simulated_sec: float) -> float:
        """Real seconds from now to ``simulated_sec``; 0.0 when it has passed."""
        return max(0.0, (simulated_sec - self.now_sec()) / self.speed)

    def date(self, simulated_sec: float) -> datetime:
        """The aware UTC date of a simulated second."""
        return self.zero + timedelta(seconds=simulated_sec)
