"""Which channels are this collector's: several collectors share a list through leases in the database."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from collector.committer import Pool
from collector.snapshot import Snapshot
from store.queries import query

# A lease is renewed at every beat; who has missed three is dead, and its channels are free.
BEAT_SEC = 5.0
LEASE_SEC = 20.0

# A database that does not answer a beat is away: nobody waits for it to say whose a channel is.
_ANSWER_SEC = 5.0


class Roster:
    """Takes, renews and gives back leases, and keeps the collector's own row fresh."""

    def __init__(self, pool: Pool, collector_id: str, channels: Sequence[str], lease_sec: float = LEASE_SEC) -> None:
        self._pool = pool
        self._collector_id = collector_id
        self._channels = list(channels)
        self._lease_sec = lease_sec

    async def beat(self, snapshot: Snapshot) -> set[str]:
        """Says that the collector is alive. Returns the channels it is to watch; one of AWAY: nobody knows."""
        mine = (self._collector_id, self._channels)
        live = [channel.channel_id for channel in snapshot.channels if channel.live]
        pool = await self._pool()
        async with pool.acquire(timeout=_ANSWER_SEC) as connection, connection.transaction():
            await self._report(connection, snapshot, None)
            await connection.execute(query("lock_leases"), timeout=_ANSWER_SEC)
            await connection.execute(query("renew_leases"), *mine, self._lease_sec, live, timeout=_ANSWER_SEC)
            await connection.execute(query("take_free_channels"), *mine, self._lease_sec, timeout=_ANSWER_SEC)
            await connection.execute(query("take_over_channels"), *mine, self._lease_sec, timeout=_ANSWER_SEC)
            held = await connection.fetch(query("held_channels"), *mine, timeout=_ANSWER_SEC)
        return {row["channel_id"] for row in held}

    async def leave(self, snapshot: Snapshot) -> None:
        """The collector stops: others may have its channels at once. One of AWAY: they get them when the leases end."""
        pool = await self._pool()
        async with pool.acquire(timeout=_ANSWER_SEC) as connection, connection.transaction():
            await connection.execute(query("release_channels"), self._collector_id, timeout=_ANSWER_SEC)
            await self._report(connection, snapshot, datetime.now(UTC))

    async def _report(
        self, connection: "asyncpg.Connection[asyncpg.Record]", snapshot: Snapshot, stopped_at: datetime | None
    ) -> None:
        ages = snapshot.commit_age_sec
        await connection.execute(
            query("report_collector"),
            self._collector_id,
            snapshot.started_at,
            snapshot.at,
            stopped_at,
            len(snapshot.channels),
            sum(channel.live for channel in snapshot.channels),
            snapshot.events,
            snapshot.rejected,
            snapshot.queued_rows,
            None if ages is None else datetime.fromtimestamp(snapshot.at.timestamp() - ages, UTC),
            snapshot.dropped,
            snapshot.spool_bytes,
            snapshot.delay_sec,
            timeout=_ANSWER_SEC,
        )
