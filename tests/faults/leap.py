"""An event loop whose clock leaps over the time in which nothing happens: an hour of a real collector in seconds."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

# Real seconds that sockets, the database's too, are given to say something before the clock leaps to the next timer.
GRACE_SEC = 0.003


class Leap:
    """The clock: `time.monotonic` of the whole process, for as long as the patch lasts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.allowed = False
        """Whether it leaps: not while a connection to the database is being made, nor while one waits for a test."""
        self._real = time.monotonic
        self._leapt = 0.0
        patch.setattr(time, "monotonic", self.monotonic)

    def monotonic(self) -> float:
        """Real seconds, and those that were leapt over."""
        return self._real() + self._leapt

    def run(self, play: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine in a loop of this clock."""
        clock = self

        class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
            def select(self, timeout: float | None = None) -> Any:
                if timeout is None or timeout <= GRACE_SEC or not clock.allowed:
                    return super().select(timeout)
                ready = super().select(GRACE_SEC)
                if not ready:
                    clock._leapt += timeout - GRACE_SEC
                return ready

        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Selector())) as runner:
            return runner.run(play)

    async def pass_by(self, seconds: float) -> None:
        """Lets so many seconds of this clock pass, leaping."""
        self.allowed = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.allowed = False
