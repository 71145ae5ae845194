"""The collector's connections to a database that may be away, at the start and at any moment after it."""

import asyncio
from collections.abc import Callable

import asyncpg

from store.database import Database

_CLOSE_SEC = 1.0


class PatientPool:
    """An asyncpg pool that is made when the database first answers. Use as an async context manager, and call it."""

    def __init__(self, reach: Callable[[], Database]) -> None:
        """`reach`: connects and migrates, or raises DatabaseUnavailable; it is called in a thread."""
        self._reach = reach
        self._making: asyncio.Task[asyncpg.Pool[asyncpg.Record]] | None = None
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.database: Database | None = None
        """None until it has answered."""

    async def __aenter__(self) -> "PatientPool":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._making is not None:
            self._making.cancel()
        if self._pool is not None:
            closing = asyncio.create_task(self._pool.close())
            await asyncio.wait({closing}, timeout=_CLOSE_SEC)
            if not closing.done():
                self._pool.terminate()  # a server that hangs does not say goodbye
                closing.cancel()
                await asyncio.wait({closing})

    async def __call__(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The pool. Raises what `reach` does, and what asyncpg does, while there is none."""
        if self._pool is not None:
            return self._pool
        if self._making is None or (self._making.done() and not self._succeeded()):
            self._making = asyncio.create_task(self._make())
        # Shielded: who gives up waiting leaves the attempt to the others.
        return await asyncio.shield(self._making)

    async def revive(self) -> None:
        """Does what can be done for a database that has gone away: the embedded server is started again."""
        if self._pool is not None:
            await asyncio.to_thread(self._reach)

    def _succeeded(self) -> bool:
        making = self._making
        return making is not None and not making.cancelled() and making.exception() is None

    async def _make(self) -> "asyncpg.Pool[asyncpg.Record]":
        self.database = await asyncio.to_thread(self._reach)
        self._pool = await self.database.pool()
        return self._pool
