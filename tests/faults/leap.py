"""An event loop whose clock leaps over the time in which nothing happens: an hour of a real collector in seconds."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

# Real seconds that the kernel is given to hand on what one socket of this process said to another.
_GRACE_SEC = 0.000_05


class Leap:
    """The clock: `time.monotonic` of the whole process, for as long as the patch lasts.

    It never leaps while others are at work: a database that owes an answer, and threads.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.allowed = False
        """Whether it leaps at all."""
        self._leapt = 0.0
        self._owing: set[int] = set()  # Unix sockets that were written to and have not answered
        self._threads = 0
        self._real = time.monotonic
        self._write = _SelectorSocketTransport.write
        patch.setattr(time, "monotonic", lambda: self._real() + self._leapt)
        patch.setattr(_SelectorSocketTransport, "write", lambda transport, data: self._ask(transport, data))

    def run(self, play: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine in a loop of this clock."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(play)

    async def pass_by(self, seconds: float) -> None:
        """Lets so many seconds of this clock pass, leaping."""
        self.allowed = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.allowed = False

    def _ask(self, transport: Any, data: Any) -> None:
        if transport.get_extra_info("socket").family == socket.AF_UNIX:
            self._owing.add(transport.get_extra_info("socket").fileno())
        self._write(transport, data)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Leap) -> None:
        super().__init__(_Selector(clock))
        self._clock = clock

    def run_in_executor(self, *arguments: Any) -> Any:
        done = super().run_in_executor(*arguments)
        self._clock._threads += 1
        done.add_done_callback(self._thread_is_done)
        return done

    def _thread_is_done(self, done: Any) -> None:
        self._clock._threads -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, clock: Leap) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        clock = self._clock
        clock._owing &= self.get_map().keys()
        busy = bool(clock._owing) or clock._threads > 0
        if timeout is None or timeout <= 0 or busy or not clock.allowed:
            ready = super().select(timeout)
        elif not (ready := super().select(0)):
            time.sleep(_GRACE_SEC)
            if not (ready := super().select(0)):
                clock._leapt += timeout
        clock._owing.difference_update(key.fd for key, _ in ready)
        return ready
