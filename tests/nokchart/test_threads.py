"""Threads for what may hang: nobody waits for them, and they do not wait for one another."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from nokchart.threads import DaemonThreads


def test_calls_that_hang_delay_no_other_call_and_no_end() -> None:
    enough = threading.Event()

    async def play() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(DaemonThreads())
        hanging = [loop.run_in_executor(None, enough.wait, 60) for _ in range(50)]
        async with asyncio.timeout(20):
            said = await asyncio.to_thread("said {}".format, "at once")
        assert not any(call.done() for call in hanging)
        for call in hanging:
            call.cancel()
        return said

    began = time.monotonic()
    try:
        assert asyncio.run(play()) == "said at once"
    finally:
        enough.set()
    assert time.monotonic() - began < 30


async def test_an_error_is_for_who_waits() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.wrap_future(DaemonThreads().submit(lambda: 1 // 0))
