"""When the machine stood still: what took that long then was nobody's doing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TICK_SEC = 0.01
_LONG_SEC = 0.1


class Standstills:
    """Times of time.monotonic() between which the event loop did not run."""

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []

    def none_between(self, begin: float, end: float) -> bool:
        """Whether the loop ran all the time from `begin` to `end`."""
        return all(end < since or until < begin for since, until in self._found)

    async def watch(self) -> None:
        """Notes them until it is cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_SEC)
            if (now := time.monotonic()) > before + _LONG_SEC:
                self._found.append((before, now))


@asynccontextmanager
async def standstills() -> AsyncIterator[Standstills]:
    """Notes them for as long as the block runs."""
    found = Standstills()
    watching = asyncio.create_task(found.watch())
    try:
        yield found
    finally:
        watching.cancel()
